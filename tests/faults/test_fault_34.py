"""Fault 34: a parent is killed; its children end, and leave nothing."""

import os
import signal
import subprocess
import sys
import time

import pytest

from mmkeras import artefact

PARENT = """
import subprocess, sys
from mmkeras import artefact, processes
sys.path.append(sys.argv[1])
import stuck
processes.adopt("stuck")
with artefact.open_out(sys.argv[2], "bundle") as out, artefact.scratch(out):
    with processes.running("stuck", sys.argv[3]) as child:
        print(child.pid, flush=True)
        child.wait()
"""
# One that holds the lock of the interpreter, so that none of its threads runs.
STUCK = """
import ctypes, time

def main(how):
    print("running", flush=True)
    if how == "library":
        ctypes.PyDLL(None).sleep(60)
    else:
        time.sleep(60)
"""


def is_there(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize("how", ["python", "library"])
def test_children_end_with_a_killed_parent(tmp_path, how):
    (tmp_path / "stuck.py").write_text(STUCK)
    out = tmp_path / "out"
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, tmp_path, out, how],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    child = int(parent.stdout.readline())
    assert parent.stdout.readline() == "running\n"
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    end = time.monotonic() + 10
    while is_there(child):
        assert time.monotonic() < end, "the child goes on"
        time.sleep(0.02)

    left = os.listdir(out)
    assert [name for name in left if name.startswith(artefact.TEMPORARY)]
    (out / ".tmp-mmkeras-77-mine").mkdir()
    # The next run holds the folder, and clears it of what is ours.
    with artefact.open_out(out, "bundle"):
        pass
    left = {*os.listdir(out)} - {artefact.MARKER}
    assert left == {".tmp-mmkeras-77-mine"}


def test_what_a_running_process_has_stays(tmp_path):
    with artefact.scratch(tmp_path) as mine:
        artefact.sweep(tmp_path)
        assert mine.is_dir()
    assert not mine.exists()
