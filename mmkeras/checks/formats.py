"""The clauses about files: every format decides as the Keras model does."""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import keras
import numpy as np

from mmkeras.checks.toys import CLASSIFY, Task, toy_problem, train
from mmkeras.export import (
    decibels,
    layer_path,
    loop_of,
    narrow_convolutions,
    noise_ratio,
    open_file,
    quantize_full,
    quantize_tflite,
    refuse_loop,
    run_all,
    to_int8,
    to_onnx,
    to_tflite,
)

FORMATS = (
    "tflite float32",
    "tflite float16",
    "tflite dynamic",
    "tflite int8-heavy",
    "tflite int16x8",
    "tflite int8-full",
    "onnx float32",
    "onnx int8",
)
# What a file of a device must be at the very least.
DEVICE = ("tflite float32", "tflite int8-heavy")


def exports(
    model: keras.Model,
    formats: tuple[str, ...] = DEVICE,
    trained: bool = True,
    prototypes: dict | None = None,
    epochs: int = 12,
    task: Task = CLASSIFY,
) -> None:
    """Every format runs on plain runtimes and is the same model.

    float32 within 1e-4; the others decide the same for at least 99 of 100
    samples of a toy problem, which the model is taught first, or, with
    `trained` off, have 100 times less noise than signal. Full int8 of a loop
    is refused, by the layer's name and with a remedy.

    Raises:
        ValueError: If a format cannot be made or differs.
    """
    keras.utils.set_random_seed(0)
    if trained:
        train(model, prototypes, epochs, task)
    count = 100 if trained else 16
    x, y = toy_problem(model, count, seed=1, prototypes=prototypes)
    if not trained:
        # Batch normalisation adapts; without, deep random weights fade away.
        for _ in range(25):
            model(x, training=True)
    wanted = model.predict(x, verbose=0)["label"]
    classes = y["label"]
    decisions = task.decide(wanted, classes)
    right = (decisions == task.truth(classes)).mean()
    if trained and right <= 0.9:
        # Agreement between two guesses would say nothing.
        raise ValueError(
            "a part must learn the toy problem, three prototypes with a "
            f"little noise. Received: {right:.0%} right"
        )
    with tempfile.TemporaryDirectory() as folder:
        for name, path in _files(model, Path(folder), formats, prototypes):
            got = run_all(open_file(path), x)["label"]
            same = task.decide(got, classes) == decisions
            _compare(name, got, wanted, same.mean() if trained else None)


def _compare(name: str, got, wanted, agreement: float | None) -> None:
    if name.endswith("float32"):
        apart = float(np.abs(got - wanted).max())
        if not apart <= 1e-4:
            raise ValueError(
                f"{name} must be within 1e-4 of Keras. Received: {apart:.2g}"
            )
    elif agreement is not None:
        if agreement < 0.99:
            raise ValueError(
                f"{name} must decide as Keras does for at least 99 % of the "
                f"samples. Received: {agreement:.0%}"
            )
    else:
        ratio = decibels(noise_ratio({"y": wanted}, {"y": got}))
        if ratio <= 20:
            raise ValueError(
                f"{name} must be at least 20 dB above its noise. Received: "
                f"{ratio:.0f} dB"
            )


def _files(
    model: keras.Model,
    folder: Path,
    formats: tuple[str, ...],
    prototypes: dict | None,
) -> Iterator[tuple[str, Path]]:
    samples, _ = toy_problem(model, 32, seed=2, prototypes=prototypes)
    source = folder / "float.tflite"
    to_tflite(model, source)
    keep = narrow_convolutions(source)
    onnx = folder / "float.onnx"
    if any(name.startswith("onnx") for name in formats):
        to_onnx(model, onnx)

    def heavy(path: Path, bits: int = 8) -> None:
        quantize_tflite(source, path, samples, bits=bits, keep=keep)

    makers: dict[str, Callable[[Path], object]] = {
        "tflite float16": lambda path: to_tflite(model, path, "float16"),
        "tflite dynamic": lambda path: to_tflite(model, path, "dynamic"),
        "tflite int8-heavy": heavy,
        "tflite int16x8": lambda path: heavy(path, 16),
        "tflite int8-full": lambda path: quantize_full(source, path, samples),
        "onnx int8": lambda path: to_int8(onnx, path, samples),
    }
    made = {"tflite float32": source, "onnx float32": onnx}
    for name in formats:
        if name == "tflite int8-full" and (loop := loop_of(source)):
            _check_refusal(layer_path(model, loop))
            continue
        path = made.get(name)
        if path is None:
            path = folder / f"{name.replace(' ', '.')}"
            path = path.with_suffix(".onnx" if "onnx" in name else ".tflite")
            makers[name](path)
        yield name, path


def _check_refusal(layer: str) -> None:
    try:
        refuse_loop(layer)
    except ValueError as error:
        if f"`{layer}`" in str(error) and "Instead: `unroll" in str(error):
            return
    raise ValueError(
        "a loop must be refused in full int8, with its layer's name and what "
        f"to use instead. Received: no such word about `{layer}`"
    )
