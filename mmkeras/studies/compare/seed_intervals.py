"""Rows of `compare.json` whose intervals are over the seeds alone."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mmkeras.metrics import describe, estimate

NOTHING = {"mean": None, "low": None, "high": None}
SPENT = ("steps", "samples", "seconds", "multiply_adds")
Results = Sequence[Mapping[str, Any]]


def costs(header: Mapping[str, Any], results: Results) -> list[dict]:
    """Returns the rows of `costs`."""
    return [
        {
            "fraction": fraction,
            "arm": arm["name"],
            **{
                what: mean_of([run["spent"][what] for run in runs])
                for what in SPENT
            },
        }
        for fraction in header["fractions"]
        for arm in header["arms"]
        if (runs := runs_of(results, fraction, arm["name"]))
    ]


def curves(
    name: str, target: Any, header: Mapping[str, Any], results: Results
) -> list[dict]:
    """Returns the rows of `curves`; an arm without a figure has none."""
    rows, metric = [], target.training_metric
    by_time = header["budget"]["kind"] == "seconds"
    for fraction in header["fractions"]:
        for arm in header["arms"]:
            runs = runs_of(results, fraction, arm["name"])
            lines = [np.array(run["curve"][name], float) for run in runs]
            spent = 1 if by_time else 0
            lines = [line[:, [spent, 2]] for line in lines if len(line)]
            if not lines or len(lines) < len(runs):
                continue
            steps, values = _together(lines)
            spans = [span_of(estimate(v), metric) for v in values.T]
            ends = {end: [span[end] for span in spans] for end in NOTHING}
            samples = [int(step) * header["batch_size"] for step in steps]
            along = (
                {"seconds": [float(step) for step in steps]}
                if by_time
                else {"samples": samples}
            )
            rows.append(
                {
                    "fraction": fraction,
                    "arm": arm["name"],
                    "metric": metric,
                    **along,
                    **ends,
                }
            )
    return rows


def _together(lines: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Returns steps or seconds, and the figure of each seed there.

    Under a budget of seconds the epochs of every seed end at other times:
    between two epochs, the figure is interpolated linearly.
    """
    start = max(line[0, 0] for line in lines)
    end = min(line[-1, 0] for line in lines)
    steps = np.unique(np.concatenate([line[:, 0] for line in lines]))
    steps = steps[(steps >= min(start, end)) & (steps <= end)]
    # Only where every seed has figures, so that no mean is over fewer seeds.
    values = [np.interp(steps, line[:, 0], line[:, 1]) for line in lines]
    return steps, np.array(values)


def harder(
    name: str, target: Any, header: Mapping[str, Any], results: Results
) -> dict[str, list[dict]]:
    """Returns the rows of `absent` and of `noise`, with the most labels."""
    metric = target.headline
    absent, noise = [], []
    for arm, runs in _most(header, results):
        clean = over_seeds([run["clean"][name] for run in runs], metric)
        whole = {"arm": arm, "name": "all modalities", "absent": []}
        absent.append({**whole, **clean})
        # The clean split is the first row of each modality, as level None.
        started: set[str] = set()
        for place, (done, _) in enumerate(runs[0]["harder"]):
            values = [run["harder"][place][1][name] for run in runs]
            span = over_seeds(values, metric)
            if "absent" in done:
                absent.append({"arm": arm, **done, **span})
                continue
            unit = header["noise_units"][done["noise"]]
            row = {"arm": arm, "modality": done["noise"], "unit": unit}
            if done["noise"] not in started:
                noise.append({**row, "level": None, **clean})
                started.add(done["noise"])
            noise.append({**row, "level": done["level"], **span})
    return {"absent": absent, "noise": noise}


def classes(
    name: str, header: Mapping[str, Any], results: Results
) -> list[dict]:
    """Returns the rows of `classes`, with the most labels."""
    return [
        {
            "arm": arm,
            "class": row["class"],
            "support": row["support"],
            **over_seeds(
                [run["classes"][name][place]["f1"] for run in runs], "f1"
            ),
        }
        for arm, runs in _most(header, results)
        for place, row in enumerate(runs[0]["classes"].get(name, ()))
    ]


def _most(header: Mapping[str, Any], results: Results):
    """Yields each arm of all modalities, and its runs with most labels."""
    for arm in header["arms"]:
        if arm["modality"] is None:
            fraction = header["fractions"][-1]
            yield arm["name"], runs_of(results, fraction, arm["name"])


def runs_of(results: Results, fraction: float, arm: str) -> list:
    """Returns the runs of an arm, a seed each."""
    return [
        run
        for run in results
        if run["fraction"] == fraction and run["arm"] == arm
    ]


def over_seeds(
    values: Sequence[float | None], metric: str
) -> dict[str, float | None]:
    """Returns mean and interval over the seeds alone."""
    if any(value is None for value in values):
        return dict(NOTHING)
    return span_of(estimate(values), metric)


def span_of(found: Mapping[str, float], metric: str) -> dict[str, float]:
    """Returns mean and interval of a figure, clipped to its possible range."""
    low, high = describe(metric).possible(found["low"], found["high"])
    return {"mean": found["mean"], "low": low, "high": high}


def mean_of(values: Sequence[float | None]) -> float | None:
    """Returns the mean, or None where a value is missing."""
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if len(known) == len(values) else None
