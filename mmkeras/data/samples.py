"""One row of the manifest to one array a modality."""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from mmkeras.data.arrays import read_npy_header
from mmkeras.data.categories import category_index
from mmkeras.data.decode import SIGNALS, check_text, decode_text
from mmkeras.data.images import decode_image
from mmkeras.data.paths import open_inside, read_inside
from mmkeras.data.reasons import BadSample, Reason
from mmkeras.data.sounds import decode_waveform, to_int16
from mmkeras.kinds import Audio, Image, Text, Vector
from mmkeras.spec import DataSpec


@dataclass(frozen=True)
class Context:
    """What is the same for all samples of one `prepare`.

    Args:
        spec: The spec.
        root: Folder of the data.
        folder: Folder that is written.
        seed: Seed of the noise.
        tokenizers: A `tokenizers.Tokenizer` for each text modality.
        categories: By vector modality and column, the index of each category.
    """

    spec: DataSpec
    root: str
    folder: Path
    seed: int
    tokenizers: dict = field(default_factory=dict)
    categories: dict = field(default_factory=dict)


def read_modality(context: Context, name: str, row: dict) -> np.ndarray:
    """Returns one modality of one row, as its shard holds it.

    Args:
        context: The spec and the data root.
        name: The modality.
        row: "id" and "cells" (column: text).

    Returns:
        image `(height, width, channels)` uint8, audio `(samples,)` int16, text
        `(max_tokens,)` int32, vector `(size,)` float32, series `(steps,
        channels)` float32, video `(frames, height, width, channels)` uint8,
        volume `(depth, height, width, 1)` int16.

    Raises:
        BadSample: If it is missing or broken.
    """
    modality = context.spec.modalities[name]
    return READERS[modality.kind](context, name, modality, row)


def read_text(root: str, modality: Text, cell: str) -> str:
    """Returns the text of a cell, or of the file the cell names."""
    if not cell.strip():
        raise BadSample(Reason.MISSING)
    if modality.file:
        return decode_text(modality, read_inside(root, cell), cell)
    return check_text(cell)


def files_of(spec: DataSpec, row: dict) -> list[str]:
    """Returns the paths that a row names."""
    columns = [
        modality.column
        for modality in spec.modalities.values()
        if modality.kind in ("image", "audio", *SIGNALS)
        or (modality.kind == "text" and modality.file)
    ]
    return [row["cells"][column] for column in columns]


def open_rows(root: str, modality: Vector):
    """Opens a vector modality's `.npy` file after checking its header.

    Returns:
        The open file, the offset of its first row, its dtype, its rows.

    Raises:
        ValueError: If it is not a `(rows, size)` array of plain numbers.
    """
    file = open_inside(root, modality.file, 64 * 2**30)
    try:
        shape, by_columns, dtype = read_npy_header(file)
        start = file.tell()
        size = file.seek(0, 2) - start
        if (
            dtype.kind not in "fiu"
            or by_columns
            or len(shape) != 2
            or shape[1] != modality.size
            or size != shape[0] * shape[1] * dtype.itemsize
        ):
            raise ValueError(
                f"shape {shape}, dtype {dtype}, {size:,} bytes of data"
            )
    except (ValueError, KeyError, EOFError) as error:
        file.close()
        raise ValueError(
            f"`{modality.file}` must be an .npy file of shape (rows, "
            f"{modality.size}), numbers, in C order. Received: {error}"
        ) from None
    return file, start, dtype, shape[0]


def _image(context: Context, name: str, modality: Image, row: dict):
    raw, path = _file(context, modality, row)
    value = decode_image(modality, raw, path)
    if modality.noise_std:
        noise = _generator(context, name, row).normal(size=value.shape)
        noisy = value + 255 * modality.noise_std * noise
        value = np.clip(np.rint(noisy), 0, 255).astype(np.uint8)
    return value


def _audio(context: Context, name: str, modality: Audio, row: dict):
    raw, path = _file(context, modality, row)
    sound, recorded = decode_waveform(modality, raw, path)
    if modality.noise_snr_db is not None:
        power = np.mean(np.square(sound[:recorded], dtype=np.float64))
        power *= 10 ** (-modality.noise_snr_db / 10)
        noise = _generator(context, name, row).normal(size=sound.shape)
        sound = sound + np.sqrt(power) * noise
        # Clipping would change the ratio that the spec states.
        sound = sound / max(1.0, np.abs(sound).max())
    return to_int16(sound)


def _signal(context: Context, name: str, modality, row: dict):
    cell = row["cells"][modality.column]
    if not cell.strip():
        raise BadSample(Reason.MISSING)
    return SIGNALS[modality.kind](modality, context.root, cell)


def _text(context: Context, name: str, modality: Text, row: dict):
    text = read_text(context.root, modality, row["cells"][modality.column])
    encoded = context.tokenizers[name].encode(text)
    # Padding, and the marks of start and end.
    if all(encoded.special_tokens_mask):
        raise BadSample(Reason.EMPTY, "no token")
    return np.array(encoded.ids, np.int32)


def _vector(context: Context, name: str, modality: Vector, row: dict):
    if modality.file:
        value = _row_of_file(context, modality, row)
    else:
        value = np.array(_cells(context, name, modality, row["cells"]))
    with np.errstate(over="ignore"):
        value = value.astype(np.float32)
    if np.isinf(value).any():
        raise BadSample(Reason.NOT_FINITE)
    numbers = len(value) - len(modality.categorical)
    if np.isnan(value[:numbers]).all() and not value[numbers:].any():
        raise BadSample(Reason.MISSING)
    return value


def _cells(context: Context, name: str, modality: Vector, cells: dict) -> list:
    """Returns numbers, NaN where empty, then the indices of categories."""
    try:
        found = [float(cells[c].strip() or "nan") for c in modality.columns]
    except ValueError as error:
        raise BadSample(Reason.NOT_A_NUMBER, str(error)[:80]) from None
    for column in modality.categorical:
        known = context.categories[name][column]
        found.append(category_index(known, cells[column].strip()))
    return found


def _row_of_file(context: Context, modality: Vector, row: dict) -> np.ndarray:
    cell = row["cells"][modality.column].strip()
    if not cell:
        raise BadSample(Reason.MISSING)
    file, start, dtype, rows = open_rows(context.root, modality)
    with file:
        if not cell.isdecimal() or int(cell) >= rows:
            raise BadSample(
                Reason.ROW_OUT_OF_RANGE, f"{cell[:40]!r} of {rows} rows"
            )
        size = modality.size * dtype.itemsize
        file.seek(start + int(cell) * size)
        return np.frombuffer(file.read(size), dtype)


def _file(context: Context, modality, row: dict) -> tuple[bytes, str]:
    path = row["cells"][modality.column]
    if not path.strip():
        raise BadSample(Reason.MISSING)
    return read_inside(context.root, path), path


def _generator(context: Context, name: str, row: dict) -> np.random.Generator:
    """Seeded by the sample, so that no order and no neighbour matters."""
    text = f"{context.seed}/{name}/{row['id']}".encode()
    digest = hashlib.sha256(text).digest()
    return np.random.default_rng(int.from_bytes(digest[:16], "little"))


READERS = {
    "image": _image, "audio": _audio, "text": _text, "vector": _vector,
    **dict.fromkeys(SIGNALS, _signal),
}  # fmt: skip
