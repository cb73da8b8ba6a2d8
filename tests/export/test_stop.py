"""SIGTERM and Ctrl-C: exit codes, no process and no folder left."""

import os
import signal
import subprocess
import sys
import time

import pytest

STUCK = """
import sys
from pathlib import Path
from mmkeras.cli import export as command
from mmkeras.export import bundle, main, run_child
from mmkeras.export.worker import Convert

def convert(run, data, out, settings):
    with bundle.staging(out) as folder:
        request = Convert(
            model=Path("m"), folder=folder, samples=Path("x"), formats=(),
            quantize="none", answer={})
        run_child(request, lambda line: print(line, flush=True))

command.convert, sys.executable = convert, sys.argv[1]
sys.exit(main(["run", "--out", sys.argv[2]]))
"""


@pytest.mark.parametrize(
    "sent, code", [(signal.SIGTERM, 143), (signal.SIGINT, 130)]
)
def test_a_stopped_export_leaves_nothing(tmp_path, sent, code):
    converter = tmp_path / "converter"
    converter.write_text(
        f"#!/bin/sh\necho $$ > {tmp_path}/pid\n"
        "echo step: converting for ever\nexec sleep 60\n"
    )
    converter.chmod(0o755)
    (tmp_path / "out").mkdir()
    parent = subprocess.Popen(
        [sys.executable, "-c", STUCK, str(converter),
         str(tmp_path / "out" / "bundle")],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        # A shell's background jobs, and so their tests, ignore Ctrl-C.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    assert parent.stdout.readline() == "step: converting for ever\n"
    parent.send_signal(sent)
    _, said = parent.communicate(timeout=30)
    assert parent.returncode == code
    assert "stopped: no bundle was written; this command starts anew" in said
    assert list((tmp_path / "out").iterdir()) == []
    child = int((tmp_path / "pid").read_text())
    end = time.time() + 5
    while os.path.exists(f"/proc/{child}") and time.time() < end:
        time.sleep(0.05)
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)


WHERE = """
import io, json, sys, tempfile
from mmkeras.export.worker import child
child.answer_request = lambda *asked: print(tempfile.gettempdir())
asked = [f"{sys.argv[1]}/request.json", f"{sys.argv[1]}/result.json"]
sys.stdin = io.StringIO(json.dumps(asked) + chr(10))
child.main()
"""


def test_what_a_converter_leaves_lies_where_the_parent_clears_up(tmp_path):
    """Ended by a signal, it clears up nothing itself."""
    done = subprocess.run(
        [sys.executable, "-c", WHERE, tmp_path], capture_output=True, text=True
    )
    assert done.stdout.splitlines()[0] == str(tmp_path), done.stderr
