"""The header of an `.npy` file, read by NumPy before any of its numbers."""

from typing import BinaryIO

import numpy as np


def read_npy_header(file: BinaryIO) -> tuple[tuple, bool, np.dtype]:
    """Returns shape, whether columns come first, and dtype.

    `file` is left at the first number.

    Raises:
        ValueError, KeyError, EOFError or SyntaxError: As NumPy finds it wrong.
    """
    read = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }[np.lib.format.read_magic(file)]
    return read(file)
