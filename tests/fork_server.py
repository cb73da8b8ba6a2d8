"""A process that has imported TensorFlow, and forks a child for each request.

TensorFlow takes seconds to import, and a child that converts a toy less than
one. This process has imported what such a child imports, and nothing else: it
has run no operation, so that there is no thread pool a fork would lose, and
knows no kind of a test's own. See `forking`, which asks.

    python -P fork_server.py SOCKET
"""

import array
import atexit
import contextlib
import gc
import importlib.util
import json
import os
import runpy
import signal
import socket
import sys
import tempfile
import threading
import traceback
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).parents[1]
ENTRY = ROOT / "mmkeras" / "process_entry.py"
STACKLESS = Path(__file__).with_name("stackless.py")
# What children import first of all, or soon.
HEAVY = (
    "keras",
    "ai_edge_quantizer.quantizer",
    "mmkeras.cli",
    "mmkeras.export",
    "mmkeras.export.worker.child",
    "mmkeras.heads",
    "mmkeras.model",
    "mmkeras.runs",
    "mmkeras.training",
)
# Descriptors that come with a request are kept above all others.
HIGH = 200


def load_file(path: Path) -> ModuleType:
    """Returns the module of a file, whose folder is on no path."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def load_package() -> None:
    """Imports mmkeras as a child's own entry does, and what is heavy."""
    load_file(ENTRY)._find_package()
    for name in HEAVY:
        importlib.import_module(name)
    load_file(STACKLESS).forget_stacks()
    from mmkeras import process_entry

    # It has been found; a second one would be another package.
    process_entry._find_package = lambda: None


def serve(ours: socket.socket) -> None:
    """Forks for every request, until the other end is closed."""
    size = array.array("i").itemsize
    while True:
        data, extra, _, _ = ours.recvmsg(1 << 20, socket.CMSG_SPACE(64 * size))
        if not data:
            return
        sent = array.array("i")
        for _, _, part in extra:
            sent.frombytes(part[: len(part) - len(part) % size])
        while not data.endswith(b"\n"):
            data += ours.recv(1 << 20)
        with socket.socket(fileno=sent[0]) as line:
            fork_one(json.loads(data), line, list(sent[1:]), ours)
        for number in sent[1:]:
            os.close(number)


def fork_one(request: dict, line: socket.socket, sent: list[int], ours):
    """Forks a child, whose parent becomes the process that asked.

    Linux gives it the child of a process between them that has gone. The line
    tells the child to begin; where it is closed, nobody waits any more.
    """
    between = os.fork()
    if between == 0:
        child = os.fork()
        if child == 0:
            ours.close()
            if not line.recv(1) or os.getppid() != request["parent"]:
                os._exit(1)
            line.close()
            become(request, sent)
        if request["group"] is not None:
            os.setpgid(child, request["group"])
        with contextlib.suppress(OSError):
            line.sendall(b"%d\n" % child)
        os._exit(0)
    os.waitpid(between, 0)
    with contextlib.suppress(OSError):
        line.sendall(b"ready\n")


def become(request: dict, sent: list[int]) -> None:
    """Is the child that was asked for; does not return."""
    code = 1
    try:
        take(sent, request["places"])
        os.chdir(request["folder"])
        os.environ.clear()
        os.environ.update(request["variables"])
        tempfile.tempdir = None
        seed_anew()
        code = finish(request)
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def take(sent: list[int], places: list[int]) -> None:
    """Puts the descriptors that were sent where the child expects them."""
    import fcntl

    high = [fcntl.fcntl(each, fcntl.F_DUPFD, HIGH) for each in sent]
    for each in sent:
        os.close(each)
    for number, place in zip(high, places, strict=True):
        os.dup2(number, place)
        os.close(number)
    # They remember what the descriptors were before.
    sys.stdin = sys.__stdin__ = open(0, closefd=False)
    sys.stdout = sys.__stdout__ = open(
        1, "w", errors=sys.stdout.errors, closefd=False
    )


def seed_anew() -> None:
    """Draws what a start draws; Python's own `random` does so at a fork."""
    import numpy as np

    np.random.seed()


def finish(request: dict) -> int:
    """Runs the program, and ends as an interpreter does; returns its code."""
    interrupted = False
    try:
        run(request["words"])
        code = 0
    except SystemExit as error:
        code = error.code
        if code is None:
            code = 0
        elif not isinstance(code, int):
            print(code, file=sys.stderr)
            code = 1
    except KeyboardInterrupt:
        traceback.print_exc()
        code, interrupted = 1, True
    except BaseException:
        traceback.print_exc()
        code = 1
    with contextlib.suppress(BaseException):
        threading._shutdown()
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    if interrupted:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    return code & 0xFF


def run(words: list[str]) -> None:
    """Does what `python` followed by these words does."""
    if words[0] == "-m":
        sys.path.insert(0, os.getcwd())
        sys.argv = words[1:]
        runpy.run_module(words[1], run_name="__main__", alter_sys=True)
        return
    # `-P`, the file of the entry, and what it is told.
    from mmkeras import process_entry

    sys.argv = words[1:]
    sys.exit(process_entry._main(*words[2:]))


def main(number: str) -> None:
    ours = socket.socket(fileno=int(number))
    # The folder of this script is the tests', which no child may see.
    load_package()
    gc.collect()
    gc.freeze()
    ours.sendall(b"ready\n")
    serve(ours)


if __name__ == "__main__":
    main(*sys.argv[1:])
