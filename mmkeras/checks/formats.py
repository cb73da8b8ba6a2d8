"""The clauses about files: every format decides as the Keras model does."""

import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from mmkeras.checks.clauses import output_of
from mmkeras.checks.toys import CLASSIFY, Task, toy_problem, train
from mmkeras.export import (
    FORMATS,
    ConversionContext,
    ProducedFile,
    decibels,
    layer_path,
    loop_of,
    noise_ratio,
    open_file,
    prove,
    run_all,
    writing,
)
from mmkeras.introspection import finishers


@dataclass(frozen=True)
class FileKind:
    """A format, and how its file is made smaller; "float32" is not at all."""

    format: str
    recipe: str

    def __str__(self):
        return f"{self.format} {self.recipe}"


FULL = FileKind("tflite", "int8-full")
EVERY = (
    FileKind("tflite", "float32"),
    FileKind("tflite", "float16"),
    FileKind("tflite", "dynamic"),
    FileKind("tflite", "int8-heavy"),
    FileKind("tflite", "int16x8"),
    FULL,
    FileKind("onnx", "float32"),
    FileKind("onnx", "int8"),
)
# What a file of a device must be at the very least.
DEVICE = (FileKind("tflite", "float32"), FileKind("tflite", "int8-heavy"))


def exports(
    model: keras.Model,
    kinds: Iterable[FileKind] = DEVICE,
    trained: bool = True,
    prototypes: dict | None = None,
    epochs: int = 12,
    task: Task = CLASSIFY,
) -> None:
    """Every format runs on plain runtimes and is the same model.

    float32 within 1e-4; the others decide the same for at least 99 of 100
    samples of a toy problem, which the model is first trained on, or, with
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
        _adapt(model, x)
    wanted = output_of(model, x)
    finish = finishers(model).get("label")
    wanted = finish(wanted) if finish else wanted
    classes = y["label"]
    decisions = task.decide(wanted, classes)
    right = (decisions == task.truth(classes)).mean()
    if trained and right <= 0.9:
        # Agreement of untrained guesses would be meaningless.
        raise ValueError(
            "a part must learn the toy problem, three prototypes with a "
            f"little noise. Received: {right:.0%} right"
        )
    with tempfile.TemporaryDirectory() as folder:
        for file in _files(model, Path(folder), kinds, prototypes):
            prove(file.path, x)
            run = open_file(file.path)
            run = writing(run, file.path, file.notes.decoders)
            got = run_all(run, x)["label"]
            same = task.decide(got, classes) == decisions
            _compare(file, got, wanted, same.mean() if trained else None)


def _adapt(model: keras.Model, x: dict) -> None:
    """Lets batch normalization see samples; else, deep random weights fade."""
    import tensorflow as tf

    step = tf.function(lambda x: model(x, training=True), autograph=False)
    for _ in range(25):
        step({name: tf.constant(values) for name, values in x.items()})


def _compare(file: ProducedFile, got, wanted, agreement: float | None) -> None:
    if file.is_float:
        apart = float(np.abs(got - wanted).max())
        if not apart <= 1e-4:
            raise ValueError(
                f"{file.name} must be within 1e-4 of Keras. Received: "
                f"{apart:.2g}"
            )
    elif agreement is not None:
        if agreement < 0.99:
            raise ValueError(
                f"{file.name} must decide as Keras does for at least 99 % of "
                f"the samples. Received: {agreement:.0%}"
            )
    else:
        ratio = decibels(noise_ratio({"y": wanted}, {"y": got}))
        if ratio <= 20:
            raise ValueError(
                f"{file.name} must be at least 20 dB above its noise. "
                f"Received: {ratio:.0f} dB"
            )


def _files(
    model: keras.Model,
    folder: Path,
    kinds: Iterable[FileKind],
    prototypes: dict | None,
) -> Iterator[ProducedFile]:
    samples, _ = toy_problem(model, 32, seed=2, prototypes=prototypes)
    made = ConversionContext(folder, model, samples)
    floats: dict[str, ProducedFile] = {}
    writes = bool(finishers(model))
    for kind in kinds:
        form = FORMATS[kind.format]
        if writes and kind.recipe not in ("float32", *form.of_texts):
            continue
        if writes and not form.of_texts:
            continue
        if kind.format not in floats:
            floats[kind.format] = form.convert(made)
        source = floats[kind.format]
        if kind == FULL and (loop := loop_of(source.path)):
            _check_refusal(made, source, layer_path(model, loop))
        elif kind.recipe == source.recipe:
            yield source
        else:
            yield form.quantize(source, kind.recipe, made)


def _check_refusal(
    made: ConversionContext, source: ProducedFile, layer: str
) -> None:
    try:
        FORMATS[FULL.format].quantize(source, FULL.recipe, made)
    except ValueError as error:
        if f"`{layer}`" in str(error) and "Instead: `unroll" in str(error):
            return
    raise ValueError(
        "a loop must be refused in full int8, with its layer's name and what "
        f"to use instead. Received: no such word about `{layer}`"
    )
