"""Clouds of points in files that NumPy can read; the device has this file.

What a file is follows from its bytes, not from its name.
"""

from __future__ import annotations

import io
import math
import re
import zipfile
from collections.abc import Sequence

import numpy as np

# Numbers of a file, at most.
MAX_VALUES = 100_000_000
MAX_HEADER_BYTES = 2**16
# Metres that no sensor sees as far as; bytes of something else often do.
FAR = 1e6
TYPES = {"F": "f", "I": "i", "U": "u"}
SEPARATORS = (",", ";", "\t")
COMMENTS = ("#", "//")


class Damaged(ValueError):
    """A file that cannot be used, and the code of the reason."""

    def __init__(self, reason: str, detail: str):
        super().__init__(detail)
        self.reason = reason


def format_of(raw: bytes) -> str:
    """Returns "npy", "npz", "las", "ply", "pcd", "packed pcd", "text" or "bin".

    "las" is LAZ as well. What is none of the others is "bin": 32-bit floats
    without a header, as KITTI and nuScenes have them.
    """
    for start, name in (
        (b"\x93NUMPY", "npy"),
        (b"PK\3\4", "npz"),
        (b"LASF", "las"),
        (b"ply\n", "ply"),
        (b"ply\r", "ply"),
    ):
        if raw.startswith(start):
            return name
    head = raw[:4096]
    if re.search(rb"^FIELDS\s", head, re.M) and re.search(
        rb"^(# \.PCD|VERSION)\b", head, re.M
    ):
        packed = re.search(rb"^DATA\s+binary_compressed\s", head, re.M)
        return "packed pcd" if packed else "pcd"
    head = head.removeprefix(b"\xef\xbb\xbf")
    printable = all(32 <= byte < 127 or byte in b"\t\n\r" for byte in head)
    return "text" if head.strip() and printable else "bin"


def read_cloud(
    raw: bytes, wanted: Sequence[str], file_columns: Sequence[str]
) -> np.ndarray:
    """Returns the wanted columns of all points, `(points, columns)` float64.

    Args:
        raw: The file's bytes.
        wanted: Names of columns.
        file_columns: What the columns of a file without names are.

    Raises:
        Damaged: With the reason.
    """
    if not raw:
        raise Damaged("empty", "no bytes")
    form = format_of(raw)
    if form in ("las", "ply", "packed pcd"):
        raise Damaged("wrong_format", f"a {form.upper()} file")
    read = {
        "npy": lambda: _npy(raw),
        "npz": lambda: _npz(raw),
        "pcd": lambda: _pcd(raw),
        "text": lambda: _text(raw),
        "bin": lambda: _bin(raw, len(file_columns)),
    }[form]
    try:
        found = read()
    except Damaged:
        raise
    # A damaged header makes NumPy raise nearly anything.
    except Exception as error:
        raise Damaged("corrupt", f"{form}: {type(error).__name__}") from None
    return columns_of(found, wanted, file_columns)


def columns_of(
    found: np.ndarray | dict, wanted: Sequence[str], names: Sequence[str]
) -> np.ndarray:
    """Returns the wanted columns of `(points, columns)`, or of arrays by name.

    Names match whatever the case of their letters.
    """
    if isinstance(found, np.ndarray):
        if found.ndim != 2 or found.shape[1] != len(names):
            raise Damaged(
                "bad_header",
                f"an array of shape {found.shape}, where `file_columns` are "
                f"{len(names)}: {', '.join(names)}",
            )
        found = {name: found[:, place] for place, name in enumerate(names)}
    known = {name.casefold(): values for name, values in found.items()}
    missing = [name for name in wanted if name.casefold() not in known]
    if missing:
        raise Damaged(
            "bad_header",
            f"no column {missing[0]!r}; there are {', '.join(found)[:200]}",
        )
    picked = [known[name.casefold()] for name in wanted]
    if any(values.dtype.kind not in "fiu" for values in picked):
        raise Damaged("not_a_number", "a column of no numbers")
    with np.errstate(invalid="ignore"):  # a signalling NaN
        return np.stack(picked, axis=1).astype(np.float64)


def _sized(count: float) -> int:
    if not 0 < count <= MAX_VALUES:
        reason = "too_large" if count > 0 else "empty"
        raise Damaged(reason, f"{count:,.0f} values, at most {MAX_VALUES:,}")
    return int(count)


def _bin(raw: bytes, columns: int) -> np.ndarray:
    if len(raw) % (4 * columns):
        raise Damaged(
            "truncated",
            f"{len(raw):,} bytes, no multiple of {4 * columns}: {columns} "
            "floats a point",
        )
    _sized(len(raw) / 4)
    found = np.frombuffer(raw, "<f4").reshape(-1, columns)
    place = np.abs(found[:, :3])
    # Pictures and packed files are all exponents alike.
    with np.errstate(invalid="ignore"):
        odd = ~(place < FAR) | ((place > 0) & (place < 1e-12))
    if (odd & ~np.isnan(place)).mean() > 0.1:
        raise Damaged("wrong_format", "bytes that are no places in metres")
    return found


