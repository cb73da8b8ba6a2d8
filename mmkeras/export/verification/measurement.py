"""Runs every file over the test samples, and compares it with Keras."""

import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mmkeras.export.conversion.operators import count_operators
from mmkeras.export.conversion.runtimes import latencies_ms, open_file, run_all
from mmkeras.export.scores import METRIC, agreement, score
from mmkeras.export.statistics import Bootstrap, calibration_error, compare
from mmkeras.export.verification.sampling import scenarios
from mmkeras.spec import DataSpec

# A float file computes what Keras does, but for the order of its sums.
FLOAT_TOLERANCE = 1e-4


def measure(
    spec: DataSpec,
    folder: Path,
    files: Mapping[str, str],
    test: tuple[dict, dict, dict],
) -> dict[str, Any]:
    """Returns size, latency, and per scenario and target all scores.

    Args:
        spec: The data spec.
        folder: Where the files are, and `keras.npz`.
        files: File names by what the card calls them, such as
            {"tflite float32": "float.tflite"}.
        test: Inputs, labels and weights of the test samples.
    """
    x, y, weight = test
    runs = {name: open_file(folder / file) for name, file in files.items()}
    with np.load(folder / "keras.npz", allow_pickle=False) as stored:
        keras_outputs = dict(stored)
    draws = Bootstrap(len(next(iter(x.values()))))

    results = {}
    for scenario, inputs in scenarios(x, spec.optional):
        # A float ONNX file is run in batches, which shows that it can be.
        outputs = {
            name: run_all(run, inputs, 32 if name == "onnx float32" else 1)
            for name, run in runs.items()
        }
        results[scenario] = {
            target: _target(
                entry,
                y[target],
                weight[target],
                keras_outputs[f"{scenario}/{target}"],
                keras_outputs.get(f"original {scenario}/{target}"),
                {name: each[target] for name, each in outputs.items()},
                draws,
            )
            for target, entry in sorted(spec.targets.items())
        }
    times = latencies_ms(runs, x)
    return {
        "files": {
            name: {
                "bytes": (folder / file).stat().st_size,
                "latency_ms": round(times[name], 4),
            }
            for name, file in files.items()
        },
        "scenarios": results,
        "metric": {n: METRIC[t.kind] for n, t in sorted(spec.targets.items())},
        "threads": 1,
        "machine": f"{platform.system()} {platform.machine()}",
    }


def _target(entry, labels, weight, keras, original, outputs, draws) -> dict:
    """Scores every output of one target, and compares it with Keras'.

    A drop is one against the original, where the model was made from another.
    """
    kind = entry.kind
    classes = tuple(getattr(entry, "classes", ()))
    found = {"keras": score(kind, labels, weight, keras)}
    base, before = keras, found["keras"]
    if original is not None:
        base, before = original, score(kind, labels, weight, original)
        found["original"] = before
    error = calibration_error(kind, labels, weight, keras)
    for name, output in outputs.items():
        if not np.isfinite(output).all():
            raise ValueError(
                "Every output of an exported file must be finite. "
                f"Received: NaN or infinity from {name}"
            )
        scores = score(kind, labels, weight, output)
        gap = np.abs(output - keras)
        found[name] = {
            **scores,
            "agreement": agreement(kind, keras, output),
            "largest_difference": float(gap.max()),
            **compare(
                kind, classes, labels, weight, base, output,
                {"keras": before, "file": scores}, draws,
            ),
        }  # fmt: skip
        if name.endswith("float32"):
            largest = max(1.0, float(np.abs(keras).max()))
            if gap.max() > FLOAT_TOLERANCE * largest:
                worst = gap.reshape(len(gap), -1).max(axis=1).argmax()
                found[name]["departs_at"] = int(worst)
    if error is not None:
        found["keras"]["calibration_error"] = error
    return found


def add_files(card: dict, more: dict) -> None:
    """Adds what was measured of further files to a card."""
    card["files"] |= more["files"]
    for scenario, targets in more["scenarios"].items():
        for target, found in targets.items():
            new = {name: found[name] for name in more["files"]}
            card["scenarios"][scenario][target] |= new


def finish(card: dict, folder: Path, shipped: Mapping[str, str]) -> None:
    """Notes ratios and operators of the files that are shipped.

    Args:
        card: The card.
        folder: Where the files are.
        shipped: File names by what the card calls them.
    """
    card["ratios"] = {}
    for name, file in shipped.items():
        format = name.split()[0]
        source = card["files"][f"{format} float32"]
        found = card["files"][name]
        if found is not source:
            card["ratios"][format] = {
                "bytes": round(found["bytes"] / source["bytes"], 4),
                "speed": round(source["latency_ms"] / found["latency_ms"], 3),
            }
        if format == "tflite":
            card["operators"] = count_operators(folder / file)
