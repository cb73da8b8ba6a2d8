"""Several processes on one machine, by keras-tuner's own distribution.

This process is the chief, which proposes; each worker trains. They communicate
by gRPC on the loopback interface.
"""

import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

from mmkeras import processes, stopping
from mmkeras.studies.tune.job import Job
from mmkeras.studies.tune.tuner import Tuner, search, values_of

HOST = "127.0.0.1"


def search_in_parallel(job: Job, workers: int) -> list[dict[str, Any]]:
    """Runs a search in several processes; returns the values of its trials.

    Args:
        job: The search.
        workers: Processes that train.

    Raises:
        ValueError: If a worker ends early; finished trials are kept.
    """
    address = {
        "KERASTUNER_ORACLE_IP": HOST,
        "KERASTUNER_ORACLE_PORT": str(_free_port()),
    }
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder,
        _environment({**address, "KERASTUNER_TUNER_ID": "chief"}),
    ):
        chief = Tuner(job, folder)
        # It answers until long after the last trial.
        threading.Thread(
            target=chief.search, kwargs={"verbose": 0}, daemon=True
        ).start()
        # What a worker that is killed leaves goes with the chief's.
        shared = {**address, "TMPDIR": folder}
        children: list[subprocess.Popen] = []
        try:
            for number in range(1, workers + 1):
                name = {"KERASTUNER_TUNER_ID": f"worker{number}"}
                with stopping.unbroken():
                    children.append(_start(job, {**shared, **name}))
            _wait(children)
        finally:
            for child in children:
                processes.end(child)
    return values_of(chief.oracle)


def _start(job: Job, variables: Mapping[str, str]) -> subprocess.Popen:
    child = processes.start(
        "mmkeras.studies.tune.workers",
        variables=variables,
        stdin=subprocess.PIPE,
        text=True,
    )
    with contextlib.suppress(BrokenPipeError):
        child.stdin.write(json.dumps(asdict(job)))
        child.stdin.close()
    return child


def _wait(children: list[subprocess.Popen]) -> None:
    """Waits for all; raises ValueError as soon as one has failed."""
    stops = [processes.Stops() for _ in children]
    while True:
        for number, child in enumerate(children):
            if stops[number].seen(child):
                raise ValueError(
                    "The workers of a search must run. Received: worker "
                    f"{number + 1} {processes.STOPPED}. The same command "
                    "resumes with the trials that are left"
                )
        codes = [child.poll() for child in children]
        for number, code in enumerate(codes):
            if code:
                raise ValueError(
                    "The workers of a search must end by themselves. "
                    f"Received: worker {number + 1} ended with code {code}; "
                    "its message is above. The same command resumes with "
                    "the trials that are left"
                )
        if None not in codes:
            return
        time.sleep(processes.POLL_SEC)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Sets variables of the environment, and puts back what was there."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def main() -> None:
    """Runs trials for the chief; the job comes by the standard input."""
    search(Job(**json.load(sys.stdin)))
