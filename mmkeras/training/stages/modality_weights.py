"""Modality weights of a late fusion, by the validation loss of each alone."""

from collections.abc import Iterator, Mapping
from typing import Any

import keras
import numpy as np

from mmkeras import keras_private as private
from mmkeras.training.trainable.single_towers import (
    input_names,
    modalities,
    tower_of,
)


class ModalityWeightsFromValidation(keras.callbacks.Callback):
    """Sets the weights of `WeightedAverage` layers from a validation split.

    Each modality alone predicts the split. This is done before each
    validation, so that its metrics and callbacks see the new weights. A weight
    becomes one over its loss, over the samples that have it and a label: for
    numbers, one over the squared error. Costs one more pass over the split.

    Args:
        model: The model; one `WeightedAverage` for each target that has one.
        losses: Loss of each target.
        validation: Batches `({modality: x}, {target: y})`, with weights or
            without; those that `fit` gets as `validation_data`.

    Example:

    >>> weights = ModalityWeightsFromValidation(
    ...     model, losses(heads), data.validation
    ... )
    >>> model.fit(data.train, validation_data=data.validation,
    ...           callbacks=[weights])
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
        self.layers = modality_weighted_layers(model)
        if not self.layers:
            raise ValueError(
                "`model` must have a `WeightedAverage` as the output of a "
                "target. "
                f"Received: the targets {', '.join(sorted(model.output))}, "
                "none with such an output"
            )
        self.probe = unimodal_model(model, self.layers)

    def on_test_begin(self, logs=None):
        totals: dict[tuple[str, str], np.ndarray] = {}
        for x, y, weights in batches_of(self.validation):
            outputs = self.probe.predict_on_batch(
                {name: x[name] for name in self.probe.input}
            )
            for target in self.layers:
                for name, output in outputs[target].items():
                    weight = self._weight(x, y, weights, target, name)
                    loss = self.losses[target](y[target], output, weight)
                    # A mean over all samples, those without weight too.
                    each = np.array([float(loss) * weight.size, weight.sum()])
                    key = target, name
                    totals[key] = totals.get(key, 0) + each
        for target, layer in self.layers.items():
            weights = modality_weights_of(
                {n: total for (t, n), total in totals.items() if t == target}
            )
            if weights:
                layer.set_modality_weights(weights)

    def _weight(self, x, y, weights, target, name):
        """Returns the samples that have both label and modality."""
        sample_weight = (weights or {}).get(target)
        if sample_weight is None:
            sample_weight = np.ones(len(y[target]))
        weight = keras.ops.convert_to_numpy(sample_weight).astype("float32")
        optional = sorted(self.layers[target].standins)
        if name in optional:
            present = keras.ops.convert_to_numpy(x["present"])
            weight = weight * present[:, optional.index(name)]
        return weight


def modality_weights_of(totals: Mapping[str, np.ndarray]) -> dict[str, float]:
    """Returns one over the mean loss of each modality.

    Args:
        totals: Sum of the losses, and of the weights, by modality. One that
            no sample has gets the smallest weight.
    """
    weights = {
        name: 1 / max(loss / count, 1e-6)
        for name, (loss, count) in totals.items()
        if count and np.isfinite(loss)
    }
    return weights and {
        n: weights.get(n, min(weights.values())) for n in totals
    }


def modality_weighted_layers(model: keras.Model) -> dict[str, Any]:
    """Returns the `WeightedAverage` layers, by the target they predict."""
    return {
        target: layer
        for target, output in model.output.items()
        for layer in _inputs_of(output)
        if hasattr(layer, "set_modality_weights")
    }


def _inputs_of(output: Any) -> list[Any]:
    """Returns the layers whose outputs the last layer reads."""
    # Not `layer.input`: a layer may be in several models.
    tensors = private.node_of(output).input_tensors
    return [private.history_of(tensor).operation for tensor in tensors]


class UnimodalOutputs(keras.layers.Layer):
    """The prediction of each modality alone, in the target's unit."""

    def __init__(self, fusion, finish):
        super().__init__()
        self.fusion = fusion
        self.finish = finish

    def call(self, features):
        outputs = self.fusion.alone(features)
        return {name: self.finish(output) for name, output in outputs.items()}


def unimodal_model(
    model: keras.Model, layers: Mapping[str, Any]
) -> keras.Model:
    """Returns `{modality: x}` to `{target: {modality: output}}`."""
    inputs = {name: input_names(model)[name] for name in modalities(model)}
    features = {name: tower_of(model, name)(x) for name, x in inputs.items()}
    outputs = {
        target: UnimodalOutputs(layer, model.get_layer(target))(features)
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
