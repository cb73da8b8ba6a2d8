"""Layers between a fused vector, or tokens, and a head's output."""

from typing import Any

import keras
import numpy as np
from keras import layers, ops


@keras.saving.register_keras_serializable(package="mmkeras")
class ConditionalsToLogits(layers.Layer):
    """Logits of P(y > k | y >= k) to the log-probability of each class.

    Output k is the sum of the log-probabilities of y > j for all j < k, and
    of y <= k. A softmax of them changes nothing but the
    last bits, since their probabilities add up to 1 already; with it in
    place, Keras' cross-entropy is computed from these logits, not from
    probabilities, and stays exact where a probability is tiny.

    Call arguments: `(batch, classes - 1)` logits of the conditional
    probabilities.

    Output shape: `(batch, classes)`.
    """

    def build(self, input_shape):
        self.questions = input_shape[-1]

    def call(self, x):
        # softplus(-x) = -log(sigmoid(x)), in operators that a device has.
        rest = ops.log(1 + ops.exp(-ops.abs(x)))
        yes, no = -(ops.relu(-x) + rest), -(ops.relu(x) + rest)
        size = self.questions
        # A product with ones and zeros: a device runs it in int8, which it
        # does not with a cumulative sum.
        before = np.triu(np.ones((size, size + 1)), 1)
        end = np.eye(size, size + 1)
        return ops.matmul(yes, ops.cast(before, x.dtype)) + ops.matmul(
            no, ops.cast(end, x.dtype)
        )

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], input_shape[-1] + 1)


@keras.saving.register_keras_serializable(package="mmkeras")
class TokensToSteps(layers.Layer):
    """Spreads the tokens of a modality over the steps of a sequence.

    Tokens and steps are laid over the same stretch of time. A step is the
    mean of the tokens under it, each by how much of the step it covers: a
    token is repeated where there are more steps, tokens are averaged where
    there are fewer. Padding does not count; a step with nothing but padding,
    and every step of an absent modality, is zeros.

    Args:
        steps: integer, steps of the sequence.

    Call arguments:
        tokens: `(batch, tokens, units)`.
        mask: `(batch, tokens)`, 1 = real; or fewer, where each entry is for
            so many tokens in a row.

    Output shape: `(batch, steps, units)`.
    """

    def __init__(self, steps, **kwargs):
        super().__init__(**kwargs)
        self.steps = steps

    def build(self, tokens_shape):
        self.shares = overlaps(tokens_shape[1], self.steps)

    def call(self, tokens, mask):
        shares = ops.cast(self.shares, tokens.dtype)
        mask = ops.cast(mask, tokens.dtype)
        each = tokens.shape[1] // mask.shape[1]
        if each > 1:
            mask = ops.repeat(mask, each, axis=1)
        x = tokens * ops.expand_dims(mask, -1)
        # Tokens last: a product with constants is a dense layer to a device.
        x = ops.matmul(ops.transpose(x, (0, 2, 1)), shares)
        total = ops.maximum(ops.matmul(mask, shares), 1e-3)
        return ops.transpose(x / ops.expand_dims(total, 1), (0, 2, 1))

    def compute_output_shape(self, tokens_shape):
        return (tokens_shape[0], self.steps, tokens_shape[-1])


def overlaps(tokens: int, steps: int) -> np.ndarray:
    """Returns the share of each step that each token covers.

    Shape `(tokens, steps)`; the columns add up to 1.

    Example:

    >>> overlaps(2, 4)[0].tolist()
    [1.0, 1.0, 0.0, 0.0]
    """
    start, end = np.arange(tokens) / tokens, np.arange(1, tokens + 1) / tokens
    left, right = np.arange(steps) / steps, np.arange(1, steps + 1) / steps
    common = np.minimum(end[:, None], right) - np.maximum(start[:, None], left)
    shares = np.maximum(common, 0) * steps
    shares[shares < 1e-6] = 0
    return shares


def drop(x: Any, name: str, rate: float) -> Any:
    """Returns `x`, through a dropout layer if the rate is above 0."""
    if not rate:
        return x
    return layers.Dropout(rate, name=f"{name}_dropout")(x)
