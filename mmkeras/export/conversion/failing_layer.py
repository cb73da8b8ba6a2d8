"""The layer that breaks a conversion, found by converting less and less."""

from collections.abc import Callable
from typing import Any

import keras

from mmkeras import keras_private as private


def find_culprit(
    model: keras.Model, works: Callable[[keras.Model], bool]
) -> Any:
    """Returns the first layer or operation without which `works` is true.

    Halves the graph again and again, so that a model of 64 layers takes six
    conversions; then goes on inside, if the culprit is a model itself.

    Args:
        model: A functional model for which `works` is false.
        works: Whether a model can be converted.

    Returns:
        The culprit; None if every part works alone.
    """
    nodes = [node for node in private.nodes_of(model) if not node.is_input]
    # The first `low` operations work; the first `high` do not.
    low, high = 0, len(nodes)
    while high - low > 1:
        middle = (low + high) // 2
        if works(_first(model, nodes[:middle])):
            low = middle
        else:
            high = middle
    found = nodes[low].operation
    if isinstance(found, keras.Model):
        alone = keras.Model(
            {tensor.name: tensor for tensor in found.inputs},
            {f"output_{i}": y for i, y in enumerate(found.outputs)},
        )
        return found if works(alone) else find_culprit(alone, works)
    if high == len(nodes) and works(_first(model, nodes)):
        return None
    return found


def _first(model: keras.Model, nodes: list) -> keras.Model:
    """Returns a model of the first operations, with all their results."""
    results = [tensor for node in nodes for tensor in node.outputs]
    return keras.Model(
        {tensor.name: tensor for tensor in model.inputs},
        {f"output_{i}": tensor for i, tensor in enumerate(results)},
    )
