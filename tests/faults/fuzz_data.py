"""Faults 8, 9 and 10: prepared data that are damaged, forged or half done."""

import functools
import json
import os
import shutil
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path
from unittest import mock

import pytest
from data.data_toys import make_spec, write_set
from faults.fuzz import fault
from faults.fuzz_manifests import OTHERS, changed, places
from faults.test_fault_10 import SCRIPT, content

from mmkeras.artefact import read_manifest, write_hashed
from mmkeras.data import load_data, prepare, write_records

PARTIAL = ".partial"


@functools.cache
def toy() -> Path:
    """A folder with `root`; `out`, prepared; `half`, killed at its end."""
    place = Path(tempfile.mkdtemp(prefix="toy-data-"))
    root = place / "root"
    write_set(root)
    (root / "spec.json").write_text(json.dumps(make_spec().to_dict()))
    asked = "".join(
        json.dumps({
            "said": [os.devnull, str(place / "said")],
            "arguments": [str(root), str(place / name), moment, 1],
        }) + "\n"
        for name, moment in (("out", "never"), ("half", "manifest"))
    )  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        input=asked, capture_output=True, text=True,
    )  # fmt: skip
    said = done.stderr + (place / "said").read_text()
    assert done.stdout.split() == ["0", "-9"], said
    return place


def copy_of(name: str, folder: Path) -> Path:
    return shutil.copytree(toy() / name, folder / "out")


def shards_of(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.tfrecord"))


def error_of(function) -> str:
    """The message of the ValueError that must come."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            function()
        except ValueError as error:
            return str(error)
    raise AssertionError("nothing was refused")


def damage(path: Path, how: str, place: float, bit: int) -> None:
    """Damages a file; `place` is where, as a share of it."""
    data = bytearray(path.read_bytes())
    at = int(place * len(data))
    if how == "flip":
        data[at] ^= 1 << bit
        path.write_bytes(data)
    elif how == "cut":
        path.write_bytes(data[:at])
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "more":
        path.write_bytes(data + data[at:] + b"\0")
    elif how == "zeros":
        path.write_bytes(data[:at] + bytes(len(data) - at))
    elif how == "gone":
        path.unlink()
    elif how == "folder":
        path.unlink()
        path.mkdir()
        (path / "theirs").write_text("kept")
    elif how == "none":
        write_records(path, [])


SHARD = ("flip", "cut", "empty", "more", "zeros", "gone", "folder", "none")
NOTE = ("flip", "cut", "empty", "more", "zeros", "folder")


def damaged_shard(draw):
    return draw.random(), draw.choice(SHARD), draw.random(), draw.randrange(8)


def opening_names_the_shard(case, folder):
    which, *how = case
    out = copy_of("out", folder)
    shards = shards_of(out)
    path = shards[int(which * len(shards))]
    damage(path, *how)
    found = error_of(lambda: load_data(out))
    assert str(path) in found and "samples" in found, found


def forged_count(draw):
    """A manifest with a right hash, whose splits say something else."""
    return draw.random(), draw.random(), draw.choice(OTHERS)


def opening_refuses(case, folder):
    which, deletes, other = case
    out = copy_of("out", folder)
    manifest = read_manifest(out, "data", check_files=False)
    names = ("splits", "files", "spec", "spec_sha256", "kind")
    inside = [p for p in places(manifest) if p[0] in names]
    place = inside[int(which * len(inside))]
    before = json.dumps(manifest)
    changed(manifest, place, other, deletes < 0.3)
    if json.dumps(manifest) == before:
        return
    write_hashed(out / "manifest.json", manifest)
    try:
        found = error_of(lambda: load_data(out))
    except AssertionError:
        # Fields of the spec may be left out where that is their default, and
        # earlier versions listed fewer files.
        listed = place[0] == "files" and ".tfrecord" not in place[1]
        assert place[0] == "spec" or (listed and deletes < 0.3), place
    else:
        assert str(out) in found or "spec" in found, found


def later_damage(draw):
    how = draw.choice([n for n in SHARD if n != "folder"])
    return draw.random(), how, draw.random(), draw.randrange(8)


def reading_names_the_shard(case, folder):
    which, *how = case
    out = copy_of("out", folder)
    data = load_data(out, batch_size=5, cache=False)
    shards = shards_of(out)
    path = shards[int(which * len(shards))]
    damage(path, *how)
    split = path.name.split("-")[0]
    found = error_of(lambda: list(getattr(data, split)))
    assert str(path) in found and "samples" in found, found


def half_done(draw):
    """What lies in a folder that was killed: notes, shards, and identity."""
    kind = draw.choice(["note", "shard", "identity"])
    how = draw.choice(SHARD[:-1] if kind == "shard" else NOTE)
    return kind, draw.random(), how, draw.random(), draw.randrange(8)


def edited_note(draw):
    """A sum doubled, a count of -1 and the like, by an editor."""
    return "field", draw.random(), draw.random(), draw.choice(OTHERS)


@functools.cache
def uninterrupted() -> dict[str, bytes]:
    return content(toy() / "out")


def preparing_again_gives_the_same(case, folder):
    kind, which, *how = case
    out = copy_of("half", folder)
    names = {"shard": "*.tfrecord", "identity": "identity.json"}
    pattern = names.get(kind, "*.tfrecord.json")
    found = sorted((out / PARTIAL).glob(pattern))
    path = found[int(which * len(found))]
    if kind == "field":
        note = json.loads(path.read_text())
        inside = places(note)
        place = inside[int(how[0] * len(inside))]
        path.write_text(json.dumps(changed(note, place, how[1], False)))
    else:
        damage(path, *how)
    with (
        mock.patch(
            "mmkeras.data.ingest.plan.samples_per_shard", lambda spec: 4
        ),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        if how[0] == "folder":
            # It is not ours, and stays.
            with pytest.raises(ValueError, match="must be a file") as error:
                prepare(make_spec(), out, root=toy() / "root", workers=1)
            assert str(path) in str(error.value)
            (theirs,) = out.glob(".partial/*/theirs")
            theirs.parent.rename(folder / "theirs")
        prepare(make_spec(), out, root=toy() / "root", workers=1)
    assert content(out) == uninterrupted()


fault(8, damaged_shard, opening_names_the_shard, tries=400)
fault(8, forged_count, opening_refuses, tries=400)
fault(9, later_damage, reading_names_the_shard, tries=200)
fault(10, half_done, preparing_again_gives_the_same, tries=200)
fault(10, edited_note, preparing_again_gives_the_same, tries=200)
