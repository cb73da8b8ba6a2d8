"""Votes of a late fusion: each modality by how well it answers alone."""

from collections.abc import Iterator, Mapping
from typing import Any

import keras
import numpy as np

from mmkeras.training.trainable.single_towers import (
    input_names,
    modalities,
    tower_of,
)


class VotesFromValidation(keras.callbacks.Callback):
    """Sets the weights of `WeightedAverage` layers from a validation split.

    Before each validation, so that its figures and all that follows them see
    the new weights, each modality answers the split by itself. Its weight
    becomes one over its loss, over the samples that have it and a label: for
    numbers, one over the squared error. Costs one more pass over the split.

    Args:
        model: The model; one `WeightedAverage` for each target that has one.
        losses: Loss of each target.
        validation: Batches `({modality: x}, {target: y})`, with weights or
            without; those that `fit` gets as `validation_data`.

    Example:

    >>> votes = VotesFromValidation(model, losses(heads), data.validation)
    >>> model.fit(data.train, validation_data=data.validation,
    ...           callbacks=[votes])
    """

    def __init__(
        self,
        model: keras.Model,
        losses: Mapping[str, Any],
        validation: Any,
    ):
        super().__init__()
        self.losses = losses
        self.validation = validation
        self.layers = voting_layers(model)
        if not self.layers:
            raise ValueError(
                "`model` must have a `WeightedAverage` that answers a target. "
                f"Received: the targets {', '.join(sorted(model.output))}, "
                "none answered so"
            )
        self.probe = answers_alone(model, self.layers)

    def on_test_begin(self, logs=None):
        totals: dict[tuple[str, str], np.ndarray] = {}
        for x, y, weights in batches_of(self.validation):
            answers = self.probe.predict_on_batch(
                {name: x[name] for name in self.probe.input}
            )
            for target in self.layers:
                for name, answer in answers[target].items():
                    weight = self._weight(x, y, weights, target, name)
                    loss = self.losses[target](y[target], answer, weight)
                    # A mean over all samples, those without weight too.
                    each = np.array([float(loss) * weight.size, weight.sum()])
                    key = target, name
                    totals[key] = totals.get(key, 0) + each
        for target, layer in self.layers.items():
            votes = votes_of(
                {n: total for (t, n), total in totals.items() if t == target}
            )
            if votes:
                layer.set_votes(votes)

    def _weight(self, x, y, weights, target, name):
        """Returns the samples that have both label and modality."""
        given = (weights or {}).get(target)
        if given is None:
            given = np.ones(len(y[target]))
        weight = keras.ops.convert_to_numpy(given).astype("float32")
        optional = sorted(self.layers[target].standins)
        if name in optional:
            present = keras.ops.convert_to_numpy(x["present"])
            weight = weight * present[:, optional.index(name)]
        return weight


def votes_of(totals: Mapping[str, np.ndarray]) -> dict[str, float]:
    """Returns one over the mean loss of each modality.

    Args:
        totals: Sum of the losses, and of the weights, by modality. One that
            no sample has gets the smallest vote.
    """
    votes = {
        name: 1 / max(loss / count, 1e-6)
        for name, (loss, count) in totals.items()
        if count and np.isfinite(loss)
    }
    return votes and {n: votes.get(n, min(votes.values())) for n in totals}


def voting_layers(model: keras.Model) -> dict[str, Any]:
    """Returns the layers that take votes, by the target they answer."""
    return {
        target: layer
        for target, output in model.output.items()
        for layer in _asked_by(output)
        if hasattr(layer, "set_votes")
    }


def _asked_by(output: Any) -> list[Any]:
    """Returns the layers whose answer the last one finished."""
    # Not `layer.input`: a layer may be in several models.
    last = output._keras_history
    node = last.operation._inbound_nodes[last.node_index]
    return [tensor._keras_history.operation for tensor in node.input_tensors]


class Alone(keras.layers.Layer):
    """What each modality answers by itself, in the target's unit."""

    def __init__(self, fusion, finish):
        super().__init__()
        self.fusion = fusion
        self.finish = finish

    def call(self, features):
        answers = self.fusion.alone(features)
        return {name: self.finish(answer) for name, answer in answers.items()}


def answers_alone(model: keras.Model, layers: Mapping[str, Any]) -> keras.Model:
    """Returns `{modality: x}` to `{target: {modality: answer}}`."""
    inputs = {name: input_names(model)[name] for name in modalities(model)}
    features = {name: tower_of(model, name)(x) for name, x in inputs.items()}
    outputs = {
        target: Alone(layer, model.get_layer(target))(features)
        for target, layer in layers.items()
    }
    probe = keras.Model(inputs, outputs)
    probe.compile(jit_compile=False)
    return probe


def batches_of(dataset: Any) -> Iterator[tuple]:
    """Yields `(x, y, weights)`; weights may be None."""
    if isinstance(dataset, keras.utils.PyDataset):
        batches = map(dataset.__getitem__, range(len(dataset)))
    else:
        batches = iter(dataset)
    for batch in batches:
        yield keras.utils.unpack_x_y_sample_weight(batch)
