"""The conversions, in a process of their own: a converter can crash.

    python -m mmkeras.export.child job.json

The job names the model, the samples, what to make and the folder to work in.
Each step is announced on standard output, so that the parent can say where
the process ended.
"""

import json
import os
import sys
from pathlib import Path

import numpy as np

PREFIX = "step: "
ERROR = "error.txt"


def step(name: str) -> None:
    """Announces what is done next."""
    print(f"{PREFIX}{name}", flush=True)


def main(path: str) -> int:
    """Does the job; returns the exit code."""
    job = json.loads(Path(path).read_text(encoding="utf-8"))
    folder = Path(job["folder"])
    try:
        work(job, folder)
    except (ValueError, OSError) as error:
        if job["debug"]:
            raise
        (folder / ERROR).write_text(str(error), encoding="utf-8")
        return 2
    return 0


def work(job: dict, folder: Path) -> None:
    """Loads the model, answers the test samples, converts."""
    step("loading the model")
    from mmkeras.model import load_model

    model = load_model(job["model"])
    check_finite(model, job["model"])

    step("running the model")
    answer(model, job, folder)

    if job["quantize"] == "int8":
        with np.load(folder / "calibration.npz", allow_pickle=False) as file:
            samples = dict(file)
    else:
        samples = {}
    if "tflite" in job["formats"]:
        make_tflite(model, job["quantize"], samples, folder)
    if "onnx" in job["formats"]:
        make_onnx(model, job["quantize"], samples, folder)


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
    from mmkeras.export.samples import scenarios

    with np.load(folder / "test.npz", allow_pickle=False) as file:
        x = dict(file)
    outputs = {}
    for scenario, inputs in scenarios(x, tuple(job["optional"])):
        found = model.predict(inputs, batch_size=32, verbose=0)
        for target, values in found.items():
            outputs[f"{scenario}/{target}"] = values
    np.savez(folder / "keras.npz", **outputs)


def make_tflite(model, quantize: str, samples: dict, folder: Path) -> None:
    """Writes the float file and the quantized one."""
    from mmkeras.export.audit import check_built_in
    from mmkeras.export.convert import to_tflite
    from mmkeras.export.quantize import quantize_tflite

    step("converting to tflite, float32")
    source = folder / "float.tflite"
    to_tflite(model, source)
    target = folder / f"{quantize}.tflite"
    if quantize != "none":
        step(f"converting to tflite, {quantize}")
    if quantize == "int8":
        quantize_tflite(source, target, samples)
        check_built_in(target, model)
    elif quantize != "none":
        to_tflite(model, target, quantize)


def make_onnx(model, quantize: str, samples: dict, folder: Path) -> None:
    """Writes the float file and the quantized one."""
    from mmkeras.export import onnx, quantize_onnx

    step("converting to onnx, float32")
    source = folder / "float.onnx"
    onnx.to_onnx(model, source)
    target = folder / f"{quantize}.onnx"
    if quantize != "none":
        step(f"converting to onnx, {quantize}")
    if quantize == "int8":
        quantize_onnx.to_int8(source, target, samples)
    elif quantize == "dynamic":
        quantize_onnx.to_dynamic(source, target)
    elif quantize == "float16":
        quantize_onnx.to_float16(source, target)


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.exit(main(sys.argv[1]))
