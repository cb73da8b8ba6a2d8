"""Starts the conversions in a process of their own, and survives them."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

from mmkeras import processes
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
        with (
            processes.running(
                "mmkeras.export.worker.child",
                str(path),
                backend="tensorflow",
                gpu=False,
                stdout=subprocess.PIPE,
                stderr=None if job["debug"] else log,
                text=True,
                errors="replace",
            ) as child,
            processes.limited(child, LIMIT_SEC),
        ):
            for line in child.stdout:
                if line.startswith(PREFIX):
                    step = line.removeprefix(PREFIX).strip()
                    report(line.strip())
                elif job["debug"]:
                    report(line.rstrip())
            code = child.wait()
        log.seek(0)
        _check_code(code, job, step, log.read())


def _check_code(code: int, job: dict, step: str, log: str) -> None:
    if code == 0:
        return
    error = Path(job["folder"]) / ERROR
    if code == 2 and error.is_file():
        raise ValueError(error.read_text(encoding="utf-8"))
    how, last = processes.spell_code(code), processes.last_line(log)
    raise ValueError(
        f"The conversion of `{job['model']}` must end by itself. Received: "
        f"conversion ended with {how} while {step}, quantize "
        f"'{job.get('task', job['quantize'])}'"
        + (f". Its last words: {last}" if last else "")
        + ". `--debug` shows all it says"
    )
