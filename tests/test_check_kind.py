"""The contract of kinds: ours keep it, and what breaks it is named."""

import re
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
import pytest
import soundfile
from PIL import Image

import mmkeras
from mmkeras import kinds
from mmkeras.metrics import means

TARGETS = {
    "category": (
        kinds.Category(kind="category", column="y", classes=["a", "b"]),
        ["a", "b", "", "b"],
    ),
    "categories": (
        kinds.Categories(kind="categories", column="y", classes=["a", "b"]),
        ["a|b", "b", "", "a"],
    ),
    "ordinal": (
        kinds.Ordinal(kind="ordinal", column="y", classes=["a", "b", "c"]),
        ["a", "b", "", "c"],
    ),
    "sequence": (
        kinds.Sequence(
            kind="sequence", column="y", classes=["a", "b"], steps=4,
            modality="toy",
        ),
        ["a|b|a|a", "b|b|a|b", ""],
    ),
    "transcript": (
        kinds.Transcript(
            kind="transcript", column="y", alphabet="ab ", steps=8,
            max_symbols=5, modality="toy",
        ),
        ["ab a", "b", "", "a b"],
    ),
    "number": (kinds.Number(kind="number", column="y"), ["1", "", "2.5", "3"]),
    "text": (
        kinds.WrittenText(kind="text", column="y", max_characters=6),
        ["red", "blue", "", "yellow"],
    ),
    "embedding": (
        kinds.Embedding(kind="embedding", column="y"),
        ["ann", "bob", "ann", "bob"],
    ),
    "forecast": (
        kinds.Forecast(
            kind="forecast", column="y", channels=["a", "b"], steps=3
        ),
        ["[[1, 2], [3, null], [5, 6.5]]", "", "[[0, 0], [1, 9]]"],
    ),
    "anomaly": (
        kinds.Anomaly(
            kind="anomaly", column="y", normal=["ok"], abnormal=["torn"]
        ),
        ["ok", "", "torn", "ok", "other"],
    ),
}  # fmt: skip
MODALITIES = {
    "audio": kinds.Audio(
        kind="audio", column="x", sample_rate_hz=8000, duration_sec=0.1
    ),
    "image": kinds.Image(kind="image", column="x", height=6, width=8),
    "series": kinds.Series(
        kind="series", column="x", channels=["a", "b"], sample_rate_hz=10,
        file_rate_hz=10, duration_sec=2,
    ),
    "text": kinds.Text(kind="text", column="x", max_tokens=4),
    "vector": kinds.Vector(kind="vector", columns=["x"], categorical=["y"]),
}  # fmt: skip


def mask_file(place, folder):
    """Writes a mask of as many pixels as the picture."""
    pixels = np.zeros((6, 8), "uint8")
    pixels[place:, 2:5] = 1
    Image.fromarray(pixels).save(folder / f"mask_{place}.png")
    return f"mask_{place}.png"


# Targets that are read with a modality, and what writes a label of them.
READ = {
    "boxes": (
        kinds.Boxes(
            kind="boxes", column="y", classes=["a", "b"], modality="toy",
            max_boxes=3,
        ),
        MODALITIES["image"],
        lambda place, folder: f"a:{place},1,2,3;b:0,0,4,4",
    ),
    "mask": (
        kinds.Mask(
            kind="mask", column="y", classes=["spot"], modality="toy"
        ),
        MODALITIES["image"],
        mask_file,
    ),
    "tags": (
        kinds.Tags(kind="tags", column="y", classes=["kind"], modality="toy"),
        MODALITIES["text"],
        lambda place, folder: '[[0, 1, "kind"]]' if place == 0 else ";",
    ),
}  # fmt: skip


@pytest.fixture
def samples(tmp_path):
    """Rows by kind, each read as `prepare` and the device both do."""
    draw = np.random.default_rng(0)
    rows: dict[str, list] = {"audio": [], "image": [], "series": []}
    for index in range(3):
        pixels = draw.integers(0, 256, (6, 8, 3), "uint8")
        Image.fromarray(pixels).save(tmp_path / f"{index}.png")
        sound = draw.uniform(-0.9, 0.9, 300 * (index + 1))
        soundfile.write(tmp_path / f"{index}.wav", sound, 8000)
        np.save(tmp_path / f"{index}.npy", draw.normal(size=(15, 2)))
        for kind, suffix in zip(rows, ("wav", "png", "npy"), strict=True):
            rows[kind].append({"x": f"{index}.{suffix}"})
    words = ["a good film", "bad", "a bad film, a good end"]
    rows["text"] = [{"x": text} for text in words]
    rows["vector"] = [
        {"x": "1.5", "y": "ann"}, {"x": "-2", "y": "bob"},
        {"x": "", "y": "ann"}, {"x": "3", "y": "bob"},
    ]  # fmt: skip
    return rows


@pytest.mark.parametrize("name", MODALITIES)
def test_a_modality_keeps_the_contract(name, samples, tmp_path):
    found = mmkeras.check_kind(
        MODALITIES[name], samples[name], tmp_path, skip=("tower",)
    )
    assert set(found.values()) == {"kept", "skipped"}


