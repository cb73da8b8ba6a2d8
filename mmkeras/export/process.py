"""Starts the conversions in a process of their own, and survives them."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from mmkeras.export.worker.child import ERROR
from mmkeras.export.worker.tasks import PREFIX

LIMIT_SEC = 3600


def run_child(job: dict, report: Callable[[str], None]) -> None:
    """Runs `mmkeras.export.worker.child` to its end.

    Args:
        job: What to convert; the folder of the job holds everything.
        report: Takes a line for each step.

    Raises:
        ValueError: If the child refuses the model, crashes or takes over an
            hour; the message names the model and the step.
    """
    folder = Path(job["folder"])
    path = folder / "job.json"
    path.write_text(json.dumps(job), encoding="utf-8")
    step = "starting"
    with open(folder / "child.log", "w+", encoding="utf-8") as log:
        child = subprocess.Popen(
            [sys.executable, "-m", "mmkeras.export.worker.child", str(path)],
            stdout=subprocess.PIPE,
            stderr=None if job["debug"] else log,
            env=_environment(),
            text=True,
            errors="replace",
        )
        timer = threading.Timer(LIMIT_SEC, child.kill)
        timer.start()
        try:
            for line in child.stdout:
                if line.startswith(PREFIX):
                    step = line.removeprefix(PREFIX).strip()
                    report(line.strip())
                elif job["debug"]:
                    report(line.rstrip())
            code = child.wait()
        finally:
            timer.cancel()
            child.kill()
            child.wait()
            child.stdout.close()
        log.seek(0)
        _check_code(code, job, step, log.read())


def _environment() -> dict[str, str]:
    """Returns an environment in which the child finds this very package."""
    home = str(Path(__file__).parents[2])
    paths = [home, os.environ.get("PYTHONPATH", "")]
    return {
        **os.environ,
        "KERAS_BACKEND": "tensorflow",
        "CUDA_VISIBLE_DEVICES": "-1",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "PYTHONPATH": os.pathsep.join(path for path in paths if path),
    }


def _check_code(code: int, job: dict, step: str, log: str) -> None:
    if code == 0:
        return
    error = Path(job["folder"]) / ERROR
    if code == 2 and error.is_file():
        raise ValueError(error.read_text(encoding="utf-8"))
    how = f"exit code {code}"
    if code < 0:
        how = f"signal {-code} ({signal.Signals(-code).name})"
    last = [line for line in log.splitlines() if line.strip()][-1:]
    raise ValueError(
        f"The conversion of `{job['model']}` must end by itself. Received: "
        f"conversion ended with {how} while {step}, quantize "
        f"'{job.get('task', job['quantize'])}'"
        + (f". Its last words: {last[0].strip()[:300]}" if last else "")
        + ". `--debug` shows all it says"
    )
