"""The card: what was measured of a model and of the files made from it."""

import platform
from pathlib import Path
from typing import Any

import numpy as np

from mmkeras.export.audit import count_operators
from mmkeras.export.runtimes import latencies_ms, open_file, run_all
from mmkeras.export.samples import scenarios
from mmkeras.export.scores import METRIC, agreement, score
from mmkeras.spec import DataSpec


def make_card(
    spec: DataSpec, job: dict, test: tuple[dict, dict, dict], max_drop: float
) -> dict[str, Any]:
    """Runs every file over the test samples and compares it with Keras.

    Args:
        spec: The data spec.
        job: The job the child has done.
        test: Inputs, labels and weights of the test samples.
        max_drop: Largest drop of a task metric, as a fraction.
    """
    x, y, weight = test
    folder = Path(job["folder"])
    files = _files(job)
    runs = {name: open_file(folder / file) for name, file in files.items()}
    with np.load(folder / "keras.npz", allow_pickle=False) as stored:
        keras_outputs = dict(stored)

    results = {}
    for scenario, inputs in scenarios(x, spec.optional):
        # A float ONNX file is run in batches, which shows that it can be.
        outputs = {
            name: run_all(run, inputs, 32 if name == "onnx float32" else 1)
            for name, run in runs.items()
        }
        results[scenario] = {}
        for target, entry in sorted(spec.targets.items()):
            found = {name: each[target] for name, each in outputs.items()}
            found["keras"] = keras_outputs[f"{scenario}/{target}"]
            results[scenario][target] = _compare(
                entry.kind, y[target], weight[target], found
            )

    times = latencies_ms(runs, x)
    card = {
        "name": spec.name,
        "spec_sha256": spec.sha256,
        "quantize": job["quantize"],
        "samples": {"test": len(next(iter(x.values())))},
        "files": {
            name: {
                "bytes": (folder / file).stat().st_size,
                "latency_ms": round(times[name], 4),
            }
            for name, file in files.items()
        },
        "ratios": {},
        "scenarios": results,
        "metric": {n: METRIC[t.kind] for n, t in sorted(spec.targets.items())},
        "max_drop": max_drop,
        "threads": 1,
        "machine": f"{platform.system()} {platform.machine()}",
    }
    for name in job["formats"]:
        _add_ratios(card, name)
    shipped = [file for file in files.values() if file.endswith("tflite")]
    if shipped:
        card["operators"] = count_operators(folder / shipped[-1])
    card["failures"] = _failures(card)
    return card


def _files(job: dict) -> dict[str, str]:
    """Returns the files the child made, by the name the card gives them."""
    files = {}
    for name in job["formats"]:
        files[f"{name} float32"] = f"float.{name}"
        if job["quantize"] != "none":
            files[f"{name} {job['quantize']}"] = f"{job['quantize']}.{name}"
    return files


def _compare(kind, labels, weight, outputs: dict[str, np.ndarray]) -> dict:
    """Scores every output of one target, and compares it with Keras'."""
    keras = outputs.pop("keras")
    found = {"keras": score(kind, labels, weight, keras)}
    for name, output in outputs.items():
        if not np.isfinite(output).all():
            raise ValueError(
                "Every output of an exported file must be finite. "
                f"Received: NaN or infinity from {name}"
            )
        found[name] = {
            **score(kind, labels, weight, output),
            "agreement": agreement(kind, keras, output),
            "largest_difference": float(np.abs(output - keras).max()),
        }
    return found


def _add_ratios(card: dict, name: str) -> None:
    """Notes how much smaller and quicker the quantized file is."""
    quantized = card["files"].get(f"{name} {card['quantize']}")
    if quantized is None:
        return
    source = card["files"][f"{name} float32"]
    card["ratios"][name] = {
        "bytes": round(quantized["bytes"] / source["bytes"], 4),
        "speed": round(source["latency_ms"] / quantized["latency_ms"], 3),
    }


def _failures(card: dict) -> list[str]:
    """Returns a sentence for each file and target that lost too much."""
    failures = []
    for target, found in card["scenarios"]["all"].items():
        metric = card["metric"][target]
        before = found["keras"].get(metric)
        if before is None:
            continue
        for name, after in found.items():
            drop = before - after[metric]
            if drop <= card["max_drop"]:
                continue
            base = found[f"{name.split()[0]} float32"][metric]
            failures.append(
                f"{metric} of `{target}` must not drop by more than "
                f"{card['max_drop']:g}. Received: Keras {before:.4f}, "
                f"float32 {base:.4f}, {name} {after[metric]:.4f}: "
                f"a drop of {drop:.4f}"
            )
    return failures


def check_drop(card: dict, path: Path) -> None:
    """Raises ValueError if the card has failures."""
    if card["failures"]:
        raise ValueError(
            "\n".join(card["failures"])
            + f"\nNo bundle was written; what was measured is in {path}. "
            "`--max-drop` moves the limit"
        )


def table(card: dict) -> str:
    """Returns the card as lines of text."""
    samples = card["samples"]
    lines = [f"measured on {samples['test']} of {samples['of']} test samples"]
    names = ["keras", *card["files"]]
    lines.append(f"{'':38}" + "".join(f"{name:>16}" for name in names))
    for scenario, targets in card["scenarios"].items():
        for target, found in targets.items():
            metric = card["metric"][target]
            cells = [found[name].get(metric) for name in names]
            row = "".join(
                f"{'-' if cell is None else format(cell, '.4f'):>16}"
                for cell in cells
            )
            lines.append(f"{f'{scenario}: {target} {metric}'[:38]:38}" + row)
    for key, unit in (("bytes", "size in bytes"),
                      ("latency_ms", "median latency in ms")):  # fmt: skip
        cells = [f"{card['files'][name][key]:>16,}" for name in names[1:]]
        lines.append(f"{unit:38}{'':16}" + "".join(cells))
    return "\n".join(lines)
