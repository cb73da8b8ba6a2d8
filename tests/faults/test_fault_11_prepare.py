"""Fault 11: prepare without disk space or permission."""

import collections
import os
import re
import shutil
import subprocess
import sys

import pytest
from data.data_toys import make_spec, write_set

from mmkeras.data import prepare


@pytest.fixture
def root(tmp_path):
    write_set(tmp_path / "root", 12)
    return tmp_path / "root"


def test_a_full_disk_is_found_before_anything_is_decoded(
    root, tmp_path, monkeypatch
):
    usage = collections.namedtuple("usage", "total used free")
    full = lambda path: usage(10**9, 10**9, 1000)  # noqa: E731
    monkeypatch.setattr(shutil, "disk_usage", full)
    with pytest.raises(OSError) as caught:
        prepare(make_spec(root), tmp_path / "out")
    message = str(caught.value)
    assert str(tmp_path / "out") in message and "\n" not in message
    assert "bytes needed, 1,000 bytes available" in message
    assert not list((tmp_path / "out").glob("*.tfrecord"))
    needed = re.search(r"([\d,]+) bytes needed", message)[1].replace(",", "")
    monkeypatch.undo()
    prepare(make_spec(root), tmp_path / "out", workers=1)
    # All that grows with the samples.
    names = ("*.tfrecord", "samples.csv", "sources.json")
    paths = [p for name in names for p in (tmp_path / "out").glob(name)]
    assert sum(path.stat().st_size for path in paths) <= int(needed)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_disk_that_fills_up_leaves_nothing_half_written(
    root, tmp_path, workers
):
    out = tmp_path / "out"
    code = (
        "import resource; from mmkeras.data import prepare\n"
        "from mmkeras.spec import DataSpec\n"
        f"spec = DataSpec.from_dict({make_spec(root).to_dict()!r})\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))\n"
        "try:\n"
        f"    prepare(spec, {str(out)!r}, workers={workers})\n"
        "except OSError as error:\n"
        "    print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True
    )
    (line,) = done.stdout.splitlines()
    assert ".tfrecord` must be writable" in line, done.stderr
    assert "bytes needed" in line and "bytes available" in line
    assert {p.name for p in out.iterdir()} == {".mmkeras.json", ".partial"}
    assert not [p for p in (out / ".partial").iterdir() if "tmp" in p.name]
    # With room again it goes on.
    assert prepare(make_spec(root), out)["splits"]["train"]["count"] > 0


def test_a_file_in_the_place_of_the_folder_stays(root, tmp_path):
    (tmp_path / "out").write_text("mine")
    with pytest.raises(ValueError, match="must be a folder"):
        prepare(make_spec(root), tmp_path / "out")
    with pytest.raises(OSError, match="out"):
        prepare(make_spec(root), tmp_path / "out" / "inner")
    assert (tmp_path / "out").read_text() == "mine"


def test_a_place_nobody_may_write_is_named(root):
    with pytest.raises(OSError, match="/proc/mmkeras"):
        prepare(make_spec(root), "/proc/mmkeras/out")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_is_named(root, tmp_path):
    (tmp_path / "out").mkdir(mode=0o555)
    with pytest.raises(OSError, match="out"):
        prepare(make_spec(root), tmp_path / "out")
