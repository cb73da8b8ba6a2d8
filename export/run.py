"""Runs an mmkeras bundle with NumPy and ai-edge-litert, and nothing else.

    python run.py --image digit.png --audio digit.wav
    python run.py --samples samples.npz
    python run.py --microphone --camera

Each modality of the bundle is an option; one that is left out is absent. The
answer is JSON on standard output. An input that is not what the model was
trained on (size, rate, channels) is refused: nothing is resized, resampled or
mixed here. Audio alone is cut, or padded with silence at the end, to the
model's length, exactly as `mmkeras prepare` does; a series likewise, with gaps
at its end. A series is an .npy or .csv file, a video an .npy file or a folder
of pictures, a volume an .npy file. The last command, and its
siblings in `live.py`, answer until they are stopped.

As a module: `Runner("bundle").predict({"image": array})`.
"""

from __future__ import annotations

import argparse
import functools
import hashlib
import importlib.util
import json
import re
import struct
import sys
import unicodedata
import zipfile
import zlib
from pathlib import Path

import numpy as np

MAX_FILE_BYTES = 256_000_000
KERNELS = ("default", "reference")
LIVE = {
    "microphone": "hear the last seconds, again and again",
    "camera": "see what is there at each answer",
    "window": "slide over a long recording",
    "stdin": "read a JSON object by modality from each line",
}
PNG_SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # by colour type
# What Unicode calls White_Space; Python's isspace() says more.
SPACES = "\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"


def refuse(what: str, expected: object, received: object) -> None:
    """Raises ValueError with what was expected and received side by side."""
    raise ValueError(f"{what} must be {expected}. Received: {received}")


def size_of(path: str | Path, limit: int = MAX_FILE_BYTES) -> int:
    """Returns the bytes of a regular file, which must not be too many."""
    if not Path(path).is_file():
        refuse(f"`{path}`", "a regular file", "nothing that is one")
    size = Path(path).stat().st_size
    if size > limit:
        refuse(f"`{path}`", f"a file of at most {limit:,} bytes", size)
    return size


def sha256_of(path: Path) -> str:
    """Returns the SHA-256 of a file, read in parts to save memory."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while part := file.read(1 << 18):
            digest.update(part)
    return digest.hexdigest()


def read_image(path: str, shape: list[int]) -> np.ndarray:
    """Reads a PNG, or a JPEG with Pillow, as `(height, width, channels)`."""
    height, width, channels = shape
    size_of(path, 4 * height * width * channels + 1_000_000)
    data = Path(path).read_bytes()
    if data[:8] == b"\x89PNG\r\n\x1a\n":
        return read_png(data, path, shape)
    if data[:3] != b"\xff\xd8\xff":
        refuse(f"`{path}`", "a PNG or JPEG file", "another kind")
    try:
        from PIL import Image, ImageOps
    except ImportError:
        refuse(f"`{path}`", "a PNG file, as Pillow is not installed", "JPEG")
    with Image.open(path, formats=("JPEG",)) as file:
        picture = ImageOps.exif_transpose(file)
        channels = {"L": 1, "RGB": 3}.get(picture.mode, picture.mode)
        check_shape(path, shape, [picture.height, picture.width, channels])
        return np.asarray(picture).reshape(shape)


def check_shape(path: str, expected: list[int], received: list) -> None:
    """Raises ValueError unless a picture has the model's shape."""
    if list(expected) != received:
        order = "(height, width, channels)"
        refuse(f"`{path}`", f"{order} {expected}", received)