def _npy(raw: bytes) -> np.ndarray | dict:
    file = io.BytesIO(raw)
    shape, by_columns, dtype = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }[np.lib.format.read_magic(file)](file)
    if dtype.hasobject or len(shape) > 2 or any(side < 0 for side in shape):
        raise Damaged("bad_header", f"{dtype} of shape {shape}"[:200])
    count = _sized(math.prod(shape))
    if len(raw) - file.tell() < count * dtype.itemsize:
        raise Damaged("truncated", f"fewer bytes than of shape {shape}")
    found = np.frombuffer(raw, dtype, count, file.tell())
    if dtype.names:
        return {name: found[name] for name in dtype.names}
    return found.reshape(shape, order="F" if by_columns else "C")


def _npz(raw: bytes) -> np.ndarray | dict:
    with zipfile.ZipFile(io.BytesIO(raw)) as file:
        names = [n for n in file.namelist() if n.endswith(".npy")]
        name = "points.npy" if "points.npy" in names else names[0]
        if len(names) > 1 and name != "points.npy":
            raise Damaged("bad_header", "several arrays, and none is `points`")
        with file.open(name) as member:
            # Not by what the zip's own header promises, which may be a bomb.
            return _npy(member.read(8 * MAX_VALUES + MAX_HEADER_BYTES))


def pcd_header(raw: bytes) -> tuple[dict[str, list[str]], int]:
    """Returns the words of a PCD header by key, and where the data begin."""
    found, place = {}, 0
    while "DATA" not in found:
        end = raw.find(b"\n", place, MAX_HEADER_BYTES)
        if end < 0:
            raise Damaged("truncated", "a PCD header without an end")
        line = raw[place:end].decode("ascii").split()
        if line and not line[0].startswith("#"):
            found[line[0]] = line[1:]
        place = end + 1
    return found, place


def _pcd(raw: bytes) -> dict:
    header, place = pcd_header(raw)
    names, count = header["FIELDS"], int(header["POINTS"][0])
    form = header["DATA"][0]
    each = header.get("COUNT", ["1"] * len(names))
    kinds = zip(header["TYPE"], header["SIZE"], each, strict=True)
    fields = [
        (f"{index}", f"<{TYPES[kind]}{int(size)}", (int(many),))
        for index, (kind, size, many) in enumerate(kinds)
    ]
    dtype = np.dtype(fields)
    _sized(count * dtype.itemsize / 4)
    if form == "ascii":
        wide = sum(shape[0] for *_, shape in fields)
        table = _cells(raw[place:].decode("ascii").splitlines(), None)
        if table.shape[1] != wide:
            raise Damaged("bad_header", f"{table.shape[1]} of {wide} columns")
        starts = np.cumsum([0, *(shape[0] for *_, shape in fields)])
        data = {
            name: table[:count, start : start + 1]
            for name, start in zip(names, starts)
        }
        got = len(table)
    elif form == "binary":
        got = (len(raw) - place) // dtype.itemsize
        table = np.frombuffer(raw, dtype, min(count, got), place)
        data = {name: table[f"{i}"] for i, name in enumerate(names)}
    else:
        raise Damaged("wrong_format", f"PCD with DATA {form[:40]}")
    if got < count:
        raise Damaged("truncated", f"{got:,} of {count:,} points")
    # A field of several numbers, such as a histogram, is no column.
    single = {name: many == "1" for name, many in zip(names, each)}
    return {n: v[:, 0] for n, v in data.items() if single[n] and n != "_"}


def _text(raw: bytes) -> np.ndarray | dict:
    text = raw.decode("utf-8-sig")
    lines = [line.strip() for line in text.splitlines()]
    kept = [n for n, line in enumerate(lines)
            if line and not line.startswith(COMMENTS)]  # fmt: skip
    if not kept:
        raise Damaged("empty", "no line of numbers")
    first = lines[kept[0]]
    separator = next((s for s in SEPARATORS if s in first), None)
    names = None
    if _number(_split(first, separator)[0]) is None:
        names, kept = _split(first, separator), kept[1:]
    elif kept[0]:
        # CloudCompare writes its header behind "//".
        said = _split(lines[kept[0] - 1].lstrip("#/ "), separator)
        if len(said) == len(_split(first, separator)):
            names = said
    table = _cells([lines[number] for number in kept], separator)
    if names is None:
        return table
    if len(names) != table.shape[1] or len({*names}) < len(names):
        raise Damaged("bad_header", f"{len(names)} names, one for each column")
    return {name: table[:, place] for place, name in enumerate(names)}


def _cells(lines: Sequence[str], separator: str | None) -> np.ndarray:
    lines = [line for line in lines if line.strip()]
    if not lines:
        raise Damaged("empty", "no line of numbers")
    width = len(_split(lines[0], separator))
    _sized(width * len(lines))
    if len(_split(lines[-1], separator)) < width:
        raise Damaged("truncated", "a last line of fewer numbers")
    return np.loadtxt(lines, delimiter=separator, comments=None, ndmin=2)


def _split(line: str, separator: str | None) -> list[str]:
    return [part.strip().strip('"') for part in line.split(separator)]


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
