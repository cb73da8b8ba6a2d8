"""Child processes: how one is started, watched and ended.

A child runs `main` of a module of this very package, whatever the current
folder holds: neither that folder nor an empty entry of PYTHONPATH is searched
for modules, since a `json.py` there is none of ours. It ends with its parent,
so that no orphan keeps writing.

Modules of a user that define kinds are imported in the child first. Their
names come from this process alone, never from a file that is read.
"""

import contextlib
import importlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from mmkeras import process_entry
from mmkeras.process_entry import POLL_SEC, is_ours

# How long a child may be stopped, by SIGSTOP or a debugger.
STOPPED_SEC = 10.0
STOPPED = "was stopped from outside, and did not go on"

# Modules that a child imports before anything else, in this order.
_adopted: dict[str, None] = {}


def adopt(module: str) -> None:
    """Remembers a module that defines kinds; children import it first.

    Args:
        module: Its name, as in `cls.__module__`; one of mmkeras is no news.
    """
    if not is_ours(module):
        _adopted[module] = None


def adopted() -> list[str]:
    """Returns the names of the adopted modules."""
    return list(_adopted)


@contextlib.contextmanager
def adoptions() -> Iterator[None]:
    """Forgets at the end which modules were adopted within."""
    before = dict(_adopted)
    try:
        yield
    finally:
        _adopted.clear()
        _adopted.update(before)


def places_of(modules: Iterable[str]) -> list[tuple[str, str]]:
    """Returns name and file of modules, which are imported here.

    Raises:
        ValueError: If a child could not import one: a notebook, or the script
            that was started.
    """
    places = []
    for name in modules:
        file = getattr(sys.modules.get(name), "__file__", None)
        if name == "__main__" or file is None:
            raise ValueError(
                "Classes of one's own must be defined in a module that a "
                f"child process can import. Received: `{name}`, the script or "
                "notebook that runs; move them to a file of their own, such "
                "as `my_kinds.py`, and import that"
            )
        places.append((name, os.path.abspath(file)))
    return places


def import_modules(names: Iterable[str]) -> None:
    """Imports modules that define kinds, by name; children import them too.

    One may lie in the current folder, which is searched last: it hides
    nothing.

    Raises:
        ValueError: If there is no such module, or it fails.
    """
    for name in names:
        if os.getcwd() not in sys.path:
            sys.path.append(os.getcwd())
        try:
            importlib.import_module(name)
        # Whatever happens in a module that a user has written.
        except Exception as error:
            what = f"{type(error).__name__}: {error}"
            if isinstance(error, ModuleNotFoundError) and error.name == name:
                what = "and there is none"
            raise ValueError(
                "`--import` must name a module that is installed or lies in "
                f"the current folder. Received: {name!r}, {what}"
            ) from error
        adopt(name)


def start(
    module: str,
    *arguments: str,
    variables: Mapping[str, str] | None = None,
    backend: str | None = None,
    gpu: bool = True,
    threads: int | None = None,
    modules: Iterable[str] | None = None,
    **pipes: Any,
) -> subprocess.Popen:
    """Starts a child that calls `main(*arguments)` of a module of mmkeras.

    Signals to end are the parent's: Ctrl-C does not reach its group, SIGTERM
    is ignored. `end` has to be called, or `running` used.

    Args:
        module: Full name of the module.
        *arguments: Arguments of its `main`, whose answer is the exit code.
        variables: Further variables of its environment.
        backend: Keras' backend; None for that of this process.
        gpu: Whether it may see a GPU.
        threads: Threads of its libraries; None for their own choice.
        modules: Names of modules it imports first; None for the adopted.
        **pipes: `stdin`, `stdout`, `stderr`, `text`, ... of `subprocess`.

    Raises:
        ValueError: If a child could not import one of the modules.
    """
    setup = {
        "parent": os.getpid(),
        "path": [path for path in sys.path if not _is_here(path)],
        "modules": places_of(_adopted if modules is None else modules),
    }
    # -P: the folder of the script is not searched either.
    command = [sys.executable, "-P", process_entry.__file__]
    # Nothing is sent: its other end closes with this process.
    lifeline, mine = os.pipe()
    setup["lifeline"] = lifeline
    try:
        child = subprocess.Popen(
            [*command, json.dumps(setup), module, *arguments],
            env={**_environment(backend, gpu, threads), **(variables or {})},
            process_group=0,
            pass_fds=[lifeline],
            **pipes,
        )
    except BaseException:
        os.close(mine)
        raise
    finally:
        os.close(lifeline)
    child.lifeline = os.fdopen(mine, "wb")
    return child


