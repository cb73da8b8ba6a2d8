"""Model soup: averaged weights, at the cost of a single model."""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras
import numpy as np

from mmkeras import keras_private as private
from mmkeras.evaluation.predict import batches

# The counters that Keras appends to layer names.
COUNTER = re.compile(r"_\d+(?=/|$)")
# What differs between models of one architecture.
IGNORED = ("seed",)


def greedy_soup(
    models: Sequence[keras.Model],
    score: Callable[[keras.Model], float],
    direction: str = "min",
) -> tuple[keras.Model, list[dict[str, Any]]]:
    """Averages the weights of those models that make the mean better.

    The best model comes first; then, from better to worse, each joins the
    mean unless that makes `score` worse. So the soup is never worse than the
    best model, by the score. Models that were trained from different weights
    seldom mix, and then the best is returned as it is; those of one run, or
    fine-tuned from one, do.

    Args:
        models: Models of one architecture; the first one gets the weights
            of all in turn, and is returned.
        score: Figure of a model, on samples that it was not trained on.
        direction: "min" or "max".

    Returns:
        The soup, and a step for each model in the order they were tried:
        `{"member", "alone", "soup", "taken"}`.

    Raises:
        ValueError: If the architectures differ; the message names where.

    Source: Wortsman et al., "Model soups", 2022 (arXiv 2203.05482).

    Example:

    >>> soup, steps = greedy_soup(models, score, "max")
    """
    check_same(models)
    sign = 1 if direction == "max" else -1
    soup = models[0]
    stored = [model.get_weights() for model in models]
    alone = []
    for weights in stored:
        # One model gets all weights in turn, so that `evaluate` is traced once.
        soup.set_weights(weights)
        alone.append(score(soup))
    order = sorted(range(len(models)), key=lambda i: -sign * alone[i])
    mean = stored[order[0]]
    best, count, steps = alone[order[0]], 1, []
    for index in order:
        if index == order[0]:
            steps.append(_step(index, alone, best, True))
            continue
        tried = mix(mean, stored[index], 1 / (count + 1))
        soup.set_weights(tried)
        value = score(soup)
        taken = sign * value >= sign * best
        if taken:
            mean, best, count = tried, value, count + 1
        steps.append(_step(index, alone, value, taken))
    soup.set_weights(mean)
    return soup, steps


def _step(index, alone, value, taken):
    return {
        "member": index,
        "alone": alone[index],
        "soup": value,
        "taken": bool(taken),
    }


def mix(
    first: Sequence[np.ndarray], second: Sequence[np.ndarray], share: float
) -> list[np.ndarray]:
    """Returns weights on the way from `first` to `second`.

    Whole numbers, such as states of random generators, stay those of `first`.
    """
    return [
        (a + share * (b.astype("float64") - a)).astype(a.dtype)
        if a.dtype.kind == "f"
        else a
        for a, b in zip(first, second, strict=True)
    ]


def restimate(model: keras.Model, dataset: Any) -> bool:
    """Re-estimates the batch statistics of a model, on training batches.

    Statistics of the mean of several models are not the mean of theirs. They
    become the mean over all batches, seen as in training.

    Args:
        model: The model, changed in place.
        dataset: The training split, read once.

    Returns:
        Whether there were any.
    """
    found = [
        layer
        for layer in private.layers_inside(model)
        if isinstance(layer, keras.layers.BatchNormalization)
        and layer.trainable
    ]
    if not found:
        return False
    momenta = [layer.momentum for layer in found]
    sums, samples = [0.0] * (2 * len(found)), 0
    for layer in found:
        # With momentum 0 a step leaves exactly the statistics of its batch.
        layer.momentum = 0.0
    for x, y, _ in batches(dataset):
        size = len(next(iter(y.values())))
        model(x, training=True)
        now = [keras.ops.convert_to_numpy(w) for w in _statistics(found)]
        sums = [s + size * w for s, w in zip(sums, now, strict=True)]
        samples += size
    for weight, value in zip(_statistics(found), sums, strict=True):
        weight.assign(value / samples)
    for layer, momentum in zip(found, momenta, strict=True):
        layer.momentum = momentum
    return True


def _statistics(layers):
    return [
        weight
        for layer in layers
        for weight in (layer.moving_mean, layer.moving_variance)
    ]


def check_same(models: Sequence[keras.Model]) -> None:
    """Raises ValueError unless all models have one architecture."""
    first = dict(_leaves(models[0].get_config()))
    for number, model in enumerate(models[1:]):
        other = dict(_leaves(model.get_config()))
        if first == other:
            continue
        paths = [
            path
            for path in [*first, *(p for p in other if p not in first)]
            if first.get(path) != other.get(path)
        ]
        shown = "; ".join(
            f"{path}: {first.get(path)!r} and {other.get(path)!r}"
            for path in paths[:3]
        )
        raise ValueError(
            "The models of a soup must have one architecture. Received: "
            f"number 1 and number {number + 2} differ in {len(paths)} "
            f"places: {shown}"
        )


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yields each plain value of a config, with the path to it."""
    if isinstance(value, dict):
        # A layer is found by its name, not by its place.
        for key, inner in value.items():
            if key not in IGNORED:
                yield from _leaves(inner, f"{path}.{key}" if path else key)
    elif isinstance(value, (list, tuple)):
        for index, inner in enumerate(value):
            label = inner.get("name") if isinstance(inner, dict) else None
            place = _plain(label) if isinstance(label, str) else index
            yield from _leaves(inner, f"{path}[{index}:{place}]")
    elif isinstance(value, keras.KerasTensor):
        yield path, (value.shape, value.dtype)
    elif isinstance(value, str):
        yield path, _plain(value)
    else:
        yield path, value


def _plain(name: str) -> str:
    return COUNTER.sub("", name)
