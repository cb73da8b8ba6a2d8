"""Does requests in a process of their own, and survives them."""

import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mmkeras import processes
from mmkeras.escaping import say
from mmkeras.export.worker.messages import Refusal, Request, receive, send
from mmkeras.export.worker.tasks import PREFIX

LIMIT_SEC = 3600


def run_child(
    request: Request,
    report: Callable[[str], None] = say,
    debug: bool = False,
) -> Any:
    """Runs `mmkeras.export.worker.child` to its end; returns the result.

    Args:
        request: What to do.
        report: Takes a line for each step.
        debug: Whether to show all that the child says.

    Raises:
        ValueError: If the child refuses the model, crashes or takes over an
            hour; the message names the model and the step.
    """
    with tempfile.TemporaryDirectory(dir=request.folder) as folder:
        asked = send(Path(folder) / "request.json", request)
        answer = Path(folder) / "result.json"
        arguments = [str(asked), str(answer), *(["debug"] if debug else [])]
        with open(Path(folder) / "log", "w+", encoding="utf-8") as log:
            code, step, why = _watch(arguments, None if debug else log, report)
            log.seek(0)
            if code:
                raise ValueError(_told(why, request, step, log.read()))
        found = receive(answer, request.result | Refusal)
    if isinstance(found, Refusal):
        raise ValueError(found.message)
    return found


def _watch(
    arguments: list[str], log: Any, report: Callable[[str], None]
) -> tuple[int, str, str]:
    """Returns exit code and last step of the child, and how it ended.

    Args:
        arguments: Of its `main`.
        log: What takes its errors; without, all it says is reported.
        report: Takes a line for each step.
    """
    step = "starting"
    with (
        processes.running(
            "mmkeras.export.worker.child",
            *arguments,
            backend="tensorflow",
            gpu=False,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            errors="replace",
        ) as child,
        processes.limited(child, LIMIT_SEC) as late,
    ):
        for line in child.stdout:
            if line.startswith(PREFIX):
                step = line.removeprefix(PREFIX).strip()
                report(line.strip())
            elif log is None:
                report(line.rstrip())
        code = child.wait()
        ended = f"ended with {processes.spell_code(code)}"
        return code, step, late.why or ended


def _told(how: str, request: Request, step: str, log: str) -> str:
    last = processes.last_line(log)
    return (
        f"The conversion of `{request.model}` must end by itself. Received: "
        f"conversion {how} while {step}, quantize "
        f"'{request.purpose}'"
        + (f". Its last words: {last}" if last else "")
        + ". `--debug` shows all it says"
    )
