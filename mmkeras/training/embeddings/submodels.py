"""Models made of parts of a whole model: towers alone, or fusion and heads.

All share the layers of the whole model, so that training them trains it.
"""

import math
from collections.abc import Collection
from typing import Any

import keras
from keras import ops

from mmkeras import keras_private as private
from mmkeras.training.trainable.single_towers import (
    input_names,
    modalities,
    tower_of,
)


@keras.saving.register_keras_serializable(package="mmkeras")
class Resting(keras.layers.Wrapper):
    """A frozen tower: inference mode always, so no dropout.

    Args:
        layer: The tower.

    Call arguments and outputs: those of the tower.
    """

    def call(self, inputs):
        return self.layer(inputs, training=False)


@keras.saving.register_keras_serializable(package="mmkeras")
class Unpack(keras.layers.Layer):
    """Takes the place of a tower: unpacks its cached outputs, see `pack`.

    Args:
        units: Width d of the vector.
        tokens: Number t of tokens; 0 where no layer reads them. Then the vector
            is the only token, so that every fusion still gets one.
        width: Width of a token.
        skips: Shapes of the feature maps, without the batch.

    Input shape: `(batch, d + t * width + t + numbers of the maps)`.
    Output: `{"vector": (batch, d), "tokens": (batch, t, width),
    "mask": (batch, t)}`, and the maps as "skips" where there are any.
    """

    def __init__(self, units, tokens=0, width=0, skips=(), **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.tokens = tokens
        self.width = width
        self.skips = tuple(tuple(shape) for shape in skips)

    @property
    def packed(self):
        """Numbers a sample."""
        tokens = self.tokens * (self.width + 1)
        return self.units + tokens + sum(map(math.prod, self.skips))

    def call(self, x):
        vector, end = x[:, : self.units], self.units
        tokens = ops.expand_dims(vector, 1)
        mask = ops.ones_like(vector[:, :1])
        if self.tokens:
            start, end = end, end + self.tokens * self.width
            shape = (-1, self.tokens, self.width)
            tokens = ops.reshape(x[:, start:end], shape)
            start, end = end, end + self.tokens
            mask = x[:, start:end]
        found = {"vector": vector, "tokens": tokens, "mask": mask}
        maps = []
        for shape in self.skips:
            start, end = end, end + math.prod(shape)
            maps.append(ops.reshape(x[:, start:end], (-1, *shape)))
        return {**found, "skips": maps} if maps else found


def pack(outputs: dict[str, Any], tokens: bool) -> Any:
    """Returns a tower's outputs as one float32 `(batch, n)`.

    Args:
        outputs: `{"vector", "tokens", "mask"}`, and "skips", which are kept
            wherever there are any: only a head that reads them asks for them.
        tokens: Whether tokens and mask are kept too.
    """
    parts = [outputs["vector"]]
    if tokens:
        parts += [_flat(outputs["tokens"]), outputs["mask"]]
    parts += map(_flat, outputs.get("skips", []))
    return ops.concatenate([ops.cast(x, "float32") for x in parts], axis=-1)


def _flat(x: Any) -> Any:
    return ops.reshape(x, (-1, math.prod(x.shape[1:])))


def embedding_model(
    whole: keras.Model, tokens: Collection[str] | None = None
) -> keras.Model:
    """Returns `{modality: x}` to `{modality: packed}`, in inference mode.

    Args:
        whole: Functional model with a layer `<modality>_tower` a modality.
        tokens: The modalities whose tokens are kept; by default those that
            fusion or heads read.

    Example:

    >>> embeddings = embedding_model(model).predict_on_batch(x)
    """
    readers = token_readers(whole) if tokens is None else tokens
    inputs = {name: _like(x) for name, x in _raw(whole).items()}
    outputs = {
        name: pack(Resting(tower_of(whole, name))(x), name in readers)
        for name, x in inputs.items()
    }
    towers = keras.Model(inputs, outputs)
    towers.compile(jit_compile=False)
    return towers


def fusion_model(
    whole: keras.Model, tokens: Collection[str] | None = None
) -> keras.Model:
    """Returns fusion and heads of `whole`, the same layers, without towers.

    Args:
        whole: Functional model with a layer `<modality>_tower` a modality.
        tokens: As in `embedding_model`.

    Returns:
        A model from the outputs of `embedding_model`, and `present` where
        `whole` has it, to `{target: y}`.

    Example:

    >>> x = {**embedding_model(model).predict_on_batch(x), "present": present}
    >>> fusion_model(model).fit(x, y)
    """
    readers = token_readers(whole) if tokens is None else tokens

    def unpack(name, tower):
        vector, tokens = tower.output["vector"], tower.output["tokens"]
        shape = tokens.shape[1:] if name in readers else (0, 0)
        return Unpack(
            vector.shape[-1],
            *shape,
            [x.shape[1:] for x in tower.output.get("skips", [])],
            name=tower.name,
            dtype="float32",
        )

    def packed(layer):
        return keras.Input(
            (layer.packed,),
            dtype="float32",
            name=layer.name.removesuffix("_tower"),
        )

    towers = {n: unpack(n, tower_of(whole, n)) for n in modalities(whole)}
    return _rebuilt(whole, towers, {n: packed(t) for n, t in towers.items()})


def frozen_model(whole: keras.Model) -> keras.Model:
    """Returns `whole`, the same layers, with towers in inference mode.

    Trains the same weights as `fusion_model`, from raw inputs, not a cache.
    """
    towers = {
        name: Resting(tower_of(whole, name), name=f"{name}_tower")
        for name in modalities(whole)
    }
    return _rebuilt(
        whole, towers, {n: _like(x) for n, x in _raw(whole).items()}
    )


def towers_alone(whole: keras.Model, names: Collection[str]) -> keras.Model:
    """Returns some towers of `whole`, from `{modality: x}` to their outputs."""
    known = input_names(whole)
    inputs = {name: _like(known[name]) for name in names}
    outputs = {n: tower_of(whole, n)(x) for n, x in inputs.items()}
    return keras.Model(inputs, outputs, name=f"{whole.name}_towers")


def token_readers(whole: keras.Model) -> set[str]:
    """Returns the modalities whose tokens or mask a layer reads.

    A fusion with `reads_tokens = False` reads vectors alone; a layer without
    this attribute is taken to read all its inputs.
    """
    nodes = private.nodes_of(whole)
    owners: dict[int, str] = {}
    towers = {id(tower_of(whole, n)): n for n in modalities(whole)}
    for node in nodes:
        if id(node.operation) in towers:
            outputs = keras.tree.pack_sequence_as(
                node.operation.output, node.output_tensors
            )
            for part in ("tokens", "mask"):
                owners[id(outputs[part])] = towers[id(node.operation)]
    return {
        owners[id(tensor)]
        for node in nodes
        if getattr(node.operation, "reads_tokens", True)
        for tensor in node.input_tensors
        if id(tensor) in owners
    }


def input_readers(whole: keras.Model) -> set[str]:
    """Returns the modalities whose input another layer than a tower reads.

    As a head does that predicts what comes after it, or rebuilds it.
    """
    raw = {id(x): name for name, x in _raw(whole).items()}
    towers = {id(tower_of(whole, n)) for n in modalities(whole)}
    return {
        raw[id(tensor)]
        for node in private.nodes_of(whole)
        if id(node.operation) not in towers
        for tensor in node.input_tensors
        if id(tensor) in raw
    }


def _raw(whole: keras.Model) -> dict[str, Any]:
    """Returns the inputs of the towers."""
    inputs = input_names(whole)
    return {name: inputs[name] for name in modalities(whole)}


def _like(x: Any) -> Any:
    return keras.Input(batch_shape=x.shape, dtype=x.dtype, name=x.name)


def _rebuilt(
    whole: keras.Model, towers: dict[str, Any], inputs: dict[str, Any]
) -> keras.Model:
    """Returns `whole` on other inputs, through other towers."""
    rest = {n: x for n, x in input_names(whole).items() if n not in inputs}
    inputs = {**inputs, **{n: _like(x) for n, x in rest.items()}}
    replaced = {id(tower_of(whole, n)): tower for n, tower in towers.items()}

    def operation(layer):
        if id(layer) not in replaced:
            return layer
        # A tower that is a model was called with a mask and `training` too.
        return lambda x, **_: replaced[id(layer)](x)

    outputs = private.run_graph(whole, inputs, operation_fn=operation)
    return keras.Model(inputs, outputs, name=f"{whole.name}_fusion")
