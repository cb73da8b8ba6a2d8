"""Losses that train towers to agree, as layers."""

import math
from itertools import combinations

import keras
from keras import layers, ops

# Added to the logit of a sample without the modality: exp() gives 0, and
# unlike -inf no NaN in a gradient.
HIDDEN = -1e9
# CLIP's limits of the factor that multiplies the similarities.
FIRST_SCALE, LARGEST_SCALE = 1 / 0.07, 100.0


@keras.saving.register_keras_serializable(package="mmkeras")
class AtMost(keras.constraints.Constraint):
    """Cuts a weight off above a limit, after each step.

    Args:
        limit: Largest value.
    """

    def __init__(self, limit):
        self.limit = limit

    def __call__(self, w):
        return ops.minimum(w, ops.cast(self.limit, w.dtype))

    def get_config(self):
        return {"limit": self.limit}


class Alignment(layers.Layer):
    """Base of the objectives: `{modality: vector}` to one loss.

    A subclass implements `build_loss(widths)` and `loss(vectors, here)`, with
    `here` `{modality: (batch,)}`, 1 where the modality is there.

    Call arguments:
        vectors: `{modality: (batch, d)}`; `d` may differ.
        present: `{modality: (batch, 1)}`; those that are always there have no
            entry.

    Output: the loss, a scalar.
    """

    def __init__(self, units=64, **kwargs):
        super().__init__(**{"dtype": "float32", **kwargs})
        self.units = units

    def build(self, vectors_shape, present_shape=None):
        self.build_loss({n: s[-1] for n, s in sorted(vectors_shape.items())})

    def call(self, vectors, present=None):
        present = present or {}
        here = {
            name: ops.reshape(present.get(name, ops.ones_like(x[:, :1])), (-1,))
            for name, x in sorted(vectors.items())
        }
        return self.loss(vectors, here)

    def compute_output_shape(self, vectors_shape, present_shape=None):
        return ()

    def dense(self, name, width, units, **arguments):
        """Returns a built dense layer."""
        arguments = {"dtype": self.dtype_policy, **arguments}
        layer = layers.Dense(units, name=name, **arguments)
        layer.build((None, width))
        return layer


@keras.saving.register_keras_serializable(package="mmkeras")
class InfoNCEAlignment(Alignment):
    """Which image belongs to which sound? A softmax over the batch, both ways.

    Each modality gets a linear projection to length 1. For every pair of
    modalities, each sample that has both must find its counterpart among
    those samples; the loss is the mean over samples, both directions, and
    pairs. The temperature is learned, at least 1/100.

    Wants large batches. Costs `d * units` parameters a modality, and
    `batch * units` multiply-adds a sample and pair.

    Args:
        units: Width of the common space.

    Source: Radford et al., "Learning Transferable Visual Models From Natural
    Language Supervision" (CLIP), 2021 (arXiv 2103.00020).
    """

    first_scale = FIRST_SCALE

    def build_loss(self, widths):
        self.projections = {
            name: self.dense(
                f"{name}_project", width, self.units, use_bias=False
            )
            for name, width in widths.items()
        }
        self.log_scale = self.add_weight(
            shape=(),
            initializer=keras.initializers.Constant(math.log(self.first_scale)),
            constraint=AtMost(math.log(LARGEST_SCALE)),
            name="log_scale",
        )

    def loss(self, vectors, here):
        rows = {
            name: ops.normalize(project(vectors[name]), axis=-1)
            for name, project in self.projections.items()
        }
        total = pairs = 0.0
        for one, other in combinations(sorted(rows), 2):
            both = here[one] * here[other]
            scores = ops.matmul(rows[one], ops.transpose(rows[other]))
            scores = scores * ops.exp(self.log_scale)
            count = ops.sum(both)
            costs = ops.sum(both * self.costs(scores, both))
            total += costs / ops.maximum(count, 1.0)
            # A pair that no sample of the batch has is left out of the mean.
            pairs += ops.minimum(count, 1.0)
        return total / ops.maximum(pairs, 1.0)

    def costs(self, scores, both):
        """Returns `(batch,)` from `(batch, batch)` similarities.

        Args:
            scores: Rows are samples of one modality, columns of the other.
            both: `(batch,)`, 1 for samples that take part.
        """
        hidden = (1 - ops.expand_dims(both, 0)) * HIDDEN
        ways = scores + hidden, ops.transpose(scores) + hidden
        found = [ops.diagonal(ops.log_softmax(way, axis=-1)) for way in ways]
        return -(found[0] + found[1]) / 2


