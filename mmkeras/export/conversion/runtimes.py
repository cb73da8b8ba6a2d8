"""Runs exported files, as a device would: all samples, and against a clock."""

import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np

SIGNATURE = "serving_default"
Arrays = dict[str, np.ndarray]
# From inputs by name, `(batch, ...)`, to outputs by name.
Runtime = Callable[[Mapping[str, np.ndarray]], Arrays]
# From inputs of one sample to name and value of every intermediate result.
Tracer = Callable[[Mapping[str, np.ndarray]], list[tuple[str, np.ndarray]]]


def opened(path: str | Path, opener: Callable[[str | Path], Runtime]):
    """Opens a file; what its runtime says against it is a ValueError."""
    try:
        return opener(path)
    # ONNX Runtime has a class for each error, and no common base.
    except Exception as error:
        raise ValueError(
            f"`{path}` must be a file its runtime can open. "
            f"Received: {str(error)[:300]}"
        ) from None


def run_all(
    run: Runtime, x: Mapping[str, np.ndarray], batch: int = 1
) -> Arrays:
    """Returns the outputs for all samples, `batch` at a time."""
    count = len(next(iter(x.values())))
    parts = [
        run({name: array[i : i + batch] for name, array in x.items()})
        for i in range(0, count, batch)
    ]
    return {
        name: np.concatenate([part[name] for part in parts])
        for name in parts[0]
    }


def trace_all(
    run: Tracer, x: Mapping[str, np.ndarray]
) -> Iterator[list[tuple[str, np.ndarray]]]:
    """Yields name and value of every intermediate result, sample by sample."""
    for i in range(len(next(iter(x.values())))):
        yield run({name: array[i : i + 1] for name, array in x.items()})


def latencies_ms(
    runs: Mapping[str, Runtime], x: Mapping[str, np.ndarray], budget_sec=4.0
) -> dict[str, float]:
    """Returns the median time of one sample, measured in turn.

    Taking turns lets a busy moment of the machine hit every file alike.

    Args:
        runs: The files to compare.
        x: Samples, `(samples, ...)`.
        budget_sec: About how long to measure, in seconds.
    """
    one = {name: array[:1] for name, array in x.items()}
    times: dict[str, list[float]] = {name: [] for name in runs}
    end = time.perf_counter() + budget_sec
    for turn in range(205):
        for name, run in runs.items():
            start = time.perf_counter()
            run(one)
            times[name].append((time.perf_counter() - start) * 1e3)
        if turn >= 15 and time.perf_counter() > end:
            break
    # The first turns fill caches.
    return {name: float(np.median(each[5:])) for name, each in times.items()}
