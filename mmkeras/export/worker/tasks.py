"""What is made of a float file, with neither Keras nor the run at hand."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from mmkeras import artefact

PREFIX = "step: "
# What a task leaves beside the files: layer names by scope, errors by scope,
# the layers that stayed float.
NAMES, ERRORS, FLOATS = "names.json", "errors.json", "floats.json"
ADVICE_SEC = 30


def step(name: str) -> None:
    """Announces what is done next."""
    print(f"{PREFIX}{name}", flush=True)


def heavy(job: dict, folder: Path) -> None:
    """Quantizes the heavy operators; activations of 8 or 16 bits."""
    from mmkeras.export.conversion.operators import narrow_convolutions
    from mmkeras.export.recipes.heavy_int8 import find_ranges, quantize_tflite
    from mmkeras.export.recipes.learned_ranges import load_ranges

    step(f"converting to tflite, {job['task']}")
    source = folder / "float.tflite"
    samples = load(folder / "calibration.npz")
    quantize_tflite(
        source,
        folder / f"{job['task']}.tflite",
        samples,
        float_scopes(job),
        ranges={**find_ranges(source, samples), **load_ranges(folder)},
        bits=16 if job["task"] == "int16x8" else 8,
        weight_bits=4 if job["task"] == "int4" else 8,
        keep=narrow_convolutions(source),
    )


def full(job: dict, folder: Path) -> None:
    """Quantizes every operator."""
    from mmkeras.export.recipes.full_int8 import loop_of, quantize_full

    step(f"converting to tflite, {job['task']}")
    source = folder / "float.tflite"
    loop = loop_of(source)
    if loop:
        refuse_loop(read(folder / NAMES)[loop])
    quantize_full(
        source,
        folder / f"{job['task']}.tflite",
        load(folder / "calibration.npz"),
        float_scopes(job),
    )


def mixed(job: dict, folder: Path) -> None:
    """Quantizes what the metrics allow."""
    from mmkeras.export.conversion.operators import narrow_convolutions
    from mmkeras.export.recipes.mixed_precision import quantize_mixed

    step("converting to tflite, mixed: the worst layers stay float")
    source = folder / "float.tflite"
    measured = read(folder / ERRORS) if (folder / ERRORS).is_file() else {}
    floats = quantize_mixed(
        source,
        folder / "mixed.tflite",
        load(folder / "calibration.npz"),
        tuple(
            load(folder / f"choice_{part}.npz")
            for part in ("x", "labels", "weight")
        ),
        job["targets"],
        # Half of it, since the test samples are others.
        job["max_drop"] / 2,
        float_scopes(job),
        narrow_convolutions(source),
        measured.get("own") if measured.get("complete") else None,
    )
    names = read(folder / NAMES)
    layers = list(dict.fromkeys(names[scope] for scope in floats))
    artefact.write_json(folder / FLOATS, layers)


def advise(job: dict, folder: Path) -> None:
    """Measures the error of each layer, in the whole file and alone."""
    from mmkeras.export.conversion.operators import narrow_convolutions
    from mmkeras.export.recipes import layer_errors
    from mmkeras.export.recipes.heavy_int8 import find_ranges

    step("measuring the error of each layer")
    source, scopes = folder / "float.tflite", float_scopes(job)
    keep = narrow_convolutions(source)
    samples = load(folder / "calibration.npz")
    few = {name: values[:16] for name, values in samples.items()}
    own = layer_errors.own_errors(
        source, few, find_ranges(source, samples), scopes, keep, ADVICE_SEC
    )
    heavy = layer_errors.heavy_operators(source, scopes, keep)
    errors = {
        "whole": layer_errors.layer_errors(source, folder / job["file"], few),
        "own": own,
        "complete": set(own) == set(heavy),
    }
    artefact.write_json(folder / ERRORS, errors)


def refuse_loop(layer: str, kind: str = "") -> None:
    """Raises ValueError that names the layer full int8 would crash at."""
    raise ValueError(
        "Every layer of a model must have a fixed number of operators to be "
        f"int8 as a whole. Received: layer `{layer}`"
        + (f" ({kind})" if kind else "")
        + ", which loops over its steps. Instead: `unroll=True` in that "
        "layer, or `--quantize int8-heavy`, which keeps the loop in float"
    )


def load(path: Path) -> dict[str, np.ndarray]:
    """Returns the arrays of an `.npz` file."""
    with np.load(path, allow_pickle=False) as file:
        return dict(file)


def read(path: Path) -> Any:
    """Returns what a JSON file holds."""
    return json.loads(path.read_text(encoding="utf-8"))


def float_scopes(job: dict) -> tuple[str, ...]:
    """Returns the parts of layer names whose operators compute in float."""
    from mmkeras.export.recipes.heavy_int8 import FLOAT_SCOPES

    return (*FLOAT_SCOPES, *job.get("float_layers", ()))


TASKS = {
    "int8-heavy": heavy,
    "int16x8": heavy,
    "int4": heavy,
    "int8-full": full,
    "mixed": mixed,
    "advise": advise,
}
