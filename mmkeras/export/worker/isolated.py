"""Runs files of strangers in a process of their own.

A damaged `.tflite` or `.onnx` can end the process that opens it, or keep it
busy for ever. A bundle's hashes rule that out for files that came with one;
this is for files that did not.
"""

import atexit
import functools
import io
import resource
import struct
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from mmkeras import artefact, processes
from mmkeras.arguments import check_number
from mmkeras.export.conversion.runtimes import Arrays, Runtime
from mmkeras.export.formats import format_of, open_file

MAX_MEMORY_BYTES = 8_000_000_000
MAX_ANSWER_BYTES = 1_000_000_000
ERROR = "mmkeras error"


class Isolated:
    """Opens `.tflite` and `.onnx` files in a worker process.

    The worker starts with the first file. One that crashes or takes too long
    is ended, and the next call starts another.

    Args:
        limit_sec: How long one call may take, in seconds.

    Example:

    >>> with Isolated(limit_sec=30) as isolated:
    ...     run = isolated.open("downloaded.onnx")
    ...     answer = run({"image": image})["digit"]
    """

    def __init__(self, limit_sec: float = 60.0):
        check_number("limit_sec", limit_sec, above=0)
        self.limit_sec = limit_sec
        self._worker: subprocess.Popen | None = None

    def __enter__(self) -> "Isolated":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def open(self, path: str | Path) -> Runtime:
        """Opens a file, as `open_file` does.

        Raises:
            ValueError: If the file cannot be opened, crashes its runtime,
                takes too long, or, as ONNX, reads other files; so does the
                function that is returned.
        """
        path = str(Path(path).resolve())
        self._ask(path, {})
        return functools.partial(self._ask, path)

    def close(self) -> None:
        """Ends the worker."""
        if self._worker is not None:
            processes.end(self._worker)
            self._worker = None

    def _ask(self, path: str, inputs: Mapping[str, np.ndarray]) -> Arrays:
        if self._worker is None:
            self._worker = _start()
        with processes.limited(self._worker, self.limit_sec) as late:
            try:
                write(self._worker.stdin, {"": np.array(path), **inputs})
                answer = read(self._worker.stdout)
            except (OSError, ValueError, EOFError):
                answer = {ERROR: np.array(self._why(late))}
                self.close()
        if ERROR in answer:
            raise ValueError(
                f"`{path}` must be a file that its runtime can open and run. "
                f"Received: {answer[ERROR]}"
            )
        return answer

    def _why(self, late: processes.Late) -> str:
        code = self._worker.wait()
        if late.is_set():
            return f"its runtime {late.why}"
        return f"the runtime ended with {processes.spell_code(code)}"


def prove(path: str | Path, x: Mapping[str, np.ndarray] | None = None) -> None:
    """Opens a file in another process, before it is opened in this one.

    Args:
        path: The file.
        x: Samples, `(samples, ...)`, whose first one it answers; None to
            open it alone.

    Raises:
        ValueError: If its runtime refuses it, or ends with it.
    """
    run = _shared().open(path)
    if x is not None:
        run({name: array[:1] for name, array in x.items()})


@functools.cache
def _shared() -> Isolated:
    """Returns one for all files that are proven; it takes long to start."""
    found = Isolated()
    atexit.register(found.close)
    return found


def _start() -> subprocess.Popen:
    return processes.start(
        "mmkeras.export.worker.isolated",
        # A stranger's file is run here: nothing of the user is needed.
        modules=(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )


def write(file: BinaryIO, arrays: Mapping[str, np.ndarray]) -> None:
    """Sends arrays, after their size in bytes."""
    buffer = io.BytesIO()
    artefact.write_arrays(buffer, arrays)
    file.write(struct.pack("<Q", buffer.tell()) + buffer.getvalue())
    file.flush()


def read(file: BinaryIO) -> Arrays:
    """Receives what `write` sent; EOFError where there is no more."""
    size = file.read(8)
    if len(size) < 8:
        raise EOFError
    size = struct.unpack("<Q", size)[0]
    if size > MAX_ANSWER_BYTES:
        raise ValueError(f"an answer of {size:,} bytes")
    data = io.BytesIO(file.read(size))
    with np.load(data, allow_pickle=False) as arrays:
        return dict(arrays)


def main() -> None:
    """Answers requests until the parent closes standard input."""
    answers = processes.take_stdout()
    resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY_BYTES,) * 2)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    opened = ("", None)
    while True:
        try:
            inputs = read(sys.stdin.buffer)
        except EOFError:
            return
        path = str(inputs.pop(""))
        try:
            if opened[0] != path:
                opened = ("", None)
                format_of(path).check(path)
                opened = (path, open_file(path))
            answer = opened[1](inputs) if inputs else {}
        # Every runtime has errors of its own.
        except Exception as error:
            answer = {ERROR: np.array(str(error)[:500])}
        write(answers, answer)
