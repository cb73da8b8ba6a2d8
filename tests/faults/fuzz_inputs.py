"""Faults 12, 17, 19, 20, 36, 41 and 44: what a user or a stranger hands in."""

import copy
import functools
import inspect
import io
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from faults.fuzz import fault
from faults.model_toys import layer_of, save_toy, with_config
from faults.test_fault_41 import SIDES, tried
from faults.test_fault_44 import SPEC, heads, tower
from PIL import Image

from mmkeras import Concat, artefact, build_model
from mmkeras.data import BadSample, SampleIO, read_inside
from mmkeras.model import load_model
from mmkeras.spec import MODALITIES, RESERVED, DataSpec

# What is timed is timed in seconds of the thread's processor: the machine may
# be busy with the other faults.


@functools.cache
def scratch() -> Path:
    return Path(tempfile.mkdtemp(prefix="toy-inputs-"))


# 12: pictures that were cut, whatever ends they were given.


def cut_picture(draw):
    return {
        "size": (draw.randrange(24, 200), draw.randrange(24, 200)),
        "seed": draw.randrange(10**6),
        "quality": draw.choice([30, 75, 95]),
        "progressive": draw.random() < 0.3,
        "share": draw.uniform(0, 0.95),
        "end": draw.choice([b"", b"\xff\xd9"]),
    }


def reading_a_picture(case, folder):
    noise = np.random.default_rng(case["seed"])
    pixels = noise.integers(0, 255, (*case["size"], 3), np.uint8)
    file = io.BytesIO()
    keys = {key: case[key] for key in ("quality", "progressive")}
    Image.fromarray(pixels).save(file, "JPEG", **keys)
    raw = file.getvalue()
    start = raw.index(b"\xff\xda") + 14
    kept = raw[: start + int((len(raw) - 2 - start) * case["share"])]
    (folder / "whole.jpg").write_bytes(raw)
    (folder / "cut.jpg").write_bytes(kept.rstrip(b"\xff") + case["end"])
    kind = MODALITIES.known["image"](
        kind="image", column="x", height=24, width=24, channels=3
    )
    io_of = SampleIO(str(folder))
    assert kind.read({"x": "whole.jpg"}, io_of).value.shape == (24, 24, 3)
    with pytest.raises(BadSample, match="truncated"):
        kind.read({"x": "cut.jpg"}, io_of)


# 17: layers that a saved model lists beside its graph.


@functools.cache
def saved_toy() -> Path:
    return save_toy(scratch() / "toy.keras")


def layers_beside(draw):
    return {
        "count": int(10 ** draw.uniform(0, 3)),
        "of": draw.choice(["inner_dense", "outer_dense"]),
        "into": draw.choice(["toy", "inner"]),
        "wired": draw.random() < 0.5,
    }


def loading_them(case, folder):
    def change(config):
        graph = config if case["into"] == "toy" else layer_of(config, "inner")
        for number in range(case["count"]):
            extra = copy.deepcopy(layer_of(config, case["of"]))
            extra["name"] = extra["config"]["name"] = f"extra_{number}"
            if not case["wired"]:
                extra["inbound_nodes"] = []
            graph["config"]["layers"].append(extra)

    path = with_config(saved_toy(), folder / "bomb.keras", change)
    start = time.thread_time()
    with pytest.raises(ValueError, match="no output needs"):
        load_model(path)
    assert time.thread_time() - start < 2


# 19: specs whose fields are missing or of another type.

WHOLE = {
    "name": "toy",
    "data": {"root": ".", "id_column": "id", "max_bad_fraction": 0.1},
    "split": {"method": "fractions", "stratify": "kind", "seed": 3},
    "modalities": {
        "photo": {"kind": "image", "column": "p", "height": 8, "width": 8,
                  "channels": 3, "optional": True},
        "sound": {"kind": "audio", "column": "s", "sample_rate_hz": 8000,
                  "duration_sec": 0.5},
        "note": {"kind": "text", "column": "n", "max_tokens": 9},
        "table": {"kind": "vector", "columns": ["a", "b"]},
    },
    "targets": {
        "kind": {"kind": "category", "column": "k", "classes": ["x", "y"]},
        "size": {"kind": "number", "column": "z"},
    },
}  # fmt: skip
OTHERS = [None, True, -1, 0, 10**30, float("nan"), "", "x" * 999, [], {},
          [[[]]], {"kind": "image"}, "image", ["x", "x"], b"x"]  # fmt: skip


def places(value, path=()):
    yield path
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from places(inner, (*path, key))


def broken_spec(draw):
    path = draw.choice([p for p in places(WHOLE) if p])
    how = draw.choice(["delete", "change", "rename"])
    return path, how, draw.choice(OTHERS), draw.choice("abcz")


