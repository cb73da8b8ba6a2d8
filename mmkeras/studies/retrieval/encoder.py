"""Embeds samples, by Keras or by an exported file."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

from mmkeras.export import open_file, prove, run_all
from mmkeras.model import load_model
from mmkeras.training.trainable.single_towers import (
    input_names,
    modalities,
    tower_of,
)

OUTPUT = "embedding"
Encoder = Callable[[Mapping[str, np.ndarray]], np.ndarray]


def embedding_model(model: keras.Model, name: str) -> keras.Model:
    """Returns the part of a model that makes one embedding of length 1.

    Args:
        model: A whole model, with layers `<modality>_tower`; or one that
            aligned its towers, `alignment_model`, whose projections bring all
            modalities into one space.
        name: A modality, whose tower's "vector" (and projection) is the
            embedding; or a target of kind "embedding", which reads all
            modalities.

    Returns:
        Model from `{modality: x}` to `{"embedding": (batch, units)}`; it
        shares its weights with `model`.

    Raises:
        ValueError: If there is no such modality or target.

    Example:

    >>> encoder = embedding_model(model, "image")
    >>> encoder.predict_on_batch({"image": pictures})["embedding"].shape
    (32, 64)
    """
    finish = keras.layers.UnitNormalization(name=OUTPUT, dtype="float32")
    inputs = input_names(model)
    outputs = model.output if isinstance(model.output, Mapping) else {}
    known = modalities(model)
    # The model of an alignment stage has its outputs by modality.
    targets = sorted(set(outputs) - set(known))
    if name in targets:
        return keras.Model(inputs, {OUTPUT: finish(outputs[name])})
    if name not in known:
        raise ValueError(
            "`name` must be a modality of the model, or a target of kind "
            f"'embedding': {', '.join([*known, *targets])}. Received: {name!r}"
        )
    x = keras.Input(inputs[name].shape[1:], dtype=inputs[name].dtype, name=name)
    vector = tower_of(model, name)(x)["vector"]
    project = projections_of(model).get(name)
    if project is not None:
        vector = project(vector)
    return keras.Model({name: x}, {OUTPUT: finish(vector)})


def projections_of(model: keras.Model) -> dict[str, Any]:
    """Returns the layers that bring each modality into a common space."""
    for layer in model.layers:
        if hasattr(layer, "projections"):
            return dict(layer.projections)
    return {}


def open_encoder(path: str | Path, output: str = OUTPUT) -> Encoder:
    """Opens a `.keras`, `.tflite` or `.onnx` file that makes embeddings.

    Returns:
        A function from `{name: (batch, ...)}` to `(batch, units)`.
    """
    if Path(path).suffix == ".keras":
        model = load_model(path)
        return lambda x: np.asarray(model.predict_on_batch(dict(x))[output])
    prove(path)
    run = open_file(path)
    return lambda x: run_all(run, x)[output]


def embed(
    encoder: Encoder,
    names: list[str],
    data: Any,
    split: str,
    column: int | None = None,
) -> tuple[np.ndarray, list[str]]:
    """Returns the embeddings of a split, and the ids of their samples.

    Args:
        encoder: What `open_encoder` returned.
        names: The inputs it reads.
        data: What `load_data` returned.
        split: "train", "validation" or "test".
        column: Column of `present` of the modality that is embedded; samples
            that lack it are left out. None where it is always there.
    """
    vectors, there = [], []
    for x, _, _ in data.ordered(split):
        found = encoder({name: np.asarray(x[name]) for name in names})
        here = np.ones(len(found), bool)
        if column is not None:
            here = np.asarray(x["present"])[:, column] > 0
        vectors.append(found[here])
        there.append(here)
    ids = np.array(data.ids(split))[np.concatenate(there)]
    return np.concatenate(vectors), ids.tolist()
