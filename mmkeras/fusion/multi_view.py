"""One encoder a view, and a loss on their disagreement."""

import keras
from keras import layers, ops

from mmkeras.arguments import check_fraction
from mmkeras.fusion.base import Fusion, widths_of


@keras.saving.register_keras_serializable(package="mmkeras")
class MultiView(Fusion):
    """Each modality is a view of the same thing, and views should agree.

    Each view has an encoder of two layers; the output is the mean of the views
    that are there. In training, `agreement` times the mean over the pairs that
    are there of one minus their cosine joins the loss. Good where each
    modality alone could give the answer, and one may be absent: the mean
    hardly moves. Poor where modalities complement each other. Costs
    `M * (d * units + units ** 2)` parameters and multiply-adds for M
    modalities of width d.

    Args:
        units: Width of the output and of the encoders.
        agreement: Weight of the disagreement in the loss; 0 for none.
        dropout: Dropout rate inside the encoders.

    Call arguments and output shape: see `Fusion`.

    Source: the co-regularisation of Sindhwani et al., "A Co-Regularization
    Approach to Semi-supervised Learning with Multiple Views", 2005, on
    representations in place of predictions.

    Example:

    >>> fused = MultiView(32)({"a": tower_a(x), "b": tower_b(y)})
    """

    reads_tokens = False

    def __init__(self, units=64, agreement=0.1, dropout=0.0, **kwargs):
        check_fraction("dropout", dropout)
        check_weight("agreement", agreement)
        super().__init__(units, **kwargs)
        self.agreement = agreement
        self.dropout = dropout
        self.drop = layers.Dropout(dropout, dtype=self.dtype_policy)
        self.agree = Agreement(agreement, name="agree", dtype=self.dtype_policy)

    def build_fuse(self, features_shape):
        widths = widths_of(features_shape)
        self.hidden = self.dense_each("hidden", widths, self.units, "relu")
        widths = dict.fromkeys(widths, self.units)
        self.views = self.dense_each("view", widths, self.units)

    def fuse(self, features):
        views = [
            self.views[n](self.drop(self.hidden[n](features[n]["vector"])))
            for n in sorted(features)
        ]
        there = presence_of(features)
        views = self.agree(ops.stack(views, axis=1), there)
        return mean_of_present(views, there)

    def follow_fuse(self, follow, features):
        for name in sorted(features):
            follow(self.hidden[name], features[name]["vector"])
        return follow.flow((None, self.units))


@keras.saving.register_keras_serializable(package="mmkeras")
class Agreement(layers.Layer):
    """The identity, which in training adds a loss on views that differ.

    Args:
        weight: Weight of the term in the loss.

    Call arguments:
        views: `(batch, views, units)`.
        there: `(batch, views, 1)`, 1 where the view is there.
    """

    def __init__(self, weight=0.1, **kwargs):
        super().__init__(**kwargs)
        self.weight = weight

    def call(self, views, there, training=False):
        if training and self.weight:
            self.add_loss(self.weight * self.disagreement(views, there))
        return views

    def disagreement(self, views, there):
        """One minus the cosine, averaged over pairs of views that are there."""
        views, there = (ops.cast(x, "float32") for x in (views, there))
        size = ops.sum(ops.square(views), axis=-1, keepdims=True)
        views = views * ops.rsqrt(size + 1e-6)
        cosines = ops.matmul(views, ops.transpose(views, (0, 2, 1)))
        pairs = there * ops.transpose(there, (0, 2, 1))
        pairs = pairs * (1 - ops.eye(views.shape[1]))
        return ops.sum((1 - cosines) * pairs) / ops.maximum(ops.sum(pairs), 1)


def presence_of(features):
    """Returns `(batch, modalities, 1)`, 1 where a modality is present."""
    return ops.stack([features[n]["present"] for n in sorted(features)], axis=1)


def mean_of_present(x, there):
    """Averages `(batch, modalities, units)` over the modalities that are there.

    Where none is, over all of them.
    """
    there = ops.cast(there, x.dtype)
    weights = there + (1 - ops.max(there, axis=1, keepdims=True))
    return ops.sum(x * weights, axis=1) / ops.sum(weights, axis=1)


def check_weight(name, weight):
    """Raises ValueError if the weight of a loss is negative."""
    if weight < 0:
        raise ValueError(f"`{name}` must not be negative. Received: {weight}")
