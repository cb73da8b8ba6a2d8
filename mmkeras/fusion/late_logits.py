"""Late fusions that join the modalities' logits."""

import keras
from keras import ops

from mmkeras.fusion.late import Late, mean_of


@keras.saving.register_keras_serializable(package="mmkeras")
class ProductOfExperts(Late):
    """Normalised product of the answers: each modality can rule classes out.

    The softmax, or the sigmoid, of the summed logits. Of numbers it is the
    product of normal distributions: a mean weighted by learned precisions.
    Good where each modality knows something that the others cannot. Costs
    `M * d * units` parameters and multiply-adds for M modalities of width d,
    and `M * units` precisions for numbers.

    Args:
        units: Outputs of the target: its number of classes, or 1.
        activation: "softmax", "sigmoid" or "linear"; see `Late`.
        dropout: Dropout rate on the vectors.

    Call arguments and output shape: see `Fusion`.

    Source: Hinton, "Training Products of Experts by Minimizing Contrastive
    Divergence", 2002; here trained with the rest of the model.

    Example:

    >>> answer = ProductOfExperts(10)({"a": tower_a(x), "b": tower_b(y)})
    """

    def build_fuse(self, features_shape):
        super().build_fuse(features_shape)
        self.precisions = {}
        if self.activation == "linear":
            self.precisions = {
                name: self.add_weight(
                    name=f"{name}_log_precision",
                    shape=(self.units,),
                    initializer="zeros",
                    dtype="float32",
                )
                for name in sorted(features_shape)
            }

    def combine(self, logits, votes):
        if self.activation != "linear":
            return self.activate(sum(logits[n] * votes[n] for n in logits))
        weights = {
            name: vote * ops.exp(ops.cast(self.precisions[name], "float32"))
            for name, vote in votes.items()
        }
        return mean_of(logits, weights)


@keras.saving.register_keras_serializable(package="mmkeras")
class Stacking(Late):
    """One dense layer over the answers of all modalities.

    It sees logits, each times its modality's share of the votes, and starts as
    their mean over the modalities that are there; unlike the original it is
    trained with the modalities, not after them on held-out samples. Good where
    modalities err in ways that the others can correct. Costs
    `M * units * (d + units)` parameters and multiply-adds for M modalities of
    width d.

    Args:
        units: Outputs of the target: its number of classes, or 1.
        activation: "softmax", "sigmoid" or "linear"; see `Late`.
        dropout: Dropout rate on the vectors.

    Call arguments and output shape: see `Fusion`.

    Source: Wolpert, "Stacked Generalization", 1992.

    Example:

    >>> answer = Stacking(10)({"a": tower_a(x), "b": tower_b(y)})
    """

    def build_fuse(self, features_shape):
        super().build_fuse(features_shape)
        # Given as a function, it is never part of a config.
        self.stack = keras.layers.Dense(
            self.units, kernel_initializer=_mean, name="stack", dtype="float32"
        )
        self.stack.build((None, self.units * len(features_shape)))

    def combine(self, logits, votes):
        total = sum(votes.values())
        shared = [logits[n] * (votes[n] / total) for n in sorted(logits)]
        return self.activate(self.stack(ops.concatenate(shared, axis=-1)))

    def follow_fuse(self, follow, features):
        flow = super().follow_fuse(follow, features)
        joined = follow.flow((None, self.units * len(features)))
        return follow(self.stack, joined) and flow


def _mean(shape, dtype=None):
    """A kernel of one identity matrix below the other: the sum of shares."""
    eye = ops.eye(shape[1], dtype=dtype)
    return ops.tile(eye, (shape[0] // shape[1], 1))