def reading_it(case, folder):
    path, how, other, letter = case
    spec = copy.deepcopy(WHOLE)
    table = functools.reduce(lambda t, key: t[key], path[:-1], spec)
    value = table.pop(path[-1])
    if how == "change":
        table[path[-1]] = other
    if how == "rename":
        table[path[-1] + letter] = value
    start = time.thread_time()
    try:
        DataSpec.from_dict(spec, "toy.toml")
    except ValueError as error:
        said = str(error)
        assert said.startswith("toy.toml: ") and "pydantic" not in said
        assert len(said) < 3000
    assert time.thread_time() - start < 1


# 20: paths that lead out of the root, and files that are none.


def path_out(draw):
    parts = ["..", ".", "a", "linked", "secret", "\0", "C:", "/", "//", "~",
             "a/..", "\\", "..\\", "fifo", "é", " "]  # fmt: skip
    return "/".join(draw.choices(parts, k=draw.randrange(1, 7)))


@functools.cache
def rooted() -> Path:
    import os

    place = scratch() / "rooted"
    (place / "root" / "a").mkdir(parents=True)
    (place / "secret").write_text("secret")
    (place / "root" / "linked").symlink_to(place)
    os.mkfifo(place / "root" / "fifo")
    return place / "root"


def reading_inside(case, folder):
    start = time.thread_time()
    with pytest.raises(BadSample):
        read_inside(str(rooted()), case)
    assert time.thread_time() - start < 1


# 36: names.


def any_name(draw):
    letters = "abcdefghijklmnopqrstuvwxyz0123456789_"
    made = "".join(draw.choices(letters, k=draw.randrange(1, 12)))
    known = [*sorted(RESERVED), *dir(np.ndarray), *dir(keras.layers.Layer)]
    return draw.choice([made, draw.choice(known)])


def naming(case, folder):
    spec = copy.deepcopy(WHOLE)
    spec["modalities"][case] = spec["modalities"].pop("table")
    try:
        DataSpec.from_dict(spec)
    except ValueError as error:
        assert "name" in str(error).lower()
        return
    # What is taken is an argument of a signature and an array in a file.
    keyword = inspect.Parameter(case, inspect.Parameter.KEYWORD_ONLY)
    inspect.Signature([keyword]).bind(**{case: 1})
    SimpleNamespace(call=lambda self, **given: given).call(None, **{case: 1})
    file = io.BytesIO()
    artefact.write_arrays(file, {case: np.ones(2)})
    file.seek(0)
    with np.load(file, allow_pickle=False) as arrays:
        assert arrays.files == [case]


# 41: groups over the sides of a split that a column declares.


def sides_of_groups(draw):
    groups = [f"g{draw.randrange(9)}" for _ in range(30)]
    side = {group: draw.choice([0, 1, 2]) for group in groups}
    sides = [side[group] for group in groups]
    for _ in range(draw.choice([0, 0, 1, 3])):
        sides[draw.randrange(30)] = draw.randrange(3)
    return groups, sides


def splitting(case, folder):
    groups, sides = case
    spread = any(
        len({s for g, s in zip(groups, sides, strict=True) if g == name}) > 1
        for name in groups
    )
    if not {0, 2} <= {*sides}:
        return
    if spread:
        with pytest.raises(ValueError, match="must put all samples of one"):
            tried(folder, groups, SIDES[sides])
    else:
        found = tried(folder, groups, SIDES[sides])
        counts = [found["splits"][side]["count"] for side in SIDES]
        assert counts == [sides.count(i) for i in range(3)]


# 44: what modalities share.


def sharing(draw):
    """The number of the layer that each of three towers is made of."""
    return [draw.randrange(draw.choice([1, 3, 9])) for _ in range(3)]


def building(case, folder):
    layers = {number: keras.layers.Dense(2) for number in case}
    towers = {
        name: tower(name, layers[number])
        for name, number in zip("abc", case, strict=True)
    }

    def build():
        return build_model(SPEC, towers=towers, fusion=Concat(2), heads=heads())

    if len({*case}) < 3:
        with pytest.raises(ValueError, match="a layer in common"):
            build()
    else:
        assert sorted(build().input) == ["a", "b", "c"]


fault(12, cut_picture, reading_a_picture, tries=1000)
fault(17, layers_beside, loading_them, tries=200)
fault(19, broken_spec, reading_it, tries=1000)
fault(20, path_out, reading_inside, tries=1000)
fault(36, any_name, naming, tries=1000)
fault(41, sides_of_groups, splitting, tries=200)
fault(44, sharing, building, tries=100)
