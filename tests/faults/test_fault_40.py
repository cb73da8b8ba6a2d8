"""Fault 40: little memory, or few files that may be open: one message."""

import subprocess
import sys

import pytest

from mmkeras.data import write_demo

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
