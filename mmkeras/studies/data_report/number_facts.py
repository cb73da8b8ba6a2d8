"""Every number of the samples: its ends, outliers, and what it tells."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from mmkeras.studies.data_report.outliers import association, far_out
from mmkeras.studies.data_report.sample_stream import SampleStream
from mmkeras.studies.data_report.tallies import KEPT_ENDS, Tallies, Tally

QUANTILES = (0.01, 0.25, 0.5, 0.75, 0.99)
# Bars of a histogram, and associations that are listed.
BARS, MAX_ASSOCIATIONS = 24, 40


def numbers_of(samples: SampleStream, tallies: Tallies) -> list[dict[str, Any]]:
    """Returns ends, quantiles, outliers and a histogram of each number."""
    found = []
    for key, tally in sorted(tallies.numbers.items()):
        part, group, name = key
        if group == "choices" or not tally.count:
            continue
        values = tallies.rows.column(key)
        entry = {
            "part": part,
            "group": group,
            "name": name,
            "count": tally.count,
            "missing": tally.missing,
            "least": tally.ends[0],
            "most": tally.ends[1],
            "quantiles": {
                f"{level:g}": float(np.quantile(values, level))
                for level in QUANTILES
            },
        }
        found.append(entry | _outliers(samples, tally, values))
        found[-1]["histogram"] = _histogram(values, entry)
    return found


def _outliers(
    samples: SampleStream, tally: Tally, values: np.ndarray
) -> dict[str, Any]:
    ends = far_out(values)
    if ends is None:
        return {"low": None, "high": None, "outliers": [],
                "more_outliers": False}  # fmt: skip
    low, high = (float(np.clip(end, -1e300, 1e300)) for end in ends)
    outside = tally.outside(low, high)
    seen = samples.named(place for _, place in outside)
    below = sum(value < low for value, _ in outside)
    return {
        "low": low,
        "high": high,
        "outliers": [
            {"value": value, "id": seen[place][0]} for value, place in outside
        ],
        "more_outliers": max(below, len(outside) - below) >= KEPT_ENDS,
    }


def _histogram(values: np.ndarray, entry: Mapping[str, Any]) -> dict:
    """Returns counts between the outermost values that are no outliers."""
    low, high = entry["quantiles"]["0.01"], entry["quantiles"]["0.99"]
    width = high - low
    # One outlier would leave a single bar.
    inside = values[(values >= low - width) & (values <= high + width)]
    counts, edges = np.histogram(inside, BARS)
    return {
        "counts": counts.tolist(),
        "edges": edges.tolist(),
        "left_out": len(values) - len(inside),
    }


def constant_columns(tallies: Tallies) -> list[str]:
    """Returns columns with one value in the whole training split."""
    return [
        f"{part}/{name}"
        for (part, group, name), tally in sorted(tallies.numbers.items())
        if group in ("columns", "choices") and tally.constant
    ]


def associations(
    samples: SampleStream, tallies: Tallies
) -> list[dict[str, Any]]:
    """Returns how much each column tells of each target, the most first."""
    rows, found = tallies.rows.rows, []
    columns = [
        key
        for key in sorted(tallies.numbers)
        if key[1] in ("columns", "choices", "numbers")
    ]
    for target, kind in sorted(samples.spec.targets.items()):
        if kind.shape != ():
            continue
        labels = _of(rows, (target, "label", ""))
        for key in columns:
            classes = key[1] == "choices", bool(kind.class_names)
            one = association(_of(rows, key), labels, classes)
            if one is not None and math.isfinite(one["value"]):
                column = f"{key[0]}/{key[2]}"
                found.append({"target": target, "column": column, **one})
    found.sort(key=lambda one: (one["target"], -abs(one["value"])))
    return found[:MAX_ASSOCIATIONS]


def _of(rows: list[dict], key: tuple) -> np.ndarray:
    return np.array([row.get(key, math.nan) for row in rows], float)