def read_png(data: bytes, path: str, shape: list[int]) -> np.ndarray:
    """Decodes a PNG of up to 8 bits a sample that is not interlaced."""
    chunks = png_chunks(data, path)
    width, height, bits, colour, _, _, interlaced = struct.unpack(
        ">IIBBBBB", chunks[b"IHDR"]
    )
    known = bits == 8 or (bits in (1, 2, 4) and colour in (0, 3))
    if colour not in PNG_SAMPLES or interlaced or not known:
        kind = f"{bits} bits, colour type {colour}, interlace {interlaced}"
        refuse(f"`{path}`", "a PNG of at most 8 bits, not interlaced", kind)
    samples = PNG_SAMPLES[colour]
    channels = 3 if colour in (2, 3, 6) else 1
    check_shape(path, shape, [height, width, channels])

    row_bytes = (width * samples * bits + 7) // 8
    size = height * (row_bytes + 1)
    try:
        raw = zlib.decompressobj().decompress(chunks.get(b"IDAT", b""), size)
    except zlib.error as error:
        refuse(f"`{path}`", "an undamaged PNG", error)
    if len(raw) != size:
        refuse(f"`{path}`", f"a PNG of {size} bytes of rows", len(raw))
    rows = unfilter(np.frombuffer(raw, np.uint8).reshape(height, -1), samples)
    if bits < 8:
        rows = unpack(rows, bits, scaled=colour == 0)[:, :width]
    if b"tRNS" in chunks:
        refuse(f"`{path}`", "opaque", "a picture with transparency")
    if colour == 3:
        palette = np.zeros((256, 3), np.uint8)
        given = np.frombuffer(chunks.get(b"PLTE", b"")[:768], np.uint8)
        given = given[: len(given) // 3 * 3]
        palette[: len(given) // 3] = given.reshape(-1, 3)
        return palette[rows]
    pixels = rows.reshape(height, width, samples)
    if (pixels[..., channels:] < 255).any():
        refuse(f"`{path}`", "opaque", "a picture with transparency")
    return pixels[..., :channels]


def png_chunks(data: bytes, path: str) -> dict[bytes, bytes]:
    """Returns the chunks of a PNG by kind; those of one kind are joined."""
    chunks, at = {}, 8
    while at + 12 <= len(data) and b"IEND" not in chunks:
        size, kind = struct.unpack_from(">I4s", data, at)
        body = data[at + 8 : at + 8 + size]
        crc = data[at + 8 + size : at + 12 + size]
        if zlib.crc32(kind + body) != int.from_bytes(crc, "big"):
            refuse(f"`{path}`", "an undamaged PNG", f"bad chunk {kind!r}")
        chunks[kind] = chunks.get(kind, b"") + body
        at += 12 + size
    if b"IEND" not in chunks or len(chunks.get(b"IHDR", b"")) != 13:
        refuse(f"`{path}`", "a whole PNG", "one that is cut or has no header")
    return chunks


def unpack(rows: np.ndarray, bits: int, scaled: bool) -> np.ndarray:
    """Splits bytes into samples of fewer bits; grey is scaled to 0..255."""
    weights = 1 << np.arange(bits, dtype=np.uint8)[::-1]
    split = np.unpackbits(rows, axis=1).reshape(len(rows), -1, bits)
    values = (split * weights).sum(axis=2, dtype=np.uint8)
    return values * np.uint8(255 // (2**bits - 1)) if scaled else values


def unfilter(rows: np.ndarray, step: int) -> np.ndarray:
    """Undoes PNG's five row filters; `step` is the bytes of a pixel."""
    lines = np.zeros((len(rows) + 1, rows.shape[1] - 1), np.uint8)
    for index, row in enumerate(rows):
        kind, line, above = row[0], row[1:], lines[index]
        if kind == 1:
            pixels = line.reshape(-1, step)
            line = np.cumsum(pixels, axis=0, dtype=np.uint8).ravel()
        elif kind == 2:
            line = line + above
        elif kind in (3, 4):
            line = predicted(kind, line.tolist(), above.tolist(), step)
        elif kind:
            refuse("The filter of a PNG row", "0 to 4", kind)
        lines[index + 1] = line
    return lines[1:]


def predicted(kind: int, line: list, above: list, step: int) -> list[int]:
    """Undoes the filters Average (3) and Paeth (4) of one row."""
    done, above = [0] * step, [0] * step + above
    for i, value in enumerate(line):
        a, b, c = done[i], above[i + step], above[i]
        guess = (a + b) // 2
        if kind == 4:
            far = abs(b - c), abs(a - c), abs(a + b - 2 * c)
            guess = (a, b, c)[far.index(min(far))]
        done.append((value + guess) & 255)
    return done[step:]


def read_audio(path: str, entry: dict, start: int | None = None) -> np.ndarray:
    """Reads PCM WAV as float32 in [-1, 1], cut or padded to the length.

    `start` is the first frame to read; None goes by the model's `crop`.
    """
    import wave

    size, wanted = size_of(path), entry["shape"][0]
    try:
        with wave.open(str(path), "rb") as file:
            channels, width, rate, frames = file.getparams()[:4]
            if (channels, rate) != (1, entry["sample_rate_hz"]):
                expected = f"1 channel at {entry['sample_rate_hz']} Hz"
                received = f"{channels} channel(s) at {rate} Hz"
                refuse(f"`{path}`", expected, received)
            if not frames or frames * width > size:
                promised = f"{frames * width} bytes, as its header says"
                refuse(f"`{path}`", f"a recording of {promised}", size)
            if start is None:
                centred = entry["crop"] == "center"
                start = max(0, frames - wanted) // 2 if centred else 0
            file.setpos(start)
            data = file.readframes(wanted)
    except (wave.Error, EOFError, struct.error) as error:
        refuse(f"`{path}`", "a PCM WAV file", error or "one that is cut")
    # The sample sits in the top bytes of an int32, so one scale serves all.
    raw = np.zeros((len(data) // width, 4), np.uint8)
    raw[:, 4 - width :] = np.frombuffer(data, np.uint8).reshape(-1, width)
    if width == 1:  # 8-bit WAV is unsigned
        raw[:, 3] ^= 128
    sound = np.rint(raw.view("<i4")[:, 0].astype(np.float32) / 65536)
    samples = np.zeros(wanted, np.float32)
    samples[: len(raw)] = np.clip(sound, -32768, 32767) / 32768
    return samples


def read_npy(path: str) -> np.ndarray:
    """Opens an .npy array of numbers; a header that lies is an error."""
    size_of(path)
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        refuse(f"`{path}`", "an .npy file of numbers", error)
    if getattr(array, "dtype", np.dtype("O")).kind not in "fiu":
        refuse(f"`{path}`", "an .npy file of numbers", "another kind")
    return array


def read_series(path: str, entry: dict) -> np.ndarray:
    """Reads .npy, or .csv with the model's channels, at the model's rate.

    An empty cell or NaN is a gap; the end is cut, or padded with gaps.
    """
    steps, channels = entry["shape"]
    if Path(path).suffix.lower() == ".csv":
        values = read_csv(path, entry)
    else:
        values = read_npy(path)
        values = values[:, None] if values.ndim == 1 else values
    if values.ndim != 2 or values.shape[1] != channels or not len(values):
        refuse(f"`{path}`", f"(steps, {channels})", list(values.shape))
    if entry["crop"] == "center":
        values = values[max(0, len(values) - steps) // 2 :]
    series = np.full((steps, channels), np.nan, np.float32)
    series[: len(values)] = values[:steps]
    if np.isnan(series).all():
        refuse(f"`{path}`", "a series with values", "gaps alone")
    return series


def read_csv(path: str, entry: dict) -> np.ndarray:
    """Reads the model's channels; a time column must have the model's rate."""
    import csv

    size_of(path)
    rate, timed = entry["sample_rate_hz"], entry["time_column"]
    wanted = [*entry["channels"], *([timed] if timed else [])]
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file)
            names = rows.fieldnames or []
            if set(wanted) - set(names):
                refuse(f"`{path}`", f"a .csv with the columns {wanted}", names)
            cells = [[float(row[n] or "nan") for n in wanted] for row in rows]
    except (ValueError, csv.Error) as error:
        refuse(f"`{path}`", "a .csv of numbers", error)
    table = np.array(cells).reshape(-1, len(wanted))
    if timed:
        steps = np.diff(table[:, -1])
        if not (np.abs(steps * rate - 1) <= 0.5).all():
            refuse(f"`{path}`", f"rows 1/{rate} s apart", np.unique(steps)[:3])
        table = table[:, :-1]
    return table


def read_video(path: str, entry: dict) -> np.ndarray:
    """Reads frames: an .npy of them, or a folder of pictures by name."""
    shape = entry["shape"]
    if not Path(path).is_dir():
        return np.array(read_npy(path))
    names = sorted(p for p in Path(path).iterdir() if p.name[0] != ".")
    if len(names) != shape[0]:
        refuse(f"`{path}`", f"a folder of {shape[0]} frames", len(names))
    return np.stack([read_image(str(name), shape[1:]) for name in names])


def read_volume(path: str, entry: dict) -> np.ndarray:
    """Reads an .npy of `(depth, height, width)` in the units of the window."""
    voxels, shape = read_npy(path), entry["shape"]
    if list(voxels.shape) not in (shape, shape[:-1]):
        order = "(depth, height, width)"
        refuse(f"`{path}`", f"{order} {shape[:-1]}", list(voxels.shape))
    return np.array(voxels, np.float32).reshape(shape)


class Tokenizer:
    """A tokenizer of the library `tokenizers`: those that `prepare` writes.

    Args:
        path: Its JSON file.
    """

    def __init__(self, path: Path):
        table = json.loads(path.read_text(encoding="utf-8"))
        self.model = table["model"]
        if table["added_tokens"]:
            refuse(f"`{path}`", "without added tokens", table["added_tokens"])
        steps = self._steps(table["normalizer"], "normalizers")
        splits = self._steps(table["pre_tokenizer"], "pretokenizers")
        known = ({"NFC", "NFD", "StripAccents", "Lowercase", "BertNormalizer"},
                 {"WhitespaceSplit", "Punctuation", "BertPreTokenizer"},
                 {"WordPiece", "WordLevel"})  # fmt: skip
        if self.model["type"] == "BPE":
            known = (set(), {"ByteLevel"}, {"BPE"})
        for parts, names in zip((steps, splits, [self.model["type"]]), known):
            if set(parts) - names:
                refuse(f"`{path}`", f"made of {sorted(names)}", parts)
        self.steps, self.splits = steps, splits
        self.before, self.after = self._marks(table.get("post_processor"))
        self.bert = self.byte_pairs = None
        if "BertNormalizer" in steps:
            self.bert = functools.partial(
                load("subwords").bert_text, settings=table["normalizer"]
            )
        if self.model["type"] == "BPE":
            space = re.compile(f"[{SPACES}]")
            self.byte_pairs = load("subwords").BytePairs(self.model, space)

    @staticmethod
    def _marks(table: dict | None) -> tuple[list[int], list[int]]:
        """Returns the ids that stand before and after every text."""
        parts = (table or {}).get("single", [])
        ids = [part.get("SpecialToken", {}).get("id") for part in parts]
        at = ids.index(None) if parts else 0
        ids = [i and table["special_tokens"][i]["ids"] for i in ids]
        return sum(ids[:at], []), sum(ids[at + 1 :], [])

    @staticmethod
    def _steps(table: dict | None, key: str) -> list[str]:
        if table is None:
            return []
        return [part["type"] for part in table.get(key, [table])]

    def __call__(self, text: str, length: int | None = None) -> list[int]:
        """Returns the token ids of `text`, `length` of them at most."""
        ids = self.byte_pairs(text) if self.byte_pairs else self._ids(text)
        if length is not None:
            ids = ids[: length - len(self.before) - len(self.after)]
        return [*self.before, *ids, *self.after]

    def _ids(self, text: str) -> list[int]:
        if self.bert:
            text = self.bert(text)
        for form in {"NFC", "NFD"} & set(self.steps):
            text = unicodedata.normalize(form, text)
        if "StripAccents" in self.steps:
            kind = unicodedata.category
            text = "".join(c for c in text if kind(c)[0] != "M")
        if "Lowercase" in self.steps:
            # Letter by letter: str.lower() treats a final sigma specially.
            text = "".join(map(str.lower, text))
        if {"Punctuation", "BertPreTokenizer"} & set(self.splits):
            text = "".join(f" {c} " if is_mark(c) else c for c in text)
        words = re.split(f"[{SPACES}]+", text)
        return [i for word in words if word for i in self._word(word)]

    def _word(self, word: str) -> list[int]:
        vocabulary = self.model["vocab"]
        unknown = [vocabulary[self.model["unk_token"]]]
        if self.model["type"] == "WordLevel":
            return [vocabulary[word]] if word in vocabulary else unknown
        if len(word) > self.model["max_input_chars_per_word"]:
            return unknown
        ids, start = [], 0
        while start < len(word):
            prefix = self.model["continuing_subword_prefix"] if start else ""
            for end in range(len(word), start, -1):
                if prefix + word[start:end] in vocabulary:
                    break
            else:
                return unknown
            ids.append(vocabulary[prefix + word[start:end]])
            start = end
        return ids


def is_mark(char: str) -> bool:
    """Returns whether `tokenizers` calls `char` punctuation."""
    if char.isascii():
        return char.isprintable() and not char.isalnum() and char != " "
    # U+166D was punctuation until Unicode 12; the library says so still.
    return unicodedata.category(char)[0] == "P" or char == "\u166d"


SIGNALS = {
    "series": read_series, "video": read_video, "volume": read_volume
}  # fmt: skip


class Runner:
    """A verified bundle, ready to answer.

    Args:
        folder: The bundle.
        threads: Threads of the interpreter.
        kernels: "default", or "reference": slow, and alike on every machine.

    Example:

    >>> answer = Runner("bundle").predict({"image": image})
    """

    def __init__(
        self,
        folder: str | Path = ".",
        threads: int = 1,
        kernels: str = "default",
    ):
        if kernels not in KERNELS:
            refuse("`kernels`", f"one of {KERNELS}", kernels)
        self.folder = Path(folder)
        path = self.folder / "manifest.json"
        if not path.is_file():
            refuse(f"`{self.folder}`", "a bundle", "no manifest.json in it")
        self._tokenizers = {}
        try:
            self.manifest = json.loads(path.read_text(encoding="utf-8"))
            if self.manifest["kind"] != "bundle":
                refuse(f"`{path}`", "of kind bundle", self.manifest["kind"])
            self.inputs = self.manifest["inputs"]
            self.outputs = self.manifest["outputs"]
            self.present = self.manifest["present"]
            self._check_files()
            self._run = self._load(threads, kernels)
        except (KeyError, TypeError, AttributeError, UnicodeError,
                json.JSONDecodeError) as error:  # fmt: skip
            what = f"{type(error).__name__}: {error}"
            refuse(f"`{path}`", "a manifest written by mmkeras", what)

    def _check_files(self) -> None:
        for name, entry in self.manifest["files"].items():
            path = self.folder / name
            here = path.is_file() and not path.is_symlink()
            if Path(name).name != name or not here:
                refuse(f"`{path}`", "a file of the bundle", "nothing or a link")
            if sha256_of(path) != entry["sha256"]:
                expected = f"the file with sha256 {entry['sha256'][:16]}"
                refuse(f"`{path}`", expected, sha256_of(path)[:16])
        used = [self.manifest["model"]["file"], "labels.json"]
        for key in ("tokenizer", "categories"):
            used += [e[key] for e in self.inputs.values() if key in e]
        if set(used) - set(self.manifest["files"]):
            refuse(f"`{self.folder}`", f"a bundle with {used}", "fewer files")
        path = self.folder / "labels.json"
        labels = json.loads(path.read_text(encoding="utf-8"))
        classes = {n: e["classes"] for n, e in self.outputs.items()
                   if "classes" in e}  # fmt: skip
        if labels != classes:
            refuse(f"`{path}`", f"the manifest's classes {classes}", labels)

    def _load(self, threads: int, kernels: str):
        from ai_edge_litert.interpreter import Interpreter, OpResolverType

        kinds = OpResolverType.AUTO, OpResolverType.BUILTIN_REF

        model = self.manifest["model"]
        if model["format"] != "tflite":
            refuse("The model's format", "tflite", model["format"])
        path = self.folder / model["file"]
        self._interpreter = Interpreter(
            str(path),
            num_threads=threads,
            experimental_op_resolver_type=kinds[KERNELS.index(kernels)],
        )
        run = self._interpreter.get_signature_runner(model["signature"])
        expected = {name: (entry["dtype"], [1, *entry["shape"]])
                    for name, entry in self.inputs.items()}  # fmt: skip
        if self.present:
            expected["present"] = ("float32", [1, len(self.present)])
        details = dict(run.get_input_details())
        for name, detail in run.get_output_details().items():
            details[f"output {name}"] = detail
        for name, entry in self.outputs.items():
            shape = [1, len(entry.get("classes", [0]))]
            if entry["kind"] == "sequence":
                shape.insert(1, entry["steps"])
            detail = details.get(f"output {name}")
            if entry["kind"] == "embedding" and detail:
                # Its width is the model's own.
                shape = [1, *detail["shape"].tolist()[1:2]]
            expected[f"output {name}"] = ("float32", shape)
        received = {name: (np.dtype(d["dtype"]).name, d["shape"].tolist())
                    for name, d in details.items()}  # fmt: skip
        if expected != received:
            refuse(f"The signature of `{path}`", expected, received)
        return run

    def read(self, name: str, value: str) -> np.ndarray:
        """Turns a path, a text or comma-separated numbers into an input."""
        entry = self.inputs[name]
        if entry["kind"] == "image":
            return read_image(value, entry["shape"])
        if entry["kind"] == "audio":
            return read_audio(value, entry)
        if entry["kind"] == "text":
            return self._read_text(name, value)
        if entry["kind"] in SIGNALS:
            return SIGNALS[entry["kind"]](value, entry)
        return self._read_row(name, value)

    def window(self, name: str, path: str, start: int) -> np.ndarray:
        """Reads the audio `name` from frame `start` of a recording on."""
        return read_audio(path, self.inputs[name], start)

    def _read_row(self, name: str, value: str) -> np.ndarray:
        """Reads cells with commas: numbers, then the names of categories."""
        import csv

        entry = self.inputs[name]
        cells = [cell.strip() for cell in next(csv.reader([value]), [])]
        known = self._categories(name)
        numbers = entry["shape"][0] - len(known)
        try:
            row = [float(cell or "nan") for cell in cells[:numbers]]
        except ValueError:
            refuse(f"`--{name}`", "numbers with commas", value)
        for cell, table in zip(cells[numbers:], known):
            row.append(table.get(cell, 1) if cell else 0)
        if len(cells) != entry["shape"][0]:
            columns = [*entry.get("columns", []), *entry.get("categorical", [])]
            order = f"of {columns}, " if columns else ""
            expected = f"{order}of shape {entry['shape']}"
            refuse(f"`--{name}`", expected, f"float32 of shape [{len(cells)}]")
        if np.isnan(row[:numbers]).all() and not any(row[numbers:]):
            known = "a row with a known cell; leave it out if there is none"
            refuse(f"`--{name}`", known, value)
        return np.array(row, np.float32)

    def _categories(self, name: str) -> list[dict[str, int]]:
        """Returns the index of each category, a table a column."""
        entry = self.inputs[name]
        if "categories" not in entry:
            return []
        text = (self.folder / entry["categories"]).read_text(encoding="utf-8")
        tables = json.loads(text)
        return [{cell: i for i, cell in enumerate(tables[column], 2)}
                for column in entry["categorical"]]  # fmt: skip

    def _read_text(self, name: str, text: str) -> np.ndarray:
        entry = self.inputs[name]
        if not text.strip():
            refuse(f"`--{name}`", "a text; leave it out if there is none", "")
        if name not in self._tokenizers:
            path = self.folder / entry["tokenizer"]
            self._tokenizers[name] = Tokenizer(path)
        ids = self._tokenizers[name](text, entry["shape"][0])
        tokens = np.zeros(entry["shape"], np.int32)
        tokens[: len(ids)] = ids
        return tokens

    def predict(self, inputs: dict) -> dict[str, np.ndarray]:
        """Returns the model's raw outputs for one sample.

        Args:
            inputs: Arrays by modality, without a batch axis; one that is left
                out, or None, is absent.
        """
        found = self._run(**self._feed(inputs))
        return {name: value[0] for name, value in found.items()}

    def stream(self, name: str, inputs: dict | None = None):
        """Starts to read the modality `name` one step at a time.

        Args:
            name: A modality that the manifest lists under `streams`.
            inputs: The other modalities, as for `predict`.

        Returns:
            A function from one step, an array of the manifest's `step`
            samples or tokens, to the raw outputs for all steps so far.
        """
        streams = self.manifest.get("streams", {})
        if name not in streams:
            refuse("`name`", f"a streamed modality {sorted(streams)}", name)
        length = streams[name]["step"]
        entry = self.inputs[name]
        whole = np.zeros(entry["shape"], entry["dtype"])
        feed = self._feed({**(inputs or {}), name: whole})
        run = self._interpreter.get_signature_runner(streams[name]["signature"])
        state = {key: np.zeros(detail["shape"], np.float32)
                 for key, detail in run.get_input_details().items()
                 if key.startswith("state_")}  # fmt: skip

        def step(part: np.ndarray) -> dict[str, np.ndarray]:
            part = np.asarray(part)
            self._check(name, part, [length, *entry["shape"][1:]])
            found = run(**{**feed, name: part[None], **state})
            state.update({key: found.pop(key) for key in state})
            return {key: value[0] for key, value in found.items()}

        return step

    def _feed(self, inputs: dict) -> dict[str, np.ndarray]:
        given = {k: v for k, v in inputs.items() if v is not None}
        if set(given) - set(self.inputs):
            refuse("The inputs", f"among {list(self.inputs)}", list(given))
        feed = {}
        for name, entry in self.inputs.items():
            if name in given:
                value = np.asarray(given[name])
                self._check(name, value)
            elif entry["optional"]:
                value = np.zeros(entry["shape"], entry["dtype"])
            else:
                refuse(f"`{name}`", "given: it is not optional", "nothing")
            feed[name] = value[None]
        if self.present:
            row = [[float(name in given) for name in self.present]]
            feed["present"] = np.array(row, np.float32)
        return feed

    def _check(
        self, name: str, value: np.ndarray, shape: list[int] | None = None
    ) -> None:
        entry = self.inputs[name]
        expected = f"{entry['dtype']} of shape {shape or entry['shape']}"
        received = f"{value.dtype} of shape {list(value.shape)}"
        if expected != received:
            refuse(f"`{name}`", expected, received)
        if entry["kind"] == "text":
            limit = entry["vocabulary_size"]
            if value.min() < 0 or value.max() >= limit:
                refuse(f"`{name}`", f"token ids below {limit}", value)
        elif entry["kind"] in ("series", "vector"):
            if np.isinf(value).any():
                refuse(f"`{name}`", "finite, or NaN in a gap", "infinity")
        elif not np.isfinite(value).all():
            refuse(f"`{name}`", "finite", "NaN or infinity")

    def answer(self, inputs: dict) -> dict:
        """Returns the answer for one sample as JSON values, by target."""
        raw, answers = self.predict(inputs), {}
        for name, entry in self.outputs.items():
            values = [float(value) for value in raw[name].ravel()]
            if entry["kind"] == "number":
                answers[name] = {"value": values[0], "unit": entry["unit"]}
                continue
            if entry["kind"] == "embedding":
                answers[name] = {"vector": values}
                continue
            if entry["kind"] == "sequence":
                answers[name] = by_step(raw[name], entry["classes"])
                continue
            table = dict(zip(entry["classes"], values))
            best = max(table, key=table.get)
            answers[name] = {"label": best, "probability": table[best]}
            if entry["kind"] == "categories":
                labels = [name for name in table if table[name] >= 0.5]
                answers[name] = {"labels": labels}
            answers[name]["probabilities"] = table
        return answers

    def samples(self, path: str):
        """Yields the samples of an .npz file: arrays by modality, by row.

        It may hold `present` as well; a modality it lacks is absent.
        """
        if not zipfile.is_zipfile(path):
            refuse(f"`{path}`", "an .npz file", "none")
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        here = arrays.pop("present", None)
        counts = {len(array) for array in arrays.values()}
        if len(counts) != 1:
            refuse(f"`{path}`", "arrays of one length", sorted(counts))
        for i in range(counts.pop()):
            row = {name: array[i] for name, array in arrays.items()}
            for column, name in enumerate(self.present):
                if here is not None and not here[i, column]:
                    row.pop(name, None)
            yield row


def by_step(values: np.ndarray, classes: list[str]) -> dict:
    """Returns the answer of a sequence from `(steps, classes)`."""
    best = values.argmax(axis=-1)
    return {
        "labels": [classes[i] for i in best],
        "changes": (np.flatnonzero(np.diff(best)) + 1).tolist(),
        "probabilities": {
            label: [float(value) for value in values[:, i]]
            for i, label in enumerate(classes)
        },
    }


def add_live(parser: argparse.ArgumentParser) -> None:
    """Adds the options that make `live.py` answer."""
    group = parser.add_argument_group("answers without end, a line for each")
    for name, text in LIVE.items():
        group.add_argument(f"--{name}", action="store_true", help=text)
    text = "between two answers; half the sound's length, or 0.5, unless given"
    group.add_argument("--hop-sec", type=float, help=text)
    group.add_argument("--count", type=int, help="stop after so many lines")


def load(name: str):
    """Returns a module of the bundle that lies beside this file."""
    path = Path(__file__).with_name(f"{name}.py")
    size_of(path)
    # Not an import: Python's isolated mode does not look beside the script.
    spec = importlib.util.spec_from_file_location(f"mmkeras_{name}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def main(arguments: list[str]) -> int:
    """Answers on the command line; returns the exit code."""
    early = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    early.add_argument("--bundle", default=str(Path(__file__).parent))
    early.add_argument("--threads", type=int, default=1)
    early.add_argument("--kernels", choices=KERNELS, default=KERNELS[0])
    known, rest = early.parse_known_args(arguments)
    try:
        runner = Runner(known.bundle, known.threads, known.kernels)
        parser = argparse.ArgumentParser(parents=[early], allow_abbrev=False)
        parser.add_argument("--samples", help="an .npz file, for many samples")
        for name, entry in runner.inputs.items():
            optional = "; optional" if entry["optional"] else ""
            parser.add_argument(f"--{name}", help=entry["kind"] + optional)
        add_live(parser)
        options = [f"--{name}" for name in runner.inputs]
        for at in reversed(range(len(rest) - 1)):
            # argparse takes a value such as -1,2 for an option.
            if rest[at] in options and not rest[at + 1].startswith("--"):
                rest[at : at + 2] = [f"{rest[at]}={rest[at + 1]}"]
        given = vars(parser.parse_args(rest))
        if given["samples"]:
            for row in runner.samples(given["samples"]):
                print(json.dumps(runner.answer(row), allow_nan=False))
            return 0
        if any(given[name] for name in LIVE):
            for line in load("live").answers(runner, given, load):
                print(json.dumps(line, allow_nan=False), flush=True)
            return 0
        row = {name: runner.read(name, given[name]) for name in runner.inputs
               if given[name] is not None}  # fmt: skip
        print(json.dumps(runner.answer(row), indent=2, allow_nan=False))
        return 0
    except KeyboardInterrupt:
        return 0
    except (ValueError, OSError, RuntimeError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
