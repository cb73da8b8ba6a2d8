"""Arrays by name in one file, whatever they are called."""

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    import numpy as np


def write_arrays(
    file: str | Path | BinaryIO,
    arrays: Mapping[str, "np.ndarray"],
    compressed: bool = False,
) -> None:
    """Writes an `.npz` file, which `np.load(..., allow_pickle=False)` reads.

    `np.savez` takes the names as its arguments, so that an array called
    `file` cannot be written; nor does it refuse objects, which it pickles.

    Args:
        file: Path or open file; a path is written in place.
        arrays: Values by name; a name may be any without a suffix.
        compressed: Whether the bytes are packed.

    Raises:
        ValueError: If an array holds objects.
    """
    import numpy as np

    way = zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED
    with zipfile.ZipFile(file, "w", way) as archive:
        for name, values in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(
                    member, np.asanyarray(values), allow_pickle=False
                )
