"""Clouds of points: lidar, radar, depth cameras."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

import pydantic
from pydantic import Field

from mmkeras.spec.modality import Augmentation, Modality
from mmkeras.spec.registry import register_modality
from mmkeras.spec.sizes import check_size
from mmkeras.spec.tables import Column

Metres = Annotated[float, Field(ge=-1_000_000, le=1_000_000)]
Box = tuple[Metres, Metres, Metres, Metres, Metres, Metres]
# TOML has lists only; a tuple keeps the spec immutable.
Names = Annotated[
    tuple[Column, ...], Field(strict=False, min_length=3, max_length=64)
]
PLACE = ("x", "y", "z")


@register_modality
class Points(Modality):
    """A cloud of points: KITTI's .bin, PCD, LAS, LAZ, PLY, .npy or text.

    Args:
        kind: "points".
        column: Manifest column with the path.
        optional: Whether a sample may lack it.
        columns: Columns of a point, in the model's order: "x", "y" and "z"
            in metres, and then others of the file, such as "intensity".
        points: Points of a sample; of more, some are left out, and what is
            missing is no point to the model.
        file_columns: Columns of files that name none, .bin, .npy and lines of
            numbers, in order; those of `columns` when left out.
        crop_m: Box of the points that are kept, in metres: least x, y and z,
            and then largest.
        voxel_m: Side of a cube in metres, whose points become one, their
            mean.
        sampling: Which of too many points are kept: "random", by `seed`, or
            "even", every so many in the order of the file.
        seed: What "random" follows from, in every sample alike.
        normalise: "none"; "center", the mean of the points goes to 0; or
            "unit", the farthest is then at 1.
    """

    kind: Literal["points"]
    column: Column
    columns: Names = PLACE
    points: Annotated[int, Field(gt=0, le=1_000_000)]
    file_columns: Names | None = None
    crop_m: Annotated[Box, Field(strict=False)] | None = None
    voxel_m: Annotated[float, Field(gt=0, le=1000)] | None = None
    sampling: Literal["random", "even"] = "random"
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    normalise: Literal["none", "center", "unit"] = "none"
    # Nothing but missing points is neutral to a tower; 0 is a place.
    absent: ClassVar[float] = float("nan")
    augmentations: ClassVar[Mapping[str, Augmentation]] = {
        "rotation_degrees": Augmentation(
            10,
            0,
            180,
            "degrees about the vertical axis, either way",
            moves_space="alone",
        ),
        "scale": Augmentation(
            0.05, 0, 0.9, "fraction, larger or smaller", moves_space="alone"
        ),
        "jitter_std": Augmentation(
            0.01, 0, 10, "metres, or what x, y and z are in; each point"
        ),
        "point_dropout": Augmentation(
            0.1, 0, 0.9, "largest share of points that are left out"
        ),
        "horizontal_flip": Augmentation(
            0,
            0,
            1,
            "1: left and right (y) change sides in half of the clouds",
            shared=True,
            moves_space="alone",
        ),
    }
    # Half of two clouds is no cloud.
    mixed_axes: ClassVar[tuple[int, ...] | None] = None
    example: ClassVar[str] = "CLOUD.bin"
    device_shares: ClassVar[tuple[str, ...]] = (
        "mmkeras.kinds.points.cloud_files",
        "mmkeras.kinds.points.cloud_choice",
    )
    device_keys: ClassVar[tuple[str, ...]] = (
        "columns",
        "file_columns",
        "points",
        "crop_m",
        "voxel_m",
        "sampling",
        "seed",
        "normalise",
    )
    free_keys: ClassVar[tuple[str, ...]] = (
        *Modality.free_keys,
        "file_columns",
        "points",
        "sampling",
        "seed",
    )

    @pydantic.field_validator("columns", "file_columns")
    @classmethod
    def _unique(cls, names: tuple[str, ...] | None) -> tuple[str, ...] | None:
        folded = [name.casefold() for name in names or ()]
        if len(set(folded)) < len(folded):
            twice = next(n for n in folded if folded.count(n) > 1)
            raise ValueError(
                "`columns` and `file_columns` must each differ from one "
                f"another. Received: {twice[:80]!r} twice"
            )
        return names

    @pydantic.model_validator(mode="after")
    def _bounded(self) -> "Points":
        if self.columns[:3] != PLACE:
            raise ValueError(
                '`columns` must begin with "x", "y" and "z". Received: '
                f"{', '.join(self.columns)[:200]}"
            )
        known = {name.casefold() for name in self.file_columns or ()}
        missing = [n for n in self.columns if n.casefold() not in known]
        if known and missing:
            raise ValueError(
                "`file_columns` must have all of `columns`. Received: "
                f"{', '.join(self.file_columns)[:200]}, without "
                f"{missing[0][:80]!r}"
            )
        if self.crop_m and not all(
            low < high
            for low, high in zip(self.crop_m[:3], self.crop_m[3:], strict=True)
        ):
            raise ValueError(
                "`crop_m` must be the least x, y and z, and then larger ones. "
                f"Received: {list(self.crop_m)}"
            )
        return check_size(self)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one sample: (points, columns)."""
        return (self.points, len(self.columns))

    @property
    def names_in_file(self) -> tuple[str, ...]:
        """Columns of a file that names none."""
        return self.file_columns or self.columns

    @property
    def choice(self) -> dict[str, Any]:
        """The keys that say which points of a file are kept, and how."""
        kept = {"points", "crop_m", "voxel_m", "sampling", "seed", "normalise"}
        return self.model_dump(include=kept)