@keras.saving.register_keras_serializable(package="mmkeras")
class SigLIPAlignment(InfoNCEAlignment):
    """Do this image and this sound belong together? A sigmoid a pair.

    As `InfoNCEAlignment`, but no sample competes with another, so that small
    batches do. Temperature and bias are learned.

    Args:
        units: Width of the common space.

    Source: Zhai et al., "Sigmoid Loss for Language Image Pre-Training", 2023
    (arXiv 2303.15343).
    """

    first_scale = 10.0

    def build_loss(self, widths):
        super().build_loss(widths)
        self.bias = self.add_weight(
            shape=(), initializer=keras.initializers.Constant(-10), name="bias"
        )

    def costs(self, scores, both):
        same = 2 * ops.eye(ops.shape(scores)[0], dtype=scores.dtype) - 1
        found = ops.log_sigmoid(same * (scores + self.bias))
        return -ops.sum(found * ops.expand_dims(both, 0), axis=-1)


@keras.saving.register_keras_serializable(package="mmkeras")
class MaskedPrediction(Alignment):
    """Predicts the vector of a hidden modality from the other modalities.

    Each modality in turn is hidden from every sample that has it and one
    more. The others, each through a dense layer, averaged, then two dense
    layers predict its vector; the loss is the mean squared error. Both sides
    learn: the others to predict it, the hidden one to be predictable.

    Towers that collapse to one output for all samples would be easy to
    predict. So each number of the vector that is predicted has mean 0 and
    deviation 1 over the batch, so that shrinking it gains nothing, and two
    penalties act on the vectors themselves: on deviations below 1, and on
    covariances between their numbers, so that they are not redundant.

    Good where two modalities seldom come together but each does with a third,
    and with batches too small for "infonce". Costs `2 * d * units + units ** 2`
    parameters and multiply-adds a modality, and `d ** 2` multiply-adds for
    the covariances.

    Args:
        units: Width of the predictor.
        variance: Weight of the penalty on deviations.
        covariance: Weight of the penalty on covariances.

    Source: Bardes et al., "VICReg", 2021 (arXiv 2105.04906), for both sides
    learning under penalties, and their weights; Assran et al., "I-JEPA", 2023
    (arXiv 2301.08243), for predicting what is hidden as a vector.
    """

    def __init__(self, units=64, variance=1.0, covariance=0.04, **kwargs):
        super().__init__(units, **kwargs)
        self.variance = variance
        self.covariance = covariance

    def build_loss(self, widths):
        size = self.units
        self.speak, self.think, self.guess = {}, {}, {}
        for name, width in widths.items():
            self.speak[name] = self.dense(f"{name}_speak", width, size)
            self.think[name] = self.dense(
                f"{name}_think", size, size, activation="relu"
            )
            self.guess[name] = self.dense(f"{name}_guess", size, width)

    def loss(self, vectors, here):
        vectors = {n: ops.cast(x, "float32") for n, x in vectors.items()}
        encoded = {n: layer(vectors[n]) for n, layer in self.speak.items()}
        total = 0.0
        for name in encoded:
            others = [other for other in encoded if other != name]
            known = sum(here[other] for other in others)
            context = sum(encoded[o] * here[o][:, None] for o in others)
            context = context / ops.maximum(known, 1.0)[:, None]
            guess = self.guess[name](self.think[name](ops.relu(context)))
            target, guard = self.standardise(vectors[name], here[name])
            error = ops.mean(ops.square(guess - target), axis=-1)
            counted = here[name] * ops.minimum(known, 1.0)
            mean = ops.sum(error * counted) / ops.maximum(ops.sum(counted), 1.0)
            total += mean + guard
        return total / len(encoded)

    def standardise(self, vector, here):
        """Returns the target `(batch, d)`, and what the vectors cost."""
        count = ops.sum(here)
        weight = here[:, None]
        mean = ops.sum(vector * weight, axis=0) / ops.maximum(count, 1.0)
        centred = (vector - mean) * weight
        degrees = ops.maximum(count - 1, 1.0)
        cov = ops.matmul(ops.transpose(centred), centred) / degrees
        spread = ops.sqrt(ops.diagonal(cov) + 1e-4)
        width = vector.shape[-1]
        apart = ops.square(cov * (1 - ops.eye(width, dtype=cov.dtype)))
        guard = self.variance * ops.mean(ops.relu(1 - spread))
        guard += self.covariance * ops.sum(apart) / width
        # One sample has no deviation.
        guard = guard * ops.cast(count > 1, guard.dtype)
        return centred / spread, guard
