"""A scan as its file holds it: voxels, and how they lie in the body."""

from dataclasses import dataclass, field

import numpy as np

from mmkeras.data.files.memory import check_memory
from mmkeras.data.files.reasons import BadSample, Reason

MAX_VOXELS = 160_000_000
MAX_BYTES = 512 * 2**20


@dataclass(frozen=True)
class Scan:
    """A scan.

    Args:
        voxels: `(a, b, c)` in the order of the file.
        axes: `(3, 3)`; column i is the way in millimetres from one voxel to
            the next along axis i: to the right, to anterior, to superior.
        slope: What a stored value is multiplied with.
        intercept: What is added then.
        notes: What was passed over or guessed, counted.
    """

    voxels: np.ndarray
    axes: np.ndarray
    slope: float = 1.0
    intercept: float = 0.0
    notes: dict[str, int] = field(default_factory=dict)


def check_voxels(shape: tuple[int, ...], where: str) -> None:
    """Raises BadSample if a header promises no voxel or too many."""
    count = 1
    for side in shape:
        count *= max(int(side), 0)
    if not 0 < count <= MAX_VOXELS:
        raise BadSample(
            Reason.TOO_LARGE if count else Reason.BAD_HEADER,
            f"{where}: {' x '.join(map(str, shape))} voxels, at most "
            f"{MAX_VOXELS:,}",
        )
    check_memory(4 * count, where)
