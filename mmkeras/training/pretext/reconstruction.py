"""The model of the reconstructing objectives, and its losses."""

import keras
from keras import layers, ops

from mmkeras.training.pretext.random_draws import Exact


@keras.saving.register_keras_serializable(package="mmkeras")
class Reconstruct(keras.Model):
    """A functional model from `{modality: x}` to its own loss.

    Its outputs are `{"loss": (batch,), "places": (batch,)}`: the sum of the
    losses at the places of a sample, and their number. What is minimised is
    the mean over all places of all samples that are there.

    The loss needs no targets, and an optimizer alone compiles the model.
    """

    def compute_loss(
        self, x=None, y=None, y_pred=None, sample_weight=None, training=True
    ):
        losses, places = y_pred["loss"], y_pred["places"]
        if sample_weight is not None:
            here = ops.cast(sample_weight, losses.dtype)
            losses, places = losses * here, places * here
        return ops.sum(losses) / ops.maximum(ops.sum(places), 1.0)


@keras.saving.register_keras_serializable(package="mmkeras")
class SquaredError(Exact):
    """Sums squared errors of each sample, at some places.

    Call arguments:
        values: `(batch, ...)`, the targets.
        guess: the same shape.
        places: the same shape, 1 where it counts.

    Returns:
        `{"loss": (batch,), "places": (batch,)}`.
    """

    def call(self, values, guess, places):
        error = ops.square(values - ops.cast(guess, "float32")) * places
        axes = tuple(range(1, len(error.shape)))
        return {"loss": ops.sum(error, axes), "places": ops.sum(places, axes)}


@keras.saving.register_keras_serializable(package="mmkeras")
class TokenError(Exact):
    """Sums cross entropies of each sample, at some places of a text.

    Call arguments:
        ids: token ids `(batch, tokens)`.
        logits: `(batch, n, vocabulary)`; of `n` = 1, the same for all places.
        places: positions in the text, `(batch, n)`.
        there: `(batch, n)`, 1 where there is a place.

    Returns:
        `{"loss": (batch,), "places": (batch,)}`.
    """

    def call(self, ids, logits, places, there):
        likely = ops.log_softmax(ops.cast(logits, "float32"))
        wanted = ops.take_along_axis(ids, places, axis=1)
        if logits.shape[1] == 1:
            found = ops.take_along_axis(likely[:, 0], wanted, axis=1)
        else:
            wanted = ops.expand_dims(wanted, -1)
            found = ops.take_along_axis(likely, wanted, axis=2)[:, :, 0]
        loss = -ops.sum(found * there, axis=1)
        return {"loss": loss, "places": ops.sum(there, axis=1)}


def decode(x, numbers: int, width: int):
    """Adds the decoder, which is discarded later: two dense layers.

    Args:
        x: `(batch, d)` or `(batch, rows, d)`.
        numbers: Width of the output.
        width: Units between.
    """
    x = layers.Dense(width, activation="relu", name="decoder")(x)
    return layers.Dense(numbers, name="answer")(x)


def check_tokens(tower: keras.Model, objective: str) -> None:
    """Raises ValueError if the tower has no more than one token."""
    if tower.output["tokens"].shape[1] < 2:
        raise ValueError(
            f"`objective` '{objective}' needs a tower with a token for each "
            f"part of its input. Received: `{tower.name}` with one token. "
            "Choices for it: contrastive, autoencode"
        )
