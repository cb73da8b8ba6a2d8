"""CT and MRI volumes."""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

import pydantic
from pydantic import Field

from mmkeras.spec.modality import (
    Augmentation,
    Modality,
    Side,
    Stored,
)
from mmkeras.spec.registry import register_modality
from mmkeras.spec.sizes import check_size
from mmkeras.spec.tables import Column

Unit = Annotated[float, Field(ge=-1_000_000_000, le=1_000_000_000)]
Millimetres = Annotated[float, Field(gt=0, le=1000)]
Millimetres3 = tuple[Millimetres, Millimetres, Millimetres]
Spacing = Annotated[Millimetres3, Field(strict=False)]
# Steps between the ends of the window, in a shard.
LEVELS = 65535


@register_modality
class Volume(Modality):
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
        frame: Which volume of a NIfTI file of several, such as the times of
            an fMRI, from 0; such a file is refused when it is left out.
    """

    kind: Literal["volume"]
    column: Column
    depth: Side
    height: Side
    width: Side
    spacing_mm: Spacing
    window_low: Unit
    window_high: Unit
    frame: Annotated[int, Field(ge=0, le=1_000_000)] | None = None
    augmentations: ClassVar[Mapping[str, Augmentation]] = {
        "horizontal_flip": Augmentation(
            0,
            0,
            1,
            "1: left and right change sides in half of the volumes",
            shared=True,
            moves_space="followed",
        ),
        "vertical_flip": Augmentation(
            0, 0, 1, "as that, back and front", moves_space="followed"
        ),
        "depth_flip": Augmentation(
            0, 0, 1, "as that, bottom and top", moves_space="followed"
        ),
        "rotation_degrees": Augmentation(
            0,
            0,
            180,
            "degrees about the axis of the body, either way",
            shared=True,
            moves_space="followed",
        ),
        "gain": Augmentation(
            0.1, 0, 1, "fraction, further from or nearer to the middle grey"
        ),
        "intensity_shift": Augmentation(
            0.05, 0, 1, "fraction of the window, darker or brighter"
        ),
    }
    has_pixels: ClassVar[bool] = True
    mixed_axes: ClassVar[tuple[int, ...] | None] = (0, 1, 2)
    example: ClassVar[str] = "VOLUME.npy"
    device_keys: ClassVar[tuple[str, ...]] = (
        "depth",
        "height",
        "width",
        "spacing_mm",
        "window_low",
        "window_high",
    )

    @pydantic.model_validator(mode="after")
    def _window(self) -> "Volume":
        if self.window_low >= self.window_high:
            raise ValueError(
                "`window_low` must be below `window_high`. Received: "
                f"{self.window_low}, {self.window_high}"
            )
        return check_size(self)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one sample: (depth, height, width, 1)."""
        return (self.depth, self.height, self.width, 1)

    @property
    def stored(self) -> Stored:
        """The window in 65,536 levels: a CT's step is 0.02 Hounsfield."""
        return Stored(
            "<i2",
            scale=(self.window_high - self.window_low) / LEVELS,
            zero_point=-32768,
            offset=self.window_low,
        )
