"""Makes the files that were asked for, measures all, chooses what is shipped.

Nothing here can be switched off; `max_drop` alone can be widened.
"""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from mmkeras.export.bundle import card as cards
from mmkeras.export.conversion import stepping
from mmkeras.export.recipes import choice
from mmkeras.export.verification.measurement import (
    FLOAT_TOLERANCE,
    add_files,
    finish,
    measure,
)
from mmkeras.export.verification.sampling import scenarios, take
from mmkeras.export.worker import child, tasks
from mmkeras.spec import DataSpec

# Labelled samples that mixed precision is chosen on.
CHOICE_SAMPLES = 512
Report = Callable[[str], None]
Test = tuple[dict, dict, dict]


def verify(
    spec: DataSpec,
    data: Any,
    job: dict,
    test: Test,
    run: choice.Run,
    report: Report,
) -> dict[str, Any]:
    """Returns the card of a job whose float files have been made.

    The file that is shipped then lies in the job's folder as
    `<quantize>.tflite`.

    Args:
        spec: The data spec.
        data: What `mmkeras.load_data(folder, augment=False)` returns.
        job: The job.
        test: Inputs, labels and weights of the test samples.
        run: Runs a task of the job in a process of its own.
        report: Takes a line for each step.
    """
    folder, quantize = Path(job["folder"]), job["quantize"]
    if quantize == "mixed":
        _save_choice(spec, data, folder)
    tflite = "tflite" in job["formats"]
    refused = choice.make_recipes(job, run, report) if tflite else {}
    files = choice.tflite_files(job) if tflite else {}
    if "onnx" in job["formats"]:
        files["onnx float32"] = "float.onnx"
        if quantize != "none":
            files[f"onnx {quantize}"] = f"{quantize}.onnx"

    report("step: verifying on the test split")
    card = {
        "name": spec.name,
        "spec_sha256": spec.sha256,
        "quantize": quantize,
        "max_drop": job["max_drop"],
        **measure(spec, folder, files, test),
    }
    chosen = choice.choose(card, quantize, refused) if tflite else None
    if quantize == "int8" and chosen and not card["recipes"][chosen]["passes"]:
        _save_choice(spec, data, folder)
        mixed = {"tflite mixed": "mixed.tflite"}
        try:
            run({**job, "task": "mixed"}, report)
        except ValueError as error:
            refused["mixed"] = str(error).splitlines()[0]
        else:
            files |= mixed
            add_files(card, measure(spec, folder, mixed, test))
        chosen = choice.choose(card, quantize, refused)
    if chosen:
        _advise(card, job, chosen, run, report)
        files = _ship(card, job, files, chosen)
    _judge(spec, card, job, files, test, run, report)
    return card


def _save_choice(spec: DataSpec, data: Any, folder: Path) -> None:
    """Writes labelled samples; of training, where there is no validation."""
    batches = data.validation if data.counts.get("validation") else data.train
    parts = take(batches, spec, CHOICE_SAMPLES)
    for name, part in zip(("x", "labels", "weight"), parts):
        np.savez(folder / f"choice_{name}.npz", **part)


def _advise(
    card: dict, job: dict, chosen: str, run: choice.Run, report: Report
) -> None:
    """Adds the error of each layer; an advice that fails stops nothing."""
    folder = Path(job["folder"])
    floats = folder / tasks.FLOATS
    if chosen == "mixed" and floats.is_file():
        card["float_layers"] = json.loads(floats.read_text(encoding="utf-8"))
    try:
        task = {**job, "task": "advise", "file": f"{chosen}.tflite"}
        run(task, report)
        choice.add_advice(card, folder)
    except ValueError as error:
        card["advice"] = {"failed": str(error).splitlines()[0]}


def _ship(card: dict, job: dict, files: dict, chosen: str) -> dict[str, str]:
    """Gives the chosen file the name of what was asked for."""
    quantize, folder = job["quantize"], Path(job["folder"])
    old, new = f"tflite {chosen}", f"tflite {quantize}"
    if old != new:
        shutil.copyfile(folder / files[old], folder / f"{quantize}.tflite")
        choice.rename(card, old, new)
    renamed = {new if k == old else k: v for k, v in files.items()}
    return {**renamed, new: f"{quantize}.tflite"}


def _judge(
    spec: DataSpec,
    card: dict,
    job: dict,
    files: dict[str, str],
    test: Test,
    run: choice.Run,
    report: Report,
) -> None:
    """Notes what was lost, against the limits, and what is shipped."""
    folder, quantize = Path(job["folder"]), job["quantize"]
    stem = "float32" if quantize == "none" else quantize
    shipped = {f"{n} {stem}": files[f"{n} {stem}"] for n in job["formats"]}
    finish(card, folder, shipped)
    found = _check_streams(card, folder, files, shipped, test[0])
    floats = [name for name in files if name.endswith("float32")]
    for departure in cards.departures(card)[:1]:
        name, scenario, _, row = departure
        x = dict(scenarios(test[0], spec.optional))[scenario]
        one = {key: values[row : row + 1] for key, values in x.items()}
        np.savez(folder / "departing.npz", **one)
        run({**job, "task": "depart", "file": files[name]}, report)
        layer = json.loads((folder / child.DEPARTURE).read_text("utf-8"))
        found.append(cards.departure_sentence(card, departure, layer))
    held = list(dict.fromkeys([*floats, *shipped]))
    card["failures"] = found + cards.failures(card, held)


def _check_streams(
    card: dict, folder: Path, files: dict, shipped: dict, x: dict
) -> list[str]:
    """Compares streams with whole sequences; returns what departs."""
    if "tflite float32" not in files:
        return []
    found = []
    float_file = folder / files["tflite float32"]
    card["streams"] = stepping.compare(float_file, x)
    for name, entry in card["streams"].items():
        if entry["largest_difference"] > FLOAT_TOLERANCE:
            found.append(
                f"A stream of `{name}` must end with the answer of the whole "
                f"within {FLOAT_TOLERANCE:g}. Received: a difference of "
                f"{entry['largest_difference']:.2g}"
            )
    for name, file in shipped.items():
        if name.startswith("tflite") and file != files["tflite float32"]:
            for key, entry in stepping.compare(folder / file, x).items():
                gap = entry["largest_difference"]
                card["streams"][key]["shipped_difference"] = gap
    if (folder / child.STREAMS).is_file():
        reasons = json.loads((folder / child.STREAMS).read_text("utf-8"))
        card["not_streamed"] = {k: v for k, v in reasons.items() if v}
    return found
