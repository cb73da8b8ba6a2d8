"""Gradient blending: no modality drives the training once it only memorises."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import keras

from mmkeras import keras_private as private
from mmkeras.training.stages.datasets import (
    OneModality,
    mapped,
    present_columns,
)
from mmkeras.training.stages.definition import Stage
from mmkeras.training.strategies.blend_weights import (
    BlendWeights,
    blend_weights,
    split_losses,
)
from mmkeras.training.trainable.single_towers import (
    input_names,
    modalities,
    tower_model,
    tower_of,
)

FUSED = "fused"


def blending_plan(
    model: keras.Model, blend_epochs: int
) -> list[tuple[str, int]]:
    """Returns name and epochs of the stages that find the weights."""
    names = [*modalities(model), FUSED]
    return [(f"blend_{name}", blend_epochs) for name in names]


def blending_stages(
    model: keras.Model,
    data: Any,
    heads: Mapping[str, Any],
    blend_epochs: int,
    epochs: int,
    learning_rate: float,
) -> Iterator[Stage]:
    """Yields the stages of gradient blending (offline).

    A model of several modalities overfits sooner than one of each, and the
    modality that learns fastest stops the others. Here each tower, with heads
    of its own, and the whole model are trained for a few epochs; how their
    losses change measures how much each of them generalises and
    overfits. They start from the same weights, which are restored. Then all
    is trained at once, from that beginning: the tower's heads and the whole
    model's, each loss weighed by `blend_weights`. The towers' heads are
    discarded. `blend_{modality}` and `blend_fused` join the last stage's
    figures.

    Costs `blend_epochs` of each tower and of the whole model, and a head a
    tower and target in training; nothing in the model that is left.

    Args:
        model: The whole model.
        data: Has `train` and `validation`; a sample that lacks a modality
            does not count for that tower's heads.
        heads: The model's heads by target.
        blend_epochs: Epochs of each estimate.
        epochs: Epochs of the training.
        learning_rate: Peak learning rate of all stages.

    Raises:
        ValueError: If there is no validation split, or one modality only.

    Source: Wang, Tran, Feiszli, "What Makes Training Multi-Modal
    Classification Networks Hard?", 2020 (arXiv 1905.12681), algorithms 1
    and 2.
    """
    names = modalities(model)
    _check(data, names)
    inputs = input_names(model)
    optional = inputs["present"].shape[-1] if "present" in inputs else 0
    columns = present_columns(data, names, optional)
    start = model.get_weights()
    losses = {}
    for name in [*names, FUSED]:
        if name == FUSED:
            alone, own = model, data
        else:
            alone = tower_model(model, name, heads)
            own = OneModality(data, name, columns.get(name))
        before = split_losses(alone, own, heads)
        yield Stage(
            f"blend_{name}", alone, own, blend_epochs, learning_rate, heads
        )
        losses[name] = (before, split_losses(alone, own, heads))
        model.set_weights(start)
    weights = blend_weights(losses)
    blended, every = blended_model(model, heads, weights)
    copied = SimpleNamespace(
        train=with_copies(data.train, heads, names, columns),
        validation=with_copies(data.validation, heads, names, columns),
    )
    yield Stage(
        "all",
        blended,
        copied,
        epochs,
        learning_rate,
        every,
        product=model,
        callbacks=[BlendWeights(weights)],
    )


def _check(data: Any, names: list[str]) -> None:
    if data.validation is None:
        raise ValueError(
            "`blend` needs a validation split to see overfitting. Received: "
            "data.validation=None"
        )
    if len(names) < 2:
        raise ValueError(
            "`blend` weighs modalities against each other. Received: a model "
            f"with {', '.join(names)} alone"
        )


def blended_model(
    model: keras.Model, heads: Mapping[str, Any], weights: Mapping[str, float]
) -> tuple[keras.Model, dict[str, Any]]:
    """Returns `model` with heads on each tower, and all heads by output.

    The towers and the rest are the same layers, run once.
    """
    outputs = dict(model.output)
    every = {
        target: replace(head, weight=head.weight * weights[FUSED])
        for target, head in heads.items()
    }
    for name in modalities(model):
        found = _outputs_of(model, name)
        for target, head in heads.items():
            key = copy_name(target, name)
            outputs[key] = head(found["vector"], key, {name: found})
            every[key] = replace(head, weight=head.weight * weights[name])
    return keras.Model(model.input, outputs, name="blended"), every


def _outputs_of(model: keras.Model, name: str) -> dict[str, Any]:
    """Returns a tower's outputs inside the whole model."""
    tower = tower_of(model, name)
    for node in private.nodes_of(model):
        if node.operation is tower:
            return keras.tree.pack_sequence_as(
                tower.output, node.output_tensors
            )
    raise ValueError(
        f"`model` must call its layer `{tower.name}` by itself. Received: a "
        "model that calls it inside another layer"
    )


def copy_name(target: str, modality: str) -> str:
    """Returns the name of a tower's output for a target."""
    return f"{target}_from_{modality}"


def with_copies(
    dataset: Any,
    heads: Mapping[str, Any],
    names: list[str],
    columns: Mapping[str, int],
) -> Any:
    """Returns `dataset` with each label once more for every tower.

    Args:
        dataset: A `tf.data.Dataset` or `keras.utils.PyDataset`.
        heads: The heads by target.
        names: The modalities.
        columns: Column of `present` of each optional one; samples that lack
            it get weight 0.
    """
    pairs = [(target, name) for target in heads for name in names]

    def copy(x, y, weights=None):
        every = {copy_name(t, n): y[t] for t, n in pairs}
        if weights is None and not columns:
            return x, {**y, **every}
        if weights is None:
            weights = dict.fromkeys(heads, x["present"][:, 0] * 0 + 1)
        own = {}
        for target, name in pairs:
            weight = weights[target]
            if name in columns:
                here = x["present"][:, columns[name]]
                # A sequence has a weight for each of its steps.
                weight = weight * (
                    here if len(weight.shape) == 1 else here[:, None]
                )
            own[copy_name(target, name)] = weight
        return x, {**y, **every}, {**weights, **own}

    return mapped(dataset, copy)