@pytest.mark.parametrize("name", TARGETS)
def test_a_target_keeps_the_contract(name):
    target, cells = TARGETS[name]
    found = mmkeras.check_kind(target, [{"y": cell} for cell in cells])
    assert set(found.values()) == {"kept"}


@pytest.mark.parametrize("name", READ)
def test_a_target_read_with_its_sample_keeps_it(name, samples, tmp_path):
    target, modality, make = READ[name]
    rows = samples[modality.kind]
    for place, row in enumerate(rows):
        row["y"] = make(place, tmp_path)
    found = mmkeras.check_kind(target, rows, tmp_path, beside={"toy": modality})
    assert set(found.values()) == {"kept"}


def test_every_kind_of_target_is_checked():
    assert {*TARGETS, *READ} == set(mmkeras.spec.TARGETS.known)


class Pair(mmkeras.Modality):
    """Two numbers in one cell."""

    kind: Literal["pair"]
    column: str = "x"
    shape: ClassVar = (2,)

    def read(self, cells, io):
        numbers = np.array(cells[self.column].split(","), "float32")
        return mmkeras.Sample(numbers)

    def build(self, name, facts, options):
        return mmkeras.vector_tower(2, name, units=8)


class Wide(Pair):
    shape: ClassVar = (3,)


class Restless(Pair):
    def read(self, cells, io):
        return mmkeras.Sample(np.random.default_rng().random(2, "float32"))


class Foreign(Pair):
    def build(self, name, facts, options):
        return mmkeras.vector_tower(5, name, units=8)


class Grown(Pair):
    def corruption(self):
        change = lambda draw, x, level, known: np.pad(x, 1)  # noqa: E731
        return mmkeras.spec.Corruption((1.0,), "cells", change)


class Secret(Pair):
    def show(self, value, learned):
        return {"movie": value}


PAIR_DEVICE = """
import numpy as np

def read(text, entry):
    return np.array(text.split(","), {dtype!r})
"""


@pytest.fixture
def device(tmp_path) -> Path:
    path = tmp_path / "pair_device.py"
    path.write_text(PAIR_DEVICE.format(dtype="float32"))
    return path


def checked(kind, device, *rows):
    """Returns the clauses that a kind breaks."""

    class Own(kind):
        pass

    Own.device = device
    own = Own(kind=kind.name_of_kind())
    with mmkeras.registrations():
        register = (
            mmkeras.register_modality
            if issubclass(kind, mmkeras.Modality)
            else mmkeras.register_target
        )
        register(Own)
        try:
            mmkeras.check_kind(own, rows, export=False)
        except ValueError as error:
            return re.findall(r"^- (\w+):", str(error), re.M)
    return []


ROWS = {"x": "1,2"}, {"x": "3,-4"}, {"x": "0,9"}


def test_a_modality_of_ones_own_keeps_it(device):
    assert checked(Pair, device, *ROWS) == []


@pytest.mark.parametrize(
    ("kind", "clauses"),
    [
        (Wide, ["read", "tower"]),
        (Restless, ["read", "device"]),
        (Foreign, ["tower"]),
        (Grown, ["corruption"]),
        (Secret, ["show"]),
    ],
)
def test_what_a_modality_breaks_is_named(kind, clauses, device):
    assert checked(kind, device, *ROWS) == clauses


def test_a_device_that_reads_otherwise_is_found(device):
    device.write_text(PAIR_DEVICE.format(dtype="float64"))
    assert checked(Pair, device, *ROWS) == ["device"]
    device.unlink()
    assert checked(Pair, device, *ROWS) == ["device"]


class Rating(kinds.Number):
    """A number that is called otherwise."""

    kind: Literal["rating"]
    column: str = "y"


class Backwards(Rating):
    guard: ClassVar[str] = "mae"


class Nameless(Rating):
    headline: ClassVar[str] = "stars"


class Counting(Rating):
    def figures(self, labels, outputs, weights=None):
        one = means(np.ones(len(labels)), r2=labels, mae=labels)
        return type(one)(
            one.samples,
            {("r2", "mae"): lambda c: {"r2": c.sum(1), "mae": c.sum(1)}},
        )


class Unlearned(Rating):
    training_metric: ClassVar[str] = "stars"


ANSWER = "def shape(entry): return [{}]\ndef answer(output, entry): return {}"


@pytest.mark.parametrize(
    ("kind", "clauses"),
    [
        (Rating, []),
        (Backwards, ["figures"]),
        (Nameless, ["figures"]),
        (Counting, ["figures"]),
        (Unlearned, ["head"]),
    ],
)
def test_what_a_target_breaks_is_named(kind, clauses, device):
    device.write_text(ANSWER.format(1, "float(output[0])"))
    rows = [{"y": cell} for cell in ("1", "", "4")]
    assert checked(kind, device, *rows) == clauses


@pytest.mark.parametrize("wrong", [(2, "1"), (1, "output")])
def test_a_device_that_answers_otherwise_is_found(wrong, device):
    device.write_text(ANSWER.format(*wrong))
    assert checked(Rating, device, {"y": "1"}, {"y": "2"}) == ["device"]


def test_a_class_is_not_enough():
    with pytest.raises(ValueError, match="modality or a target with its keys"):
        mmkeras.check_kind(Pair, ROWS)
