"""Children that are forks of a process which has imported TensorFlow.

Tests start more than a hundred children that import it, and each would spend
seven seconds of processor time on that. `subprocess.Popen` is replaced by
`Popen`: what it starts is still a child of this process, with its own
descriptors, folder, variables and group, and runs the same code from the same
entry; only the imports have been made already. Whatever is not known to be the
same is started as ever, and so is everything within `true_starts`.
"""

import array
import contextlib
import ctypes
import functools
import json
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
ENTRY = HERE.parent / "mmkeras" / "process_entry.py"
SERVER = HERE / "fork_server.py"
# A test may put a program of its own in its place.
PYTHON = sys.executable

# Modules of children that import TensorFlow at once.
CHILDREN = ("mmkeras.export.worker.child", "mmkeras.studies.tune.workers")
# Commands that are forked where a test asks for it.
COMMANDS = ("mmkeras.cli", "mmkeras.export")
# Variables that are read when something is imported: another value of one
# needs a start of its own. One is read later.
EARLY = re.compile("(KERAS|TF|OMP|OPENBLAS|MKL|JAX|XLA|PYTHON|LD|HF|MPL|HOME|"
                   "LANG|LC|MALLOC|TOKENIZERS|XDG)(_|$|[A-Z])")  # fmt: skip
LATE = ("TF_CPP_MIN_LOG_LEVEL",)

PR_SET_CHILD_SUBREAPER = 36
_allowed = {"children": True, "commands": False}


@contextlib.contextmanager
def true_starts():
    """Starts every child as ever within."""
    before = dict(_allowed)
    _allowed.update(children=False, commands=False)
    try:
        yield
    finally:
        _allowed.update(before)


@contextlib.contextmanager
def forked_commands():
    """Forks `python -m mmkeras.cli ...` too within."""
    before = dict(_allowed)
    _allowed.update(commands=True)
    try:
        yield
    finally:
        _allowed.update(before)


def install() -> None:
    """From now on, `subprocess` forks what may be forked.

    `FORKS=0 pytest ...` starts every child as ever.
    """
    if sys.platform == "linux" and os.environ.get("FORKS") != "0":
        variables_of_server()
        _inherited_by_server()
        subprocess.Popen = Popen


def may_be_forked(words, env) -> bool:
    """Returns whether a fork would be the same as a start."""
    if words[:1] != [PYTHON]:
        return False
    if words[1:3] == ["-P", str(ENTRY)]:
        allowed = _allowed["children"] and words[4] in CHILDREN
    else:
        command = words[1:2] == ["-m"] and words[2] in COMMANDS
        allowed = _allowed["commands"] and command
    return (
        allowed
        and _early(env) == _early(variables_of_server())
        and _inherited() == _inherited_by_server()
    )


def _early(env) -> dict[str, str]:
    return {
        name: value
        for name, value in env.items()
        if EARLY.match(name) and name not in LATE
    }


def _inherited() -> tuple:
    """Returns what else a child that is started gets from this process."""
    status = Path("/proc/self/status").read_text("utf-8", "replace")
    return (
        re.findall(r"^(?:Umask|SigIgn):.*$", status, re.M),
        Path("/proc/self/limits").read_text("utf-8"),
        signal.pthread_sigmask(signal.SIG_BLOCK, ()),
        os.nice(0),
        os.sched_getaffinity(0),
    )


@functools.cache
def _inherited_by_server() -> tuple:
    """Returns the same as tests begin; the server is started so as well."""
    return _inherited()


@functools.cache
def variables_of_server() -> dict[str, str]:
    """Returns the environment of the server: a child's, as tests begin."""
    return {**os.environ, "KERAS_BACKEND": "tensorflow"}


@functools.cache
def _server() -> socket.socket:
    ours, theirs = socket.socketpair()
    environment = {**variables_of_server(), "TF_CPP_MIN_LOG_LEVEL": "3"}
    with theirs:
        # It ends when this process has: the socket is closed then.
        process = Popen(
            [PYTHON, "-P", SERVER, str(theirs.fileno())],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, env=environment, cwd="/",
            process_group=0, pass_fds=[theirs.fileno()],
        )  # fmt: skip
    _server.process = process
    if _line(ours) != "ready":
        raise RuntimeError("the server of forks did not start")
    return ours


def _line(ours: socket.socket) -> str:
    line = b""
    while not line.endswith(b"\n"):
        byte = ours.recv(1)
        if not byte:
            raise RuntimeError("the server of forks has ended")
        line += byte
    return line.decode().strip()


@contextlib.contextmanager
def _adopting():
    """Makes this process the parent of what its descendants leave behind."""
    prctl = ctypes.CDLL(None).prctl
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    try:
        yield
    finally:
        prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)


def _fork(words, folder, env, group, descriptors) -> int:
    """Asks for a child; returns its process id."""
    request = {
        "words": words[1:],
        "folder": folder,
        "variables": env,
        "group": group,
        "places": list(descriptors),
        "parent": os.getpid(),
    }
    server = _server()
    data = json.dumps(request).encode() + b"\n"
    ours, theirs = socket.socketpair()
    # A signal may end this anywhere: the child begins when told to.
    with ours:
        with theirs, _adopting():
            numbers = array.array("i", [theirs.fileno(), *descriptors.values()])
            rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, numbers)]
            server.sendmsg([data], rights)
            theirs.close()
            child = int(_line(ours))
            _line(ours)
        ours.sendall(b"!")
    return child


class Popen(subprocess.Popen):
    """Forks a child where that is the same; else starts it."""

    forked = False

    def _execute_child(
        self, args, executable, preexec_fn, close_fds, pass_fds, cwd, env,
        startupinfo, creationflags, shell, p2cread, p2cwrite, c2pread,
        c2pwrite, errread, errwrite, restore_signals, gid, gids, uid, umask,
        start_new_session, process_group,
    ):  # fmt: skip
        everything = (
            args, executable, preexec_fn, close_fds, pass_fds, cwd, env,
            startupinfo, creationflags, shell, p2cread, p2cwrite, c2pread,
            c2pwrite, errread, errwrite, restore_signals, gid, gids, uid,
            umask, start_new_session, process_group,
        )  # fmt: skip
        plain = not (
            executable or preexec_fn or shell or start_new_session
        ) and {gid, gids, uid, umask} <= {None, -1}
        environment = dict(os.environ if env is None else env)
        words = [] if isinstance(args, (str, bytes)) else list(args)
        words = [os.fspath(word) for word in words]
        if not (plain and close_fds and may_be_forked(words, environment)):
            return super()._execute_child(*everything)
        places = {0: p2cread, 1: c2pwrite, 2: errwrite}
        places = {
            place: place if number == -1 else number
            for place, number in places.items()
        }
        places |= {number: number for number in pass_fds}
        group = None if process_group == -1 else process_group
        self.pid = _fork(
            words, os.path.abspath(cwd or "."), environment, group, places
        )
        self._child_created = self.forked = True
        self._close_pipe_fds(
            p2cread, p2cwrite, c2pread, c2pwrite, errread, errwrite
        )
