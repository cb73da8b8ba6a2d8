"""Fault 40: little memory, or few files that may be open: one message."""

import contextlib
import re
import resource
import subprocess
import sys
import wave
from pathlib import Path

import nibabel
import numpy as np
import pytest
from PIL import Image as Pictures

from mmkeras.data import decode_file, write_demo
from mmkeras.spec import MODALITIES

LIMITED = """
import resource, sys
limit, count = int(sys.argv[1]), int(sys.argv[2])
if limit:
    resource.setrlimit(resource.RLIMIT_AS, (limit * 2**20,) * 2)
if count:
    resource.setrlimit(resource.RLIMIT_NOFILE, (count,) * 2)
from mmkeras import cli
sys.exit(cli.main(sys.argv[3:]))
"""


@pytest.fixture(scope="module")
def spec(tmp_path_factory):
    return write_demo(tmp_path_factory.mktemp("demo"), samples=100)


def prepare(spec, out, megabytes=0, files=0, workers=2):
    return subprocess.run(
        [sys.executable, "-c", LIMITED, str(megabytes), str(files), "prepare",
         spec, "--out", out, "--workers", str(workers)],
        capture_output=True, text=True,
    )  # fmt: skip


@pytest.mark.parametrize("megabytes", [390, 600])
def test_prepare_ends_well_or_in_one_message(spec, tmp_path, megabytes):
    done = prepare(spec, tmp_path / "out", megabytes)
    assert "Traceback" not in done.stderr
    errors = [x for x in done.stderr.splitlines() if x.startswith("error:")]
    assert (done.returncode, len(errors)) in ((0, 0), (2, 1)), done.stderr
    again = prepare(spec, tmp_path / "out")
    assert again.returncode == 0, again.stderr


@pytest.mark.parametrize("files", [8, 12])
def test_files_that_cannot_be_opened_are_no_bad_samples(spec, tmp_path, files):
    done = prepare(spec, tmp_path / "out", files=files, workers=1)
    assert "Traceback" not in done.stderr
    assert done.returncode in (0, 2), done.stderr
    if done.returncode == 0:
        manifest = (tmp_path / "out" / "manifest.json").read_text()
        assert '"quarantined": {}' in manifest


@contextlib.contextmanager
def memory_left(megabytes):
    """Limits this process to what it has, and so much more."""
    said = Path("/proc/self/status").read_text()
    used = 1024 * int(re.search(r"VmSize:\s+(\d+)", said)[1])
    known = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (used + megabytes * 2**20, known[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, known)


def picture(path):
    Pictures.new("1", (8000, 7900)).save(path, "PNG")
    return "image", {"height": 8, "width": 8, "channels": 1}, 4 * 8000 * 7900


def scan(path):
    nibabel.save(nibabel.Nifti1Image(np.zeros((320,) * 3, "u1"), np.eye(4)),
                 path.with_suffix(".nii.gz"))  # fmt: skip
    path.with_suffix(".nii.gz").rename(path)
    sides = {"depth": 4, "height": 4, "width": 4, "spacing_mm": [80.0] * 3,
             "window_low": 0, "window_high": 255}  # fmt: skip
    return "volume", sides, 4 * 320**3


def sound(path):
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 48_000, 0, "NONE", ""))
        file.writeframes(b"\1\0\2\0" * 12_000_000)
    keys = {"sample_rate_hz": 8000, "duration_sec": 0.5}
    return "audio", keys, 8 * 24_000_000


def recording(path):
    with open(path, "wb") as file:
        np.save(file, np.zeros((2, 10_000_000), "u1").T)
    keys = {"sample_rate_hz": 10, "duration_sec": 1.0, "channels": ["a", "b"],
            "file_rate_hz": 10}  # fmt: skip
    return "series", keys, 8 * 20_000_000


@pytest.mark.parametrize("make", [picture, scan, sound, recording])
def test_what_a_header_promises_is_compared_with_the_memory(tmp_path, make):
    """Before it is decoded: Linux would give it, and end the process."""
    kind, keys, needed = make(tmp_path / "x.bin")
    modality = MODALITIES.known[kind](kind=kind, column="x", **keys)
    said = f"x.bin.*: {needed:,} bytes needed to decode it, [0-9,]* bytes free"
    with memory_left(110), pytest.raises(MemoryError, match=said):
        decode_file(modality, tmp_path / "x.bin")
