"""Modality-invariant features, learned against a modality classifier."""

import keras
from keras import layers, ops

from mmkeras.arguments import check_fraction
from mmkeras.fusion.base import Fusion, widths_of
from mmkeras.fusion.multi_view import (
    check_weight,
    mean_of_present,
    presence_of,
)


@keras.saving.register_keras_serializable(package="mmkeras")
class ModalityInvariant(Fusion):
    """Shared features trained adversarially to be alike, and private features.

    A layer common to all modalities makes the shared parts. In training a
    critic classifies which modality a shared part comes from; the gradient of
    its loss is reversed on its way back, so the shared parts learn to be alike.
    Their mean over the modalities that are there and the private parts are
    concatenated and projected. Good where modalities may be absent, or where a
    modality has few samples: what is shared is learned from all of them. Costs
    `2 * M * d * units + (M + 2) * units ** 2` parameters and
    `2 * M * d * units + (2 * M + 1) * units ** 2` multiply-adds for M
    modalities of width d; the critic, `units ** 2 + M * units` parameters
    more, works in training only.

    Args:
        units: Width of the output and of the parts.
        adversary: Weight of the critic's loss; 0 trains no critic.
        dropout: Dropout rate on all parts.

    Call arguments and output shape: see `Fusion`.

    Source: Ganin and Lempitsky, "Unsupervised Domain Adaptation by
    Backpropagation", 2015 (arXiv 1409.7495), with the shared and private
    parts of Hazarika et al., "MISA", 2020 (arXiv 2005.03545), without its
    reconstruction and orthogonality.

    Example:

    >>> fused = ModalityInvariant(32)({"a": tower_a(x), "b": tower_b(y)})
    """

    reads_tokens = False

    def __init__(self, units=64, adversary=0.1, dropout=0.0, **kwargs):
        check_fraction("dropout", dropout)
        check_weight("adversary", adversary)
        super().__init__(units, **kwargs)
        self.adversary = adversary
        self.dropout = dropout
        dtype = self.dtype_policy
        self.drop = layers.Dropout(dropout, dtype=dtype)
        self.shared = layers.Dense(units, name="shared", dtype=dtype)
        self.dense = layers.Dense(units, "relu", name="dense", dtype=dtype)
        self.critic = ModalityCritic(adversary, name="critic", dtype=dtype)

    def build_fuse(self, features_shape):
        widths = widths_of(features_shape)
        self.own = self.dense_each("own", widths, self.units, "relu")
        self.private = self.dense_each("private", widths, self.units, "relu")
        count = len(widths)
        self.shared.build((None, self.units))
        self.dense.build((None, (count + 1) * self.units))
        self.critic.build((None, count, self.units))

    def fuse(self, features):
        names = sorted(features)
        own = [self.own[n](features[n]["vector"]) for n in names]
        private = [self.private[n](features[n]["vector"]) for n in names]
        there = presence_of(features)
        shared = self.shared(ops.stack(own, axis=1))
        shared = mean_of_present(self.critic(shared, there), there)
        together = ops.concatenate([shared, *private], axis=-1)
        return self.dense(self.drop(together))

    def follow_fuse(self, follow, features):
        for name in sorted(features):
            for part in (self.own[name], self.private[name]):
                follow(part, features[name]["vector"])
        return follow.flow((None, self.units))


@keras.saving.register_keras_serializable(package="mmkeras")
class ModalityCritic(layers.Layer):
    """The identity, which in training adds an adversarial loss.

    Args:
        weight: Weight of the term in the loss.

    Call arguments:
        x: `(batch, modalities, units)`, the modalities in a fixed order.
        there: `(batch, modalities, 1)`, 1 where the modality is there.
    """

    def __init__(self, weight=0.1, **kwargs):
        super().__init__(**kwargs)
        self.weight = weight

    def build(self, x_shape):
        if not self.weight:
            return
        _, count, units = x_shape
        dtype = self.dtype_policy
        self.hidden = layers.Dense(units, "relu", name="hidden", dtype=dtype)
        self.guess = layers.Dense(count, name="guess", dtype=dtype)
        self.hidden.build((None, units))
        self.guess.build((None, units))

    def call(self, x, there, training=False):
        if training and self.weight:
            self.add_loss(self.weight * self.critic_loss(x, there))
        return x

    def critic_loss(self, x, there):
        """Cross-entropy of the critic, over the modalities that are present."""
        guesses = self.guess(self.hidden(reverse_gradient(x)))
        guesses = ops.log_softmax(ops.cast(guesses, "float32"))
        losses = -ops.sum(guesses * ops.eye(x.shape[1]), axis=-1)
        there = ops.cast(ops.squeeze(there, -1), "float32")
        return ops.sum(losses * there) / ops.maximum(ops.sum(there), 1)


def reverse_gradient(x):
    """The identity, whose gradient has the opposite sign."""
    return ops.stop_gradient(x) + (ops.stop_gradient(x) - x)
