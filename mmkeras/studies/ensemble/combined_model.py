"""Several models as one functional model, predictions combined by target."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
from keras import ops

# Added to probabilities before the logarithm; int8 outputs still resolve it.
LEAST = 1e-4
Join = Callable[[str, Sequence[Any]], Any]


def join(
    models: Sequence[keras.Model], joins: Mapping[str, Join], name: str
) -> keras.Model:
    """Returns one functional model that holds all members.

    Its cost is that of all members together.

    Args:
        models: Members, from `{modality: x}` to `{target: y}`; a member may
            lack modalities. They are renamed `member_1`, `member_2`, ...
        joins: For each target, a function of its name and the members'
            predictions, such as `weighted` returns.
        name: Name of the model.

    Example:

    >>> half = {"digit": weighted([0.5, 0.5])}
    >>> model = join([first, second], half, "digits")
    """
    inputs: dict[str, Any] = {}
    for model in models:
        for key, like in model.input.items():
            shape, dtype = like.shape[1:], like.dtype
            if key not in inputs:
                inputs[key] = keras.Input(shape, dtype=dtype, name=key)
    predictions = []
    for number, model in enumerate(models):
        # Layers of one model must differ in name.
        model.name = f"member_{number + 1}"
        predictions.append(model({key: inputs[key] for key in model.input}))
    outputs = {
        target: joins[target](target, [each[target] for each in predictions])
        for target in sorted(joins)
    }
    inputs = {key: inputs[key] for key in sorted(inputs)}
    return keras.Model(inputs, outputs, name=name)


def weighted(weights: Sequence[float]) -> Join:
    """Returns a function that averages predictions with weights.

    Args:
        weights: One a member; only ratios matter.
    """
    total = sum(weights)

    def make(target, predictions):
        return _sum(target, predictions, [w / total for w in weights])

    return make


def pooled(activation: str, weights: Sequence[float]) -> Join:
    """Returns a function that sums the members' scores with weights.

    For classes the scores are logarithms of probabilities, so that the
    weights also sharpen or soften; for a number they are the predictions.

    Args:
        activation: The target's: "softmax", "sigmoid" or "linear".
        weights: One a member.
    """

    def make(target, predictions):
        if activation == "linear":
            return _sum(target, predictions, weights)
        scores = [_score(activation, prediction) for prediction in predictions]
        total = _sum(f"{target}_pool", scores, weights)
        return keras.layers.Activation(
            activation, dtype="float32", name=target
        )(total)

    return make


def _score(activation: str, prediction: Any) -> Any:
    score = ops.log(prediction + LEAST)
    if activation == "sigmoid":
        return score - ops.log((1.0 + LEAST) - prediction)
    return score


def _sum(name: str, values: Sequence[Any], weights: Sequence[float]) -> Any:
    """Returns the weighted sum, as layers that every export format has."""
    scaled = [
        keras.layers.Rescaling(
            float(weight), dtype="float32", name=f"{name}_share_{number + 1}"
        )(value)
        for number, (value, weight) in enumerate(
            zip(values, weights, strict=True)
        )
    ]
    if len(scaled) == 1:
        return keras.layers.Identity(dtype="float32", name=name)(scaled[0])
    return keras.layers.Add(dtype="float32", name=name)(scaled)


def check_targets(targets: Mapping[str, Any]) -> None:
    """Raises ValueError for a target whose predictions cannot be combined."""
    for name, target in targets.items():
        if target.activation is None:
            raise ValueError(
                "The targets of an ensemble must have outputs that can be "
                f"averaged. Received: `{name}` of kind '{target.kind}', whose "
                "members' outputs lie in spaces of their own"
            )
