"""The towers inside a whole model, and each as a model of its own."""

from collections.abc import Mapping
from typing import Any

import keras


def input_names(model: keras.Model) -> dict[str, Any]:
    """Returns the model's inputs by name; refuses what has none."""
    if not isinstance(model.input, Mapping):
        raise ValueError(
            "`model` must have a dict of inputs, `{modality: x}`, as "
            f"`build_model` makes it. Received: {type(model.input).__name__}"
        )
    return dict(model.input)


def modalities(model: keras.Model) -> list[str]:
    """Returns the names of the model's modalities, sorted."""
    return sorted(set(input_names(model)) - {"present"})


def tower_of(model: keras.Model, name: str) -> keras.Model:
    """Returns the tower of the modality `name`."""
    layers = [layer.name for layer in model.layers]
    if f"{name}_tower" not in layers:
        raise ValueError(
            f"`model` must have a layer `{name}_tower` for its input "
            f"`{name}`. Received: the layers {', '.join(sorted(layers))}"
        )
    return model.get_layer(f"{name}_tower")


def answerable(heads: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Returns the heads that one modality alone can answer.

    A head may say by `needs` which modalities it cannot do without, as one
    that answers in the places of a picture.
    """
    return {
        target: head
        for target, head in heads.items()
        if {*getattr(head, "needs", ())} <= {name}
    }


def tower_model(
    model: keras.Model, name: str, heads: Mapping[str, Any]
) -> keras.Model:
    """Returns one tower with heads of its own on its "vector".

    The tower's weights are those of `model`; the heads are new.

    Raises:
        ValueError: If a head needs another modality.
    """
    if lacking := sorted({*heads} - {*answerable(heads, name)}):
        raise ValueError(
            "Every target must be one that each modality can answer alone "
            f"for this. Received: `{lacking[0]}`, which `{name}` cannot; "
            "another strategy, or `pretrain`, can be used"
        )
    like = input_names(model)[name]
    x = keras.Input(like.shape[1:], dtype=like.dtype, name=name)
    found = tower_of(model, name)(x)
    seen = {name: {**found, "input": x}}
    outputs = {
        target: head(found["vector"], target, seen)
        for target, head in heads.items()
    }
    return keras.Model({name: x}, outputs, name=f"{name}_alone")


def check_targets(model: keras.Model, heads: Mapping[str, Any]) -> None:
    """Raises ValueError unless the model's outputs are those of `heads`."""
    outputs = model.output if isinstance(model.output, Mapping) else {}
    if set(outputs) != set(heads):
        raise ValueError(
            "`heads` must have one entry for each output of `model`: "
            f"{sorted(outputs)}. Received: {sorted(heads)}"
        )