def end(child: subprocess.Popen) -> None:
    """Kills a child, if it still runs, and waits for it."""
    child.kill()
    child.wait()
    lifeline = getattr(child, "lifeline", None)
    for pipe in (child.stdin, child.stdout, child.stderr, lifeline):
        # Nobody reads any more what was not sent yet.
        with contextlib.suppress(OSError):
            if pipe is not None:
                pipe.close()


@contextlib.contextmanager
def running(*arguments: Any, **options: Any) -> Iterator[subprocess.Popen]:
    """Starts a child, as `start` does, and ends it at the end."""
    child = start(*arguments, **options)
    try:
        yield child
    finally:
        end(child)


class Late(threading.Event):
    """Is set if a child was killed; `why` says what it did."""

    why = ""


@contextlib.contextmanager
def limited(child: subprocess.Popen, limit_sec: float) -> Iterator[Late]:
    """Kills a child that takes longer, or is stopped; yields what tells it."""
    late, done, stops = Late(), threading.Event(), Stops()
    end = time.monotonic() + limit_sec

    def watch() -> None:
        while not done.wait(min(POLL_SEC, max(0, end - time.monotonic()))):
            if stops.seen(child):
                late.why = STOPPED
            elif time.monotonic() >= end:
                late.why = f"gave no answer in {limit_sec:g} seconds"
            else:
                continue
            late.set()
            child.kill()
            return

    threading.Thread(target=watch, daemon=True).start()
    try:
        yield late
    finally:
        done.set()


class Stops:
    """Counts how often in a row a child was found stopped, every `POLL_SEC`.

    Ctrl-Z stops the parent too, which then counts nothing.
    """

    def __init__(self) -> None:
        self.count = 0

    def seen(self, child: subprocess.Popen) -> bool:
        """Looks again; returns whether it has been stopped for too long."""
        self.count = self.count + 1 if _is_stopped(child.pid) else 0
        return self.count * POLL_SEC >= STOPPED_SEC


def _is_stopped(pid: int) -> bool:
    try:
        text = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace")
    except OSError:
        return False
    return text.rpartition(")")[2].split()[0] in "tT"


def spell_code(code: int) -> str:
    """Returns "exit code 3", or "signal 9 (SIGKILL)" for -9."""
    if code < 0:
        return f"signal {-code} ({signal.Signals(-code).name})"
    return f"exit code {code}"


def last_line(text: str) -> str:
    """Returns the last line of a log that says something, or nothing."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:300] if lines else ""


def take_stdout() -> BinaryIO:
    """Returns this process' standard output, for answers alone.

    What a library prints goes to the standard error from now on, so that it
    cannot spoil the answers.
    """
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return answers


def _is_here(path: str) -> bool:
    return not path or os.path.abspath(path) == os.getcwd()


def _environment(
    backend: str | None, gpu: bool, threads: int | None
) -> dict[str, str]:
    environment = dict(os.environ)
    paths = environment.pop("PYTHONPATH", "").split(os.pathsep)
    paths = [path for path in paths if not _is_here(path)]
    if paths:
        environment["PYTHONPATH"] = os.pathsep.join(paths)
    if backend is not None:
        environment["KERAS_BACKEND"] = backend
    if not gpu:
        environment["CUDA_VISIBLE_DEVICES"] = "-1"
    if threads is not None:
        environment["OMP_NUM_THREADS"] = str(threads)
        environment["TOKENIZERS_PARALLELISM"] = "false"
    environment.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    return environment
