"""Series of sensor data."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

import pydantic
from pydantic import Field

from mmkeras.spec.modality import Augmentation, Modality
from mmkeras.spec.registry import register_modality
from mmkeras.spec.sizes import check_size
from mmkeras.spec.tables import DISTINCT, Column

Unit = Annotated[str, Field(min_length=1, max_length=40)]
Rate = Annotated[float, Field(gt=0, le=1_000_000)]
# TOML has lists only; a tuple keeps the spec immutable.
Names = Annotated[
    tuple[Column, ...], Field(strict=False, min_length=1, max_length=256)
]
Units = Annotated[
    tuple[Unit, ...], Field(strict=False, min_length=1, max_length=256)
]


@register_modality
class Series(Modality):
    """Sensor data of named channels: a table, arrays, WFDB, EDF or BDF.

    Args:
        kind: "series".
        column: Manifest column with the path; that of a WFDB record has no
            suffix.
        optional: Whether a sample may lack it.
        channels: Names of the channels, in the model's order. In a table they
            are columns, in a WFDB record or EDF its signals, in an .npz or
            .mat arrays; an array `(steps, channels)` has them in this order.
        units: Unit of each channel; a file that states another is turned into
            it, or left out. When left out, all files must state the same.
        sample_rate_hz: Rate in steps a second after resampling.
        duration_sec: Length in seconds; shorter series end in a gap, longer
            ones are cut.
        crop: Which part of a longer series is kept: "start" or "center".
        start_column: Manifest column with the second at which a sample begins
            in its file, so that a long recording holds many; from its
            beginning where left out or empty.
        file_rate_hz: Rate of files that state none, in steps a second: arrays,
            and tables without `time_column`.
        time_column: Column or array with the time of each step, which shows
            the rate and the gaps.
        time_unit: Unit of numbers in it; that in a row of units, or else
            seconds, when left out.
        time_format: How dates in it are written, as `strptime` has it; ISO
            8601 when left out.
        array: Name of the array of all channels in an .npz or .mat; found when
            left out.
        separator: What stands between two cells of a text, a blank for any
            number of them; found when left out.
        decimal: Decimal sign of a text; found when left out.
    """

    kind: Literal["series"]
    column: Column
    channels: Annotated[Names, DISTINCT]
    units: Units | None = None
    sample_rate_hz: Rate
    duration_sec: Annotated[float, Field(gt=0, le=10_000_000)]
    crop: Literal["start", "center"] = "start"
    start_column: Column | None = None
    file_rate_hz: Rate | None = None
    time_column: Column | None = None
    time_unit: Literal["s", "ms", "us", "ns", "min", "h"] | None = None
    time_format: Column | None = None
    array: Column | None = None
    separator: Literal[",", ";", "\t", "|", " "] | None = None
    decimal: Literal[".", ","] | None = None
    # Nothing but gaps is neutral to a tower; 0 is a reading.
    absent: ClassVar[float] = float("nan")
    augmentations: ClassVar[Mapping[str, Augmentation]] = {
        "noise_std": Augmentation(
            0.05, 0, 10, "fraction of a channel's own deviation"
        ),
        "gain": Augmentation(
            0.1, 0, 1, "fraction, larger or smaller swings about its mean"
        ),
        "time_warp": Augmentation(
            0, 0, 0.9, "fraction, slower or faster on the way", moves_time=True
        ),
        "time_shift": Augmentation(
            0,
            0,
            1,
            "fraction of the duration, earlier or later; a gap moves in",
            shared=True,
            moves_time=True,
        ),
        "time_crop": Augmentation(
            0,
            0,
            0.9,
            "fraction of the duration that is left out at most; what is kept "
            "comes first, a gap after it",
            shared=True,
            moves_time=True,
        ),
        "channel_dropout": Augmentation(
            0, 0, 0.9, "probability that a channel becomes a gap; one stays"
        ),
    }
    mixed_axes: ClassVar[tuple[int, ...] | None] = (0,)
    example: ClassVar[str] = "SERIES.csv"
    device_keys: ClassVar[tuple[str, ...]] = (
        "channels",
        "sample_rate_hz",
        "duration_sec",
        "crop",
        "time_column",
        "time_unit",
    )
    free_keys: ClassVar[tuple[str, ...]] = (
        *Modality.free_keys,
        "duration_sec",
        "crop",
        "start_column",
        "time_unit",
        "time_format",
        "array",
        "separator",
        "decimal",
    )

    @pydantic.model_validator(mode="after")
    def _bounded(self) -> "Series":
        if self.units and len(self.units) != len(self.channels):
            raise ValueError(
                "`units` must name a unit for each of `channels`. Received: "
                f"{len(self.units)} units, {len(self.channels)} channels"
            )
        if self.time_column is None and (self.time_unit or self.time_format):
            raise ValueError(
                "`time_unit` and `time_format` must stand beside "
                f"`time_column`. Received: time_unit={self.time_unit!r}, "
                f"time_format={self.time_format!r}"
            )
        if self.start_column is not None and self.crop != "start":
            raise ValueError(
                '`crop` must be "start" where `start_column` says where a '
                f"sample begins. Received: {self.crop!r}"
            )
        return check_size(self)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one sample: (steps, channels)."""
        steps = round(self.sample_rate_hz * self.duration_sec)
        return (steps, len(self.channels))

    @property
    def manifest_columns(self) -> tuple[str, ...]:
        return (self.column, *self.number_columns)

    @property
    def number_columns(self) -> tuple[str, ...]:
        return () if self.start_column is None else (self.start_column,)

    @property
    def time_steps(self) -> int:
        """Steps of a sample."""
        return self.shape[0]

    def same_input(self, other: Mapping[str, Any]) -> tuple[dict, dict]:
        """Compares; runs of older versions knew no units."""
        return super().same_input({"units": None, **other})
