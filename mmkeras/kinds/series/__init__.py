"""Series of sensor data."""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

import pydantic
from pydantic import Field

from mmkeras.spec.modality import Augmentation, Modality, check_size
from mmkeras.spec.registry import register_modality
from mmkeras.spec.tables import Column

Rate = Annotated[float, Field(gt=0, le=1_000_000)]
# TOML has lists only; a tuple keeps the spec immutable.
Names = Annotated[
    tuple[Column, ...], Field(strict=False, min_length=1, max_length=256)
]


@register_modality
class Series(Modality):
    """Sensor data of named channels: .npy, .csv or a WFDB record.

    Args:
        kind: "series".
        column: Manifest column with the path; that of a WFDB record has no
            suffix.
        optional: Whether a sample may lack it.
        channels: Names of the channels, in the model's order. In a .csv they
            are columns, in a WFDB record its signals; an .npy file
            `(steps, channels)` has them in this order.
        sample_rate_hz: Rate in steps a second after resampling.
        duration_sec: Length in seconds; shorter series end in a gap, longer
            ones are cut.
        crop: Which part of a longer series is kept: "start" or "center".
        file_rate_hz: Rate of the .npy files, and of the .csv files without
            `time_column`, in steps a second; a WFDB record states its own.
        time_column: Column of a .csv with the time in seconds, which shows
            its rate and its gaps.
    """

    kind: Literal["series"]
    column: Column
    channels: Names
    sample_rate_hz: Rate
    duration_sec: Annotated[float, Field(gt=0, le=10_000_000)]
    crop: Literal["start", "center"] = "start"
    file_rate_hz: Rate | None = None
    time_column: Column | None = None
    # Nothing but gaps is neutral to a tower; 0 is a reading.
    absent: ClassVar[float] = float("nan")
    augmentations: ClassVar[Mapping[str, Augmentation]] = {
        "noise_std": Augmentation(
            0.05, 0, 10, "fraction of a channel's own deviation"
        ),
        "gain": Augmentation(
            0.1, 0, 1, "fraction, larger or smaller swings about its mean"
        ),
    }
    example: ClassVar[str] = "SERIES.csv"
    device_keys: ClassVar[tuple[str, ...]] = (
        "channels",
        "sample_rate_hz",
        "duration_sec",
        "crop",
        "time_column",
    )
    free_keys: ClassVar[tuple[str, ...]] = (
        *Modality.free_keys,
        "duration_sec",
        "crop",
    )

    @pydantic.field_validator("channels")
    @classmethod
    def _unique(cls, channels: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(channels)) < len(channels):
            twice = next(c for c in channels if channels.count(c) > 1)
            raise ValueError(
                f"`channels` must all differ. Received: {twice[:80]!r} twice"
            )
        return channels

    @pydantic.model_validator(mode="after")
    def _bounded(self) -> "Series":
        return check_size(self)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one sample: (steps, channels)."""
        steps = round(self.sample_rate_hz * self.duration_sec)
        return (steps, len(self.channels))
