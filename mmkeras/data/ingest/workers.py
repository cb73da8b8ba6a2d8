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
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from mmkeras import processes, stopping
from mmkeras.data.ingest import learning
from mmkeras.data.ingest.rules import rules_of
from mmkeras.data.ingest.samples import SampleReader
from mmkeras.data.ingest.shards import Context, build_shard
from mmkeras.spec import MODALITIES, DataSpec

# How long one shard may take.
LIMIT_SEC = 3600


def context_of(spec: DataSpec, setup: dict) -> Context:
    """Builds the context of `prepare` from JSON values."""
    folder = Path(setup["folder"])
    learned = learning.load_learned(spec, setup["facts"], folder)
    opened = learning.open_learned(spec, learned)
    reader = SampleReader(
        spec, setup["root"], setup["seed"], opened, setup.get("arrays")
    )
    return Context(reader, folder, rules_of(spec, learned))


class Workers:
    """Child processes that build shards, as many as are worth it.

    They can be started before it is known what they build: they import what
    decodes while the manifest is read. At the end of the body all are ended.

    Args:
        spec: The spec.
        most: How many there are at most; with 1 the work is done in this
            process.
    """

    def __init__(self, spec: DataSpec, most: int) -> None:
        self.spec, self.most = spec, most
        self._children: list[subprocess.Popen] = []
        self._idle: queue.SimpleQueue = queue.SimpleQueue()
        self._set_up: set[subprocess.Popen] = set()
        self._stopped = False

    def __enter__(self) -> "Workers":
        return self

    def __exit__(self, *_) -> None:
        self._stopped = True
        for child in self._children:
            processes.end(child)

    def start(self, count: int) -> int:
        """Starts children until there are so many, or as many as allowed.

        Returns:
            How many there are.
        """
        while len(self._children) < min(count, self.most) and self.most > 1:
            self._idle.put(self._start())
        return len(self._children)

    def _start(self) -> subprocess.Popen:
        kinds = sorted({m.kind for m in self.spec.modalities.values()})
        with stopping.unbroken():
            child = processes.start(
                "mmkeras.data.ingest.workers",
                *kinds,
                # The processes are the parallelism; threads only compete.
                threads=1,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
            self._children.append(child)
        if self._stopped:
            # Another thread was starting it.
            processes.end(child)
        return child

    def build(
        self, setup: dict, jobs: list[Callable[[], dict]]
    ) -> Iterator[dict]:
        """Builds all shards; yields each result as it is done.

        Args:
            setup: What `context_of` reads.
            jobs: Functions that return keyword arguments of `build_shard`,
                without the context.
        """
        if min(self.most, len(jobs)) == 1:
            context = context_of(self.spec, setup)
            for job in jobs:
                yield build_shard(context, **job())
            return
        # Twice as many threads: a job is ready when a child has done its own.
        with ThreadPoolExecutor(2 * self.start(len(jobs))) as pool:
            futures = [pool.submit(self._built, setup, job) for job in jobs]
            try:
                for future in as_completed(futures):
                    yield future.result()
            except BaseException:
                for future in futures:
                    future.cancel()
                # Threads that wait for an answer get the end of it.
                self._stopped = True
                for child in self._children:
                    child.kill()
                raise

    def _built(self, setup: dict, make: Callable[[], dict]) -> dict:
        job = make()
        answer, late = self._ask(setup, job)
        said = []
        if late:
            # Another process may be luckier: once.
            said = [f"the shard {job['name']} is made anew: its worker {late}"]
            answer, late = self._ask(setup, job)
        if late:
            raise ValueError(
                f"A worker must return the shard `{job['name']}`. Received: "
                f"the second process in a row that {late}"
            )
        if "error" in answer:
            kind = {"OSError": OSError}.get(answer["kind"], ValueError)
            raise kind(answer["error"])
        return {**answer, "said": [*said, *answer["said"]]}

    def _ask(self, setup: dict, job: dict) -> tuple[dict, str]:
        """Returns a worker's answer; or none, and what was wrong with it."""
        line, child = _line(job), self._idle.get()
        try:
            if child not in self._set_up:
                self._set_up.add(child)
                line = _line(self.spec.to_dict()) + _line(setup) + line
            with processes.limited(child, LIMIT_SEC) as late:
                # One that has died closed its end, as the answer will show.
                with contextlib.suppress(OSError, ValueError):
                    child.stdin.write(line)
                    child.stdin.flush()
                answer = child.stdout.readline()
            if late.is_set():
                child.wait()
                child = self._start()
                return {}, late.why
        finally:
            self._idle.put(child)
        if not answer:
            raise ValueError(
                f"A worker must return the shard `{job['name']}`. Received: "
                f"the process ended with code {child.wait()}; a decoder "
                "crashed or memory ran out. `workers=1` shows more."
            )
        return json.loads(answer), ""


def _line(value: dict) -> bytes:
    return json.dumps(value).encode() + b"\n"


def main(*kinds: str) -> None:
    """Builds shards until the parent closes the standard input.

    Args:
        *kinds: Of the modalities that will be read.
    """
    lines = sys.stdin.buffer
    answers = processes.take_stdout()
    # What is imported now is not waited for later.
    for kind in kinds:
        MODALITIES.known[kind].part("read")
    spec = DataSpec.from_dict(json.loads(lines.readline()))
    context = context_of(spec, json.loads(lines.readline()))
    for line in lines:
        job = json.loads(line)
        try:
            answer = build_shard(context, **job)
        except MemoryError:
            answer = {
                "error": "A worker must fit into memory. Received: one that "
                f"had none left for the shard `{job['name']}`; fewer "
                "`workers` leave more for each",
                "kind": "OSError",
            }
        except (OSError, ValueError) as error:
            kind = "OSError" if isinstance(error, OSError) else "ValueError"
            answer = {"error": str(error), "kind": kind}
        answers.write(_line(answer))
        answers.flush()
