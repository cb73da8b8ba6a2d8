"""Worker processes: `python -m mmkeras.data.workers`, JSON lines in and out.

Plain child processes instead of `multiprocessing`: nothing is pickled, the
caller's script needs no `if __name__ == "__main__"` and is not imported again
(with the TensorFlow it may import), and a decoder that crashes takes one
worker with it, whose shard is known.
"""

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from mmkeras.data.categories import indices
from mmkeras.data.samples import Context
from mmkeras.data.shards import build_shard
from mmkeras.data.tokens import load_tokenizer
from mmkeras.spec import DataSpec


def context_of(setup: dict) -> Context:
    """Builds the context of `prepare` from JSON values."""
    folder = Path(setup["folder"])
    spec = DataSpec.from_dict(setup["spec"])
    tokenizers = {
        name: load_tokenizer(folder / file)
        for name, file in setup["tokenizers"].items()
    }
    return Context(
        spec,
        setup["root"],
        folder,
        setup["seed"],
        tokenizers,
        indices(setup["categories"]),
    )


def build_shards(setup: dict, jobs: list[dict], workers: int) -> Iterator[dict]:
    """Builds all shards; yields each result as it is done.

    Args:
        setup: What `context_of` reads.
        jobs: Keyword arguments of `build_shard`, without the context.
        workers: Processes; with 1 the work is done in this one.
    """
    if workers == 1:
        context = context_of(setup)
        for job in jobs:
            yield build_shard(context, **job)
        return
    with ThreadPoolExecutor(workers) as pool, _Processes(setup) as processes:
        futures = [pool.submit(processes.build, job) for job in jobs]
        try:
            for future in as_completed(futures):
                yield future.result()
        except BaseException:
            for future in futures:
                future.cancel()
            processes.stop()
            raise


class _Processes:
    """One child process for each thread that calls `build`."""

    def __init__(self, setup: dict) -> None:
        self.setup = setup
        self.local = threading.local()
        self.children = queue.SimpleQueue()

    def __enter__(self):
        return self

    def __exit__(self, *_) -> None:
        self.stop()

    def build(self, job: dict) -> dict:
        if not hasattr(self.local, "child"):
            self.local.child = self._start()
        child = self.local.child
        with contextlib.suppress(BrokenPipeError):
            _send(child.stdin, job)
        line = child.stdout.readline()
        if not line:
            raise ValueError(
                f"A worker must return the shard `{job['name']}`. Received: "
                f"the process ended with code {child.wait()}; a decoder "
                "crashed or memory ran out. `workers=1` shows more."
            )
        answer = json.loads(line)
        if "error" in answer:
            kind = {"OSError": OSError}.get(answer["kind"], ValueError)
            raise kind(answer["error"])
        return answer

    def stop(self) -> None:
        while not self.children.empty():
            child = self.children.get()
            child.kill()
            child.wait()
            with contextlib.suppress(OSError):
                child.stdin.close()
            child.stdout.close()

    def _start(self) -> subprocess.Popen:
        package = str(Path(__file__).resolve().parents[2])
        paths = [package, *(path for path in sys.path if path)]
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(paths),
            # The processes are the parallelism; threads inside only compete.
            "TOKENIZERS_PARALLELISM": "false",
            "OMP_NUM_THREADS": "1",
        }
        child = subprocess.Popen(
            # -P: a `json.py` in the working folder is none of ours.
            [sys.executable, "-P", "-m", "mmkeras.data.workers"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
        )
        self.children.put(child)
        with contextlib.suppress(BrokenPipeError):
            _send(child.stdin, {**self.setup, "parent": os.getpid()})
        return child


def _send(stream, value: dict) -> None:
    stream.write(json.dumps(value).encode() + b"\n")
    stream.flush()


def _serve() -> None:
    # Ctrl-C reaches the whole group; the parent decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    lines = sys.stdin.buffer
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # a library that prints must not spoil the answers
    setup = json.loads(lines.readline())
    _end_with_parent(setup["parent"])
    context = context_of(setup)
    for line in lines:
        job = json.loads(line)
        try:
            answer = build_shard(context, **job)
        except (OSError, ValueError) as error:
            kind = "OSError" if isinstance(error, OSError) else "ValueError"
            answer = {"error": str(error), "kind": kind}
        _send(answers, answer)


def _end_with_parent(parent: int) -> None:
    """Ends this process when its parent is killed: no orphan keeps writing."""

    def watch() -> None:
        while os.getppid() == parent:
            threading.Event().wait(0.2)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


if __name__ == "__main__":
    _serve()
