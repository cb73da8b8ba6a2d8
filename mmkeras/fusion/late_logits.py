"""Late fusions that combine the modalities' logits."""

import keras
from keras import ops

from mmkeras.fusion.base import widths_of
from mmkeras.fusion.late import Late, mean_of


@keras.saving.register_keras_serializable(package="mmkeras")
class ProductOfExperts(Late):
    """Normalised product of the predictions: each modality can exclude classes.

    The softmax, or the sigmoid, of the summed logits and of a prior, what is
    known of the target without any modality: a learned vector that counts
    once, whoever is there. (If each modality had it in its own logits, two
    that know nothing would answer with the prior, and one of them alone with
    less.) Of numbers it is the product of normal distributions: a mean
    weighted by learned precisions. Good where each modality knows something
    that the others cannot. Costs `(M * d + 1) * units` parameters and
    `M * d * units` multiply-adds for M modalities of width d, and
    `M * units` precisions for numbers.

    Args:
        units: Outputs of the target: its number of classes, or 1.
        activation: "softmax", "sigmoid" or "linear"; see `Late`.
        dropout: Dropout rate on the vectors.
        prior: Whether the prior is a vector of its own; in layers of earlier
            versions each modality has one.

    Call arguments and output shape: see `Fusion`.

    Source: Hinton, "Training Products of Experts by Minimizing Contrastive
    Divergence", 2002; here trained with the rest of the model.

    Example:

    >>> answer = ProductOfExperts(10)({"a": tower_a(x), "b": tower_b(y)})
    """

    def __init__(
        self, units, activation="softmax", dropout=0.0, prior=True, **kwargs
    ):
        super().__init__(units, activation, dropout, **kwargs)
        self.prior = prior

    @property
    def _has_prior(self):
        return self.prior and self.activation != "linear"

    def build_fuse(self, features_shape):
        if self._has_prior:
            self.answers = self.dense_each(
                "answer", widths_of(features_shape), self.units,
                dtype="float32", use_bias=False,
            )  # fmt: skip
            self.prior_logits = self.add_weight(
                name="prior", shape=(self.units,), initializer="zeros",
                dtype="float32",
            )  # fmt: skip
        else:
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

    def combine(self, logits, present):
        if self.activation != "linear":
            return self.activate(
                self._from_prior(sum(logits[n] * present[n] for n in logits))
            )
        weights = {
            name: here * ops.exp(ops.cast(self.precisions[name], "float32"))
            for name, here in present.items()
        }
        return mean_of(logits, weights)

    def alone(self, features):
        logits = self.logits(features).items()
        return {n: self.activate(self._from_prior(x)) for n, x in logits}

    def _from_prior(self, logits):
        """Adds the prior, which stands first: see `ops.add` of Keras."""
        return self.prior_logits + logits if self._has_prior else logits

    @classmethod
    def from_config(cls, config):
        return super().from_config({"prior": False, **config})


@keras.saving.register_keras_serializable(package="mmkeras")
class Stacking(Late):
    """One dense layer over the logits of all modalities.

    It reads logits, each divided by the number of modalities present, and
    starts as their mean over the modalities that are there; unlike the original
    it is trained with the modalities, not after them on held-out samples. Good
    where modalities err in ways that the others can correct. Costs
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
        # A plain function as initializer: `build` alone uses it, no config has
        # it.
        self.stack = keras.layers.Dense(
            self.units, kernel_initializer=_mean, name="stack", dtype="float32"
        )
        self.stack.build((None, self.units * len(features_shape)))

    def combine(self, logits, present):
        total = sum(present.values())
        shared = [logits[n] * (present[n] / total) for n in sorted(logits)]
        return self.activate(self.stack(ops.concatenate(shared, axis=-1)))

    def follow_fuse(self, follow, features):
        flow = super().follow_fuse(follow, features)
        concatenated = follow.flow((None, self.units * len(features)))
        return follow(self.stack, concatenated) and flow


def _mean(shape, dtype=None):
    """A kernel of one identity matrix below the other: the sum of shares."""
    eye = ops.eye(shape[1], dtype=dtype)
    return ops.tile(eye, (shape[0] // shape[1], 1))
