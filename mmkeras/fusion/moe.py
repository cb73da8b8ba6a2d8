"""Mixture of experts: several small fusions, and a gate between them."""

import keras
from keras import ops

from mmkeras.arguments import check_fraction, check_positive
from mmkeras.fusion.base import Fusion, widths_of


@keras.saving.register_keras_serializable(package="mmkeras")
class MixtureOfExperts(Fusion):
    """Experts on the concatenated vector, weighted by a gate on the same.

    `fused = sum_e g_e * relu(W_e [v_1 .. v_M])` with a softmax g. Good where
    samples are of different sorts, each with its own way of reading the
    modalities. Every expert is computed for every sample, so that the device
    needs no branches. Costs `M * d * experts * (units + 1)` parameters and
    multiply-adds for M modalities of width d.

    Args:
        units: Width of the output.
        experts: Number of experts.
        balance: Weight of the term that keeps the gate from always choosing
            the same experts, the squared coefficient of variation of their
            load over the batch; added to the loss in training. 0 for none.
        dropout: Dropout rate on the concatenated vector.

    Call arguments and output shape: see `Fusion`.

    Source: Jacobs et al., "Adaptive Mixtures of Local Experts", 1991; the
    term of Shazeer et al., "Outrageously Large Neural Networks", 2017 (arXiv
    1701.06538), without their sparsity.

    Example:

    >>> fused = MixtureOfExperts(32)({"a": tower_a(x), "b": tower_b(y)})
    """

    reads_tokens = False

    def __init__(self, units=64, experts=4, balance=0.0, dropout=0.0, **kwargs):
        check_fraction("dropout", dropout)
        check_positive(experts=experts)
        if balance < 0:
            raise ValueError(
                f"`balance` must be 0 or more. Received: balance={balance}"
            )
        super().__init__(units, **kwargs)
        self.experts = experts
        self.balance = balance
        self.dropout = dropout
        policy = {"dtype": self.dtype_policy}
        self.drop = keras.layers.Dropout(dropout, **policy)
        self.values = keras.layers.Dense(
            units * experts, "relu", name="experts", **policy
        )
        self.gate = keras.layers.Dense(
            experts, "softmax", name="gate", **policy
        )
        self.even = Even(balance, dtype="float32", name="even")

    def build_fuse(self, features_shape):
        width = sum(widths_of(features_shape).values())
        self.values.build((None, width))
        self.gate.build((None, width))

    def fuse(self, features):
        vector = self.drop(
            ops.concatenate(
                [features[name]["vector"] for name in sorted(features)], axis=-1
            )
        )
        gate = self.gate(vector)
        if self.balance:
            self.even(gate)
        values = ops.reshape(
            self.values(vector), (-1, self.experts, self.units)
        )
        return ops.sum(values * ops.expand_dims(gate, -1), axis=1)

    def follow_fuse(self, follow, features):
        # One matrix holds all experts, so their units stay.
        vector = follow.join([features[n]["vector"] for n in sorted(features)])
        follow(self.gate, vector)
        follow(self.values, vector)
        return follow.flow((None, self.units))


class Even(keras.layers.Layer):
    """Adds to the loss, in training, how unevenly experts are used."""

    def __init__(self, weight, **kwargs):
        super().__init__(**kwargs)
        self.weight = weight

    def call(self, gate, training=False):
        if training:
            load = ops.mean(gate, axis=0)
            uneven = gate.shape[-1] * ops.sum(ops.square(load)) - 1
            self.add_loss(self.weight * uneven)
        return gate
