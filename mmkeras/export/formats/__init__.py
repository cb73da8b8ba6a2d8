"""The formats that a model is exported to, a file each."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from mmkeras.export.conversion.runtimes import Runtime, opened, trace_all
from mmkeras.export.formats.c_array import CArray
from mmkeras.export.formats.format import Format
from mmkeras.export.formats.onnx import ONNX
from mmkeras.export.formats.tflite import TFLite

FORMATS = {each.name: each for each in (TFLite(), ONNX(), CArray())}
# All that can be asked for, in any format.
QUANTIZE = tuple(dict.fromkeys(q for f in FORMATS.values() for q in f.recipes))

__all__ = ["FORMATS", "QUANTIZE", "Format", "format_of", "open_file", "trace"]


def format_of(path: str | Path) -> Format:
    """Returns the format of a file, by its suffix.

    Raises:
        ValueError: If none has that suffix.
    """
    known = {each.suffix: each for each in FORMATS.values() if each.suffix}
    if Path(path).suffix not in known:
        raise ValueError(
            f"`{path}` must have the suffix of a format, one of "
            f"{', '.join(known)}. Received: {Path(path).suffix!r}"
        )
    return known[Path(path).suffix]


def open_file(path: str | Path) -> Runtime:
    """Opens a file on one thread.

    Returns:
        A function from inputs by name, `(batch, ...)`, to outputs by name.

    Raises:
        ValueError: If its runtime cannot open it.
    """
    return opened(path, format_of(path).open)


def trace(
    path: str | Path, x: Mapping[str, np.ndarray]
) -> Iterator[list[tuple[str, np.ndarray]]]:
    """Yields name and value of every intermediate result, sample by sample.

    Results inside of a loop are left out.

    Args:
        path: A file of any format that runs.
        x: Inputs by name, `(samples, ...)`.
    """
    yield from trace_all(format_of(path).trace(path), x)
