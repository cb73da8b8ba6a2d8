"""Fault 31: raw files that change after `prepare`."""

import functools
import os
import shutil
import tempfile
from pathlib import Path
from unittest import mock

from data.data_toys import make_spec, write_set
from faults.fuzz import fault

from mmkeras.data import prepare

SAMPLES = 12


@functools.cache
def toy() -> Path:
    """A folder with `root`, and `out`, which was prepared from it."""
    place = Path(tempfile.mkdtemp(prefix="toy-changes-"))
    write_set(place / "root", SAMPLES)
    preparing(place / "root", place / "out")
    return place


def preparing(root: Path, out: Path) -> None:
    with mock.patch(
        "mmkeras.data.ingest.plan.samples_per_shard", lambda spec: 4
    ):
        prepare(make_spec(), out, root=root, workers=1)


def changes(draw):
    """Files that become others: which, by which, how, and when."""
    pairs = [draw.sample(range(SAMPLES), 2) for _ in range(draw.randint(1, 4))]
    ways = ["written", "replaced", "moved", "linked", "touched", "doubled"]
    return [(*p, draw.choice(ways), draw.randint(-(10**6), 10**6))
            for p in pairs]  # fmt: skip


def succeeds(root: Path, out: Path) -> bool:
    """Prepares; returns whether there were enough samples to be used."""
    try:
        preparing(root, out)
    except ValueError as error:
        # Of files that link to each other.
        assert "max_bad_fraction" in str(error), error
        return False
    return True


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.name: path.read_bytes()
        for path in folder.iterdir()
        if path.is_file()
    }


def prepared_again_it_is_as_prepared_anew(case, folder):
    root = folder / "root"
    shutil.copytree(toy() / "root", root)
    shutil.copytree(toy() / "out", folder / "out")
    preparing(root, folder / "out")
    for place, other, way, seconds in case:
        path = root / f"{place}.png"
        if not (path.exists() and (root / f"{other}.png").exists()):
            # A link that leads back to itself is there already.
            continue
        raw = (root / f"{other}.png").read_bytes()
        if way in ("replaced", "moved"):
            path.unlink()
        if way == "linked":
            path.unlink()
            path.symlink_to(f"{other}.png")
        elif way == "moved":
            (folder / "aside").write_bytes(raw)
            (folder / "aside").rename(path)
        elif way == "doubled":
            # Bytes behind the end of a picture are no part of it.
            path.write_bytes(path.read_bytes() + b"\0" * 8)
        elif way != "touched":
            path.write_bytes(raw)
        if path.exists():
            time_ns = path.stat().st_mtime_ns + seconds * 10**9 + 1
            os.utime(path, ns=(time_ns, time_ns))
    before = contents(folder / "out")
    good = succeeds(root, folder / "out")
    assert succeeds(root, folder / "anew") == good
    if not good:
        assert contents(folder / "out") == before
        return
    for path in (folder / "anew").iterdir():
        if path.suffix in (".tfrecord", ".csv"):
            again = folder / "out" / path.name
            assert again.read_bytes() == path.read_bytes(), path.name
    shards = {p.name for p in (folder / "anew").glob("*.tfrecord")}
    assert {p.name for p in (folder / "out").glob("*.tfrecord")} == shards


fault(31, changes, prepared_again_it_is_as_prepared_anew, tries=100)
