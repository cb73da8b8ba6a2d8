"""Does requests in another process, and survives them."""

import contextlib
import json
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from mmkeras import processes
from mmkeras.escaping import say
from mmkeras.export.worker.child import ANSWERED
from mmkeras.export.worker.messages import Refusal, Request, receive, send
from mmkeras.export.worker.tasks import PREFIX

LIMIT_SEC = 3600


class Children:
    """The process that requests are done in; one that ended is replaced.

    Example:

    >>> with Children() as children:
    ...     converted = run_child(convert, children=children)
    ...     smaller = run_child(quantize, children=children)
    """

    def __init__(self) -> None:
        self._child: subprocess.Popen | None = None
        self._log: Any = None

    def __enter__(self) -> "Children":
        return self

    def __exit__(self, *_: Any) -> None:
        self.end()

    def end(self) -> None:
        """Ends the process."""
        if self._child is not None:
            processes.end(self._child)
            self._child = None
        if self._log is not None:
            self._log.close()
            self._log = None

    def ask(
        self, line: str, report: Callable[[str], None], debug: bool
    ) -> tuple[str, str, str]:
        """Returns how the process ended, the last step, and its last words.

        The first is empty if the process answered, and lives.

        Args:
            line: What it is told on its standard input.
            report: Takes a line for each step.
            debug: Whether to show all that it says.
        """
        with self._surviving():
            child = self._child or self._start(debug)
            with processes.limited(child, LIMIT_SEC) as late:
                answered, step = _follow(child, line, report, debug)
                if answered:
                    return "", step, ""
                # It may have closed its output, and be busy all the same.
                code = child.wait()
            words = ""
            if self._log is not None:
                self._log.seek(0)
                words = processes.last_line(self._log.read())
            self.end()
            ended = f"ended with {processes.spell_code(code)}"
            return late.why or ended, step, words

    def _start(self, debug: bool) -> subprocess.Popen:
        if not debug:
            self._log = tempfile.TemporaryFile(
                "w+", encoding="utf-8", errors="replace"
            )
        self._child = processes.start(
            "mmkeras.export.worker.child",
            *(["debug"] if debug else []),
            backend="tensorflow",
            gpu=False,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            errors="replace",
        )
        return self._child

    @contextlib.contextmanager
    def _surviving(self) -> Iterator[None]:
        """Ends the process where the parent is stopped, as by Ctrl-C."""
        try:
            yield
        except BaseException:
            self.end()
            raise


def run_child(
    request: Request,
    report: Callable[[str], None] = say,
    debug: bool = False,
    children: Children | None = None,
) -> Any:
    """Does a request in another process; returns the result.

    Args:
        request: What to do.
        report: Takes a line for each step.
        debug: Whether to show all that the process says.
        children: The process of several requests; None starts one for this.

    Raises:
        ValueError: If the process refuses the model, crashes or takes over an
            hour; the message names the model and the step.
    """
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(
            tempfile.TemporaryDirectory(dir=request.folder)
        )
        children = children or stack.enter_context(Children())
        asked = send(Path(folder) / "request.json", request)
        answer = Path(folder) / "result.json"
        line = json.dumps([str(asked), str(answer)])
        how, step, words = children.ask(line, report, debug)
        if how:
            raise ValueError(_told(how, request, step, words))
        found = receive(answer, request.result | Refusal)
    if isinstance(found, Refusal):
        raise ValueError(found.message)
    return found


def _follow(
    child: subprocess.Popen,
    line: str,
    report: Callable[[str], None],
    debug: bool,
) -> tuple[bool, str]:
    """Returns whether the child answered, and the last step it announced."""
    step = "starting"
    # One that has ended already is found out below.
    with contextlib.suppress(OSError):
        child.stdin.write(f"{line}\n")
        child.stdin.flush()
    for said in child.stdout:
        if said.strip() == ANSWERED:
            return True, step
        if said.startswith(PREFIX):
            step = said.removeprefix(PREFIX).strip()
            report(said.strip())
        elif debug:
            report(said.rstrip())
    return False, step


def _told(how: str, request: Request, step: str, words: str) -> str:
    return (
        f"The conversion of `{request.model}` must end by itself. Received: "
        f"conversion {how} while {step}, quantize "
        f"'{request.purpose}'"
        + (f". Its last words: {words}" if words else "")
        + ". `--debug` shows all it says"
    )
