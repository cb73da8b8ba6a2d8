"""Modalities that run over time or fill a space."""

from typing import Annotated, Literal

import pydantic
from pydantic import Field

from mmkeras.spec.tables import Column, Table

MAX_VALUES = 100_000_000
Side = Annotated[int, Field(gt=0, le=4096)]
Rate = Annotated[float, Field(gt=0, le=1_000_000)]
Unit = Annotated[float, Field(ge=-1_000_000_000, le=1_000_000_000)]
Millimetres = Annotated[float, Field(gt=0, le=1000)]
# TOML has lists only; a tuple keeps the spec immutable.
Names = Annotated[
    tuple[Column, ...], Field(strict=False, min_length=1, max_length=256)
]
Millimetres3 = tuple[Millimetres, Millimetres, Millimetres]
Spacing = Annotated[Millimetres3, Field(strict=False)]


class Signal(Table):
    """What every modality here shares: a sample has a bounded size."""

    @pydantic.model_validator(mode="after")
    def _bounded(self):
        values = 1
        for side in self.shape:
            values *= side
        if not 0 < values <= MAX_VALUES:
            raise ValueError(
                f"A sample must have 1 to {MAX_VALUES:,} values. Received: "
                f"{values:,}, shape {self.shape}"
            )
        return self


class Series(Signal):
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
    optional: bool = False
    channels: Names
    sample_rate_hz: Rate
    duration_sec: Annotated[float, Field(gt=0, le=10_000_000)]
    crop: Literal["start", "center"] = "start"
    file_rate_hz: Rate | None = None
    time_column: Column | None = None

    @pydantic.field_validator("channels")
    @classmethod
    def _unique(cls, channels: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(channels)) < len(channels):
            twice = next(c for c in channels if channels.count(c) > 1)
            raise ValueError(
                f"`channels` must all differ. Received: {twice[:80]!r} twice"
            )
        return channels

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one sample: (steps, channels)."""
        steps = round(self.sample_rate_hz * self.duration_sec)
        return (steps, len(self.channels))


class Video(Signal):
    """A film, as some of its frames: MP4, MOV, MKV, WebM or AVI.

    Args:
        kind: "video".
        column: Manifest column with the path.
        optional: Whether a sample may lack it.
        height: Height in pixels.
        width: Width in pixels.
        channels: 1 for grey, 3 for RGB.
        frames: Frames of a sample.
        sampling: "uniform" takes the middle of `frames` equal parts of the
            film; "start" and "center" take `frame_rate_hz` frames a second
            from its start or around its middle, and repeat the last frame
            where the film is too short.
        frame_rate_hz: With "start" and "center": frames taken a second.
        resize: What happens to a frame of another size: "stretch", "crop"
            (keep the shape, cut the centre), "pad" (keep the shape, fill with
            black) or "refuse" (quarantine the film).
    """

    kind: Literal["video"]
    column: Column
    optional: bool = False
    height: Side
    width: Side
    channels: Literal[1, 3] = 3
    frames: Annotated[int, Field(gt=0, le=4096)]
    sampling: Literal["uniform", "start", "center"] = "uniform"
    frame_rate_hz: Annotated[float, Field(gt=0, le=1000)] | None = None
    resize: Literal["stretch", "crop", "pad", "refuse"] = "stretch"

    @pydantic.model_validator(mode="after")
    def _rule(self) -> "Video":
        if (self.sampling == "uniform") != (self.frame_rate_hz is None):
            raise ValueError(
                '`frame_rate_hz` must be given with `sampling` "start" or '
                '"center", and only there. Received: '
                f"sampling={self.sampling!r}, "
                f"frame_rate_hz={self.frame_rate_hz}"
            )
        return self

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one sample: (frames, height, width, channels)."""
        return (self.frames, self.height, self.width, self.channels)


class Volume(Signal):
    """A CT or MRI: a folder of DICOM files, one DICOM file, or NIfTI.

    Args:
        kind: "volume".
        column: Manifest column with the path of the file or folder.
        optional: Whether a sample may lack it.
        depth: Voxels from inferior to superior.
        height: Voxels from posterior to anterior.
        width: Voxels from left to right.
        spacing_mm: Size of a voxel in millimetres, as [depth, height, width],
            after resampling; what is larger is cut around the centre, what is
            smaller is surrounded by `window_low`.
        window_low: Value, such as -1000 Hounsfield units, at and below which
            everything is alike.
        window_high: Value at and above which everything is alike.
    """

    kind: Literal["volume"]
    column: Column
    optional: bool = False
    depth: Side
    height: Side
    width: Side
    spacing_mm: Spacing
    window_low: Unit
    window_high: Unit

    @pydantic.model_validator(mode="after")
    def _window(self) -> "Volume":
        if self.window_low >= self.window_high:
            raise ValueError(
                "`window_low` must be below `window_high`. Received: "
                f"{self.window_low}, {self.window_high}"
            )
        return self

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one sample: (depth, height, width, 1)."""
        return (self.depth, self.height, self.width, 1)
