"""A tiny data set of every kind, made on the spot, and helpers to break it."""

import csv
import struct
import tempfile
import zlib
from pathlib import Path

import numpy as np
import soundfile
from PIL import Image

from mmkeras.data import SampleIO
from mmkeras.spec import DataSpec

COLORS = ("black", "grey", "white")
COLUMNS = (
    "id", "image", "audio", "text", "v1", "v2", "color", "tags", "size",
    "group",
)  # fmt: skip


def write_set(root: Path, samples: int = 30) -> list[dict]:
    """Writes files and manifest.csv; returns the rows."""
    root.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(0)
    rows = []
    for index in range(samples):
        color = index % 3
        pixels = random.integers(0, 80, (8, 6), dtype=np.uint8) + 80 * color
        Image.fromarray(pixels.astype(np.uint8)).save(root / f"{index}.png")
        sound = random.normal(size=700) * 1000 * (color + 1)
        soundfile.write(root / f"{index}.wav", sound.astype("int16"), 8000)
        rows.append(
            {
                "id": f"s{index}",
                "image": f"{index}.png",
                "audio": f"{index}.wav",
                "text": f"this is number {index} , it looks {COLORS[color]}",
                "v1": index / 4,
                "v2": 1000 - index,
                "color": COLORS[color],
                "tags": "|".join(COLORS[: color + 1]),
                "size": index * 0.5,
                "group": f"g{index % 7}",
            }
        )
    write_rows(root, rows)
    return rows


def write_rows(root: Path, rows: list[dict]) -> None:
    """Writes manifest.csv."""
    with open(root / "manifest.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)


def make_spec(root: Path | None = None, **changes) -> DataSpec:
    """Returns the spec of the set; `modalities__image__optional=True` and the
    like change it, and a value of None takes a key away."""
    values = {
        "name": "toys",
        "data": {"id_column": "id"},
        "split": {"stratify": "color", "train": 0.6, "validation": 0.2,
                  "test": 0.2},
        "modalities": {
            "image": {"kind": "image", "column": "image", "height": 8,
                      "width": 6, "channels": 1},
            "audio": {"kind": "audio", "column": "audio",
                      "sample_rate_hz": 8000, "duration_sec": 0.1},
            "text": {"kind": "text", "column": "text", "max_tokens": 12,
                     "vocabulary_size": 100},
            "vector": {"kind": "vector", "columns": ["v1", "v2"]},
        },
        "targets": {
            "color": {"kind": "category", "column": "color",
                      "classes": list(COLORS)},
            "tags": {"kind": "categories", "column": "tags",
                     "classes": list(COLORS)},
            "size": {"kind": "number", "column": "size"},
        },
    }  # fmt: skip
    if root is not None:
        values["data"]["root"] = str(root)
    for path, value in changes.items():
        *parts, last = path.split("__")
        table = values
        for part in parts:
            table = table.setdefault(part, {})
        table[last] = value
        if value is None:
            del table[last]
    return DataSpec.from_dict(values)


def read_rows(root: Path) -> list[dict]:
    """Reads manifest.csv."""
    with open(root / "manifest.csv", newline="") as file:
        return list(csv.DictReader(file))


def read_cell(modality, root, cell: str, **io):
    """Returns what a shard holds for a cell of the manifest."""
    files = SampleIO(str(root), **io)
    return modality.read({modality.column: cell}, files).value


def read_bytes(modality, raw: bytes, name: str):
    """Returns what a shard holds for a file of these bytes."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, name).write_bytes(raw)
        return read_cell(modality, folder, name)


def learn_tokenizer(modality, texts=(), root="."):
    """Returns the `tokenizers.Tokenizer` of texts, or of a vocabulary."""
    io = SampleIO(str(root))
    learned = modality.learn({modality.column: list(texts)}, io)
    return modality.open_learned(learned)


def wav_bytes(
    samples: int = 100,
    rate: int = 8000,
    channels: int = 1,
    declared: int | None = None,
    code: int = 1,
) -> bytes:
    """Returns a 16-bit WAV whose header may say anything."""
    data = (b"\1\0\0\0" * samples)[: 2 * samples]
    size = len(data) if declared is None else declared
    head = struct.pack(
        "<4sIHHIIHH",
        b"fmt ",
        16,
        code,
        channels,
        rate % 2**32,
        (rate * 2 * channels) % 2**32,
        2 * channels,
        16,
    )
    body = b"WAVE" + head + struct.pack("<4sI", b"data", size) + data
    return b"RIFF" + struct.pack("<I", len(body)) + body


def png_bytes(width: int, height: int) -> bytes:
    """Returns a PNG of zeros, grey, of any size, compressed by zlib."""
    squeeze = zlib.compressobj(1)
    rows = b"".join(squeeze.compress(bytes(width + 1)) for _ in range(height))
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    parts = [(b"IHDR", header), (b"IDAT", rows + squeeze.flush())]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data
        + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in (*parts, (b"IEND", b""))
    )  # fmt: skip
