"""The conversions, in processes of their own: a converter can crash.

The job names the task, the model, the samples, what to make and the folder to
work in. Each step is announced on standard output, so that the parent can say
where the process ended.
"""

import json
from pathlib import Path

import numpy as np

from mmkeras import artefact
from mmkeras.export.worker import tasks
from mmkeras.export.worker.tasks import (
    NAMES,
    float_scopes,
    load,
    refuse_loop,
    step,
)

ERROR = "error.txt"
DEPARTURE, STREAMS = "departure.json", "streams.json"


def main(path: str) -> int:
    """Does the job; returns the exit code."""
    job = json.loads(Path(path).read_text(encoding="utf-8"))
    folder = Path(job["folder"])
    try:
        TASKS[job.get("task", "convert")](job, folder)
    except (ValueError, OSError) as error:
        if job["debug"]:
            raise
        (folder / ERROR).write_text(str(error), encoding="utf-8")
        return 2
    return 0


def convert(job: dict, folder: Path) -> None:
    """Loads the model, answers the test samples, makes the float files."""
    step("loading the model")
    # Loading needs its layer to be registered.
    from mmkeras.compress.quantization import layer  # noqa: F401
    from mmkeras.export.recipes.learned_ranges import plain, save_ranges
    from mmkeras.model import load_model

    model, aware = plain(load_model(job["model"]))
    check_finite(model, job["model"])

    step("running the model")
    answer(model, job, folder)

    if "tflite" in job["formats"]:
        make_tflite(model, job["quantize"], folder)
        if aware is not None:
            save_ranges(aware, folder / "float.tflite", folder)
    if "onnx" in job["formats"]:
        samples = load(folder / "calibration.npz")
        make_onnx(model, job["quantize"], samples, folder, float_scopes(job))


def check_finite(model, path: str) -> None:
    """Raises ValueError if a weight is NaN or infinite."""
    for variable in model.variables:
        values = np.asarray(variable)
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            raise ValueError(
                f"Every weight of `{path}` must be finite. Received: NaN or "
                f"infinity in `{variable.path}`"
            )


def answer(model, job: dict, folder: Path) -> None:
    """Writes the outputs of Keras for every scenario."""
    from mmkeras.export.verification.sampling import scenarios
    from mmkeras.model import load_model

    x = load(folder / "test.npz")
    models = {"": model}
    if job.get("reference"):
        models["original "] = load_model(job["reference"])
    outputs = {}
    for scenario, inputs in scenarios(x, tuple(job["optional"])):
        for whose, each in models.items():
            found = each.predict(inputs, batch_size=32, verbose=0)
            for target, values in found.items():
                outputs[f"{whose}{scenario}/{target}"] = values
    np.savez(folder / "keras.npz", **outputs)


def make_tflite(model, quantize: str, folder: Path) -> None:
    """Writes the float file, and the one the converter quantizes itself."""
    from mmkeras.export.conversion.operators import (
        find_layer,
        layer_path,
        operators,
    )
    from mmkeras.export.conversion.streaming import step_model, streamed_towers
    from mmkeras.export.conversion.tflite import to_tflite
    from mmkeras.export.recipes.full_int8 import loop_of

    step("converting to tflite, float32")
    source = folder / "float.tflite"
    refused = streamed_towers(model)
    artefact.write_json(folder / STREAMS, refused)
    steps = {
        name: step_model(model, name)
        for name, reason in refused.items()
        if reason is None
    }
    to_tflite(model, source, streams=steps)
    scopes = {scope for _, scope in operators(source)}
    names = {scope: layer_path(model, scope) for scope in sorted(scopes)}
    artefact.write_json(folder / NAMES, names)
    loop = loop_of(source)
    if loop and quantize == "int8-full":
        refuse_loop(names[loop], type(find_layer(model, loop)).__name__)
    if quantize in ("float16", "dynamic"):
        step(f"converting to tflite, {quantize}")
        target = folder / f"{quantize}.tflite"
        to_tflite(model, target, quantize, streams=steps)


def make_onnx(
    model, quantize: str, samples: dict, folder: Path, scopes=("logmel",)
) -> None:
    """Writes the float file and the quantized one."""
    from mmkeras.export.conversion import onnx
    from mmkeras.export.recipes import onnx_quantization

    step("converting to onnx, float32")
    source = folder / "float.onnx"
    onnx.to_onnx(model, source)
    target = folder / f"{quantize}.onnx"
    if quantize != "none":
        step(f"converting to onnx, {quantize}")
    if quantize.startswith(("int8", "mixed")):
        onnx_quantization.to_int8(source, target, samples, scopes)
    elif quantize == "dynamic":
        onnx_quantization.to_dynamic(source, target, scopes)
    elif quantize == "float16":
        onnx_quantization.to_float16(source, target)


def depart(job: dict, folder: Path) -> None:
    """Finds the first layer where a float file departs from Keras."""
    step("looking for the layer that departs")
    from mmkeras.compress.quantization import layer  # noqa: F401
    from mmkeras.export.recipes.learned_ranges import plain
    from mmkeras.export.verification.departure import find_departure
    from mmkeras.model import load_model

    x = load(folder / "departing.npz")
    model, _ = plain(load_model(job["model"]))
    found = find_departure(model, folder / job["file"], x)
    entry = None
    if found is not None:
        layer, gap = found
        entry = {"layer": layer.name, "type": type(layer).__name__, "gap": gap}
    artefact.write_json(folder / DEPARTURE, entry)


TASKS = {
    "convert": convert,
    **tasks.TASKS,
    "depart": depart,
}
