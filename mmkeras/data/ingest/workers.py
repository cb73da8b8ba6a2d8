"""Worker processes that build shards: JSON lines in and out.

Plain child processes instead of `multiprocessing`: nothing is pickled, the
caller's script needs no `if __name__ == "__main__"` and is not imported again
(with the TensorFlow it may import), and a decoder that crashes takes one
worker with it, whose shard is known.
"""

import contextlib
import json
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from mmkeras import processes
from mmkeras.data.ingest import learning
from mmkeras.data.ingest.rules import rules_of
from mmkeras.data.ingest.samples import SampleReader
from mmkeras.data.ingest.shards import Context, build_shard
from mmkeras.spec import DataSpec

# How long one shard may take.
LIMIT_SEC = 3600


def context_of(setup: dict) -> Context:
    """Builds the context of `prepare` from JSON values."""
    folder = Path(setup["folder"])
    spec = DataSpec.from_dict(setup["spec"])
    learned = learning.load_learned(spec, setup["facts"], folder)
    opened = learning.open_learned(spec, learned)
    reader = SampleReader(
        spec, setup["root"], setup["seed"], opened, setup.get("arrays")
    )
    return Context(reader, folder, rules_of(spec, learned))


def build_shards(
    setup: dict, jobs: list[Callable[[], dict]], workers: int
) -> Iterator[dict]:
    """Builds all shards; yields each result as it is done.

    Args:
        setup: What `context_of` reads.
        jobs: Functions that return keyword arguments of `build_shard`,
            without the context.
        workers: Processes; with 1 the work is done in this one.
    """
    if workers == 1:
        context = context_of(setup)
        for job in jobs:
            yield build_shard(context, **job())
        return
    with ThreadPoolExecutor(workers) as pool, _Workers(setup) as each:
        futures = [pool.submit(each.build, job) for job in jobs]
        try:
            for future in as_completed(futures):
                yield future.result()
        except BaseException:
            for future in futures:
                future.cancel()
            each.stop()
            raise


class _Workers:
    """One child process for each thread that calls `build`."""

    def __init__(self, setup: dict) -> None:
        self.setup = setup
        self.local = threading.local()
        self.children = queue.SimpleQueue()
        self.stopped = False

    def __enter__(self):
        return self

    def __exit__(self, *_) -> None:
        self.stop()

    def build(self, make: Callable[[], dict]) -> dict:
        job = make()
        answer, late = self._ask(job)
        said = []
        if late:
            # Another process may be luckier: once.
            said = [f"the shard {job['name']} is made anew: its worker {late}"]
            answer, late = self._ask(job)
        if late:
            raise ValueError(
                f"A worker must return the shard `{job['name']}`. Received: "
                f"the second process in a row that {late}"
            )
        if "error" in answer:
            kind = {"OSError": OSError}.get(answer["kind"], ValueError)
            raise kind(answer["error"])
        return {**answer, "said": [*said, *answer["said"]]}

    def _ask(self, job: dict) -> tuple[dict, str]:
        """Returns a worker's answer; or none, and what was wrong with it."""
        if not hasattr(self.local, "child"):
            self.local.child = self._start()
        child = self.local.child
        with processes.limited(child, LIMIT_SEC) as late:
            with contextlib.suppress(BrokenPipeError):
                _send(child.stdin, job)
            line = child.stdout.readline()
        if late.is_set():
            del self.local.child
            child.wait()
            return {}, late.why
        if not line:
            raise ValueError(
                f"A worker must return the shard `{job['name']}`. Received: "
                f"the process ended with code {child.wait()}; a decoder "
                "crashed or memory ran out. `workers=1` shows more."
            )
        return json.loads(line), ""

    def stop(self) -> None:
        self.stopped = True
        while not self.children.empty():
            processes.end(self.children.get())

    def _start(self) -> subprocess.Popen:
        child = processes.start(
            "mmkeras.data.ingest.workers",
            # The processes are the parallelism; threads inside only compete.
            threads=1,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self.children.put(child)
        if self.stopped:
            # Another thread was starting it.
            self.stop()
        with contextlib.suppress(BrokenPipeError):
            _send(child.stdin, self.setup)
        return child


def _send(stream, value: dict) -> None:
    stream.write(json.dumps(value).encode() + b"\n")
    stream.flush()


def main() -> None:
    """Builds shards until the parent closes the standard input."""
    lines = sys.stdin.buffer
    answers = processes.take_stdout()
    context = context_of(json.loads(lines.readline()))
    for line in lines:
        job = json.loads(line)
        try:
            answer = build_shard(context, **job)
        except (OSError, ValueError) as error:
            kind = "OSError" if isinstance(error, OSError) else "ValueError"
            answer = {"error": str(error), "kind": kind}
        _send(answers, answer)
