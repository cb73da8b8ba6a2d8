"""Contrastive learning: two views of a sample are alike, all others are not.

Good where it is known what a label does not depend on: the place of a digit,
the loudness of a word, a gap in a sensor. The views encode that: the
vector becomes invariant to what they change. Wants batches of 64 and more:
the other samples of a batch are the negatives.

Cost: two passes of the tower, and a projector of `d * width + width * units`
multiply-adds a view, which is thrown away; `4 * batch * units` for comparing.

Source: Chen et al., "A Simple Framework for Contrastive Learning of Visual
Representations", 2020 (arXiv 2002.05709).
"""

from collections.abc import Mapping
from typing import Any

import keras
from keras import layers, ops

from mmkeras.training.pretext.modality_support import Unsupervised
from mmkeras.training.pretext.random_draws import Exact
from mmkeras.training.pretext.views import views_of

# Added to what is no candidate: far below any similarity / temperature.
NEVER = -1e9


def nt_xent(views: Any, here: Any = None) -> Any:
    """Returns the normalised temperature-scaled cross entropy, a scalar.

    The negatives of a view are all other views of the batch, also the second
    ones; a sample that is not there is neither positive nor negative.

    Args:
        views: `(2 * batch, units)`: first views, then second ones in the same
            order, each of length `temperature ** -0.5`, so that a product is
            the cosine divided by the temperature.
        here: `(batch,)`, weights of the samples, 0 where there is none;
            None for all.

    Example:

    >>> nt_xent(np.eye(2).repeat(2, 0)[[0, 2, 1, 3]])  # log(1 + 2 / e)
    0.5514
    """
    views = ops.cast(views, "float32")
    count = ops.shape(views)[0]
    if here is None:
        here = ops.ones((count // 2,), "float32")
    here = ops.cast(ops.concatenate([here, here], axis=0), "float32")
    alike = ops.matmul(views, ops.transpose(views))
    own = ops.eye(count, dtype="float32")
    out = ops.maximum(own, ops.cast(here <= 0, "float32"))
    positive = ops.sum(views * ops.roll(views, count // 2, axis=0), axis=1)
    loss = ops.logsumexp(alike + out * NEVER, axis=1) - positive
    return ops.sum(loss * here) / ops.maximum(ops.sum(here), 1.0)


@keras.saving.register_keras_serializable(package="mmkeras")
class Contrast(keras.Model):
    """A functional model from `{modality: x}` to the views' projections.

    Its output is `{"views": (2 * batch, units)}`. The loss needs no targets,
    and an optimizer alone compiles the model.
    """

    def compute_loss(
        self, x=None, y=None, y_pred=None, sample_weight=None, training=True
    ):
        return nt_xent(y_pred["views"], sample_weight)


@keras.saving.register_keras_serializable(package="mmkeras")
class UnitLength(Exact):
    """Gives each row the length `temperature ** -0.5`.

    Args:
        temperature: float, what a cosine is divided by.
    """

    def __init__(self, temperature=1.0, **kwargs):
        super().__init__(**kwargs)
        self.temperature = temperature

    def call(self, x):
        x = ops.cast(x, "float32")
        return ops.normalize(x, axis=-1) * self.temperature**-0.5


def contrastive(
    tower: keras.Model,
    x: Any,
    facts: Unsupervised,
    fill: str = "noise",
    temperature: float = 0.2,
    width: int = 128,
    units: int = 64,
    views: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Returns the outputs of a `Contrast`.

    Args:
        tower: The tower.
        x: Its input, symbolic.
        facts: The `Unsupervised` of its kind.
        fill: "nan" where a missing cell may be NaN.
        temperature: What cosines are divided by; less of it puts more
            weight on the most similar negatives.
        width: Hidden units of the projector.
        units: Its outputs, which are compared.
        views: Arguments of the kind's layer of views, such as
            `{"flip": True}` of `PictureViews`.
    """
    both = views_of(tower, facts, fill, views or {})(x)
    y = tower(both)["vector"]
    y = layers.Dense(width, activation="relu", name="projector")(y)
    y = layers.Dense(units, name="projection")(y)
    return {"views": UnitLength(temperature, name="compared")(y)}
