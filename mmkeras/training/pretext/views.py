"""Two random views of sounds, texts, series and rows, and which suits what."""

from collections.abc import Mapping
from typing import Any

import keras
from keras import ops

from mmkeras.arguments import check_table
from mmkeras.introspection import options_of
from mmkeras.training.pretext.modality_support import UNKNOWN, Unsupervised
from mmkeras.training.pretext.random_draws import Drawing, known_statistics


@keras.saving.register_keras_serializable(package="mmkeras")
class SoundViews(Drawing):
    """Two random views of each stretch of sound, one batch after another.

    Args:
        gain: float, largest change of loudness, in decibels.
        shift: float, farthest shift in time, as a share; what leaves at one
            end comes back at the other.
        speed: float, largest change of speed, and so of pitch, as a share: so
            that pitch alone does not identify a pair of views.
        noise: float, largest amplitude of white noise, as a share of the
            sound's own.
        silence: float, longest stretch that becomes silent, as a share.

    Call arguments: `(batch, samples)`; output `(2 * batch, samples)`.
    """

    def __init__(
        self, gain=12.0, shift=0.5, speed=0.1, noise=0.1, silence=0.2, **kwargs
    ):
        super().__init__(**kwargs)
        self.gain = gain
        self.shift = shift
        self.speed = speed
        self.noise = noise
        self.silence = silence

    def call(self, x):
        x = ops.concatenate([x, x], axis=0)
        length = x.shape[1]
        x = self._move(x)
        loudness = ops.sqrt(ops.mean(ops.square(x), axis=1, keepdims=True))
        x = x + self.uniform(x, 1) * self.noise * loudness * self.normal(x)
        decibels = self.uniform(x, 1, low=-self.gain, high=self.gain)
        x = x * ops.power(10.0, decibels / 20)
        return x * (1.0 - self.stretch(x, length, self.silence))

    def _move(self, x):
        length = x.shape[1]
        start = self.uniform(x, 1, low=-self.shift, high=self.shift) * length
        rate = ops.exp(self.uniform(x, 1, low=-1.0) * self.speed)
        place = ops.arange(length, dtype="float32") * rate + ops.round(start)
        before = ops.floor(place)
        share = place - before
        before = ops.cast(before, "int32") % length
        after = (before + 1) % length
        return (1.0 - share) * ops.take_along_axis(
            x, before, axis=1
        ) + share * ops.take_along_axis(x, after, axis=1)


@keras.saving.register_keras_serializable(package="mmkeras")
class TextViews(Drawing):
    """Two random views of each text, one batch after another.

    A stretch of the text is kept, some tokens of it are left out, and some
    become unknown; half of the texts begin in the middle, with what was
    before at the end. Each keeps one token at least.

    Args:
        crop: float, least share of the tokens that the stretch has.
        drop: float, share of its tokens that are left out.
        hide: float, share of its tokens that become `mask_id`.
        swap: float, share of texts whose two parts change places.
        mask_id: integer; in a training, by default that of the kind, which is
            the mask token of a pretrained vocabulary.

    Call arguments: token ids `(batch, tokens)`, 0 = padding; output
    `(2 * batch, tokens)`.
    """

    def __init__(
        self,
        crop=0.5,
        drop=0.1,
        hide=0.1,
        swap=0.5,
        mask_id=UNKNOWN,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.crop = crop
        self.drop = drop
        self.hide = hide
        self.swap = swap
        self.mask_id = mask_id

    def call(self, ids):
        ids = ops.concatenate([ids, ids], axis=0)
        length = ids.shape[1]
        place = ops.expand_dims(ops.arange(length, dtype="float32"), 0)
        count = ops.sum(ops.cast(ids != 0, "float32"), axis=1, keepdims=True)
        size = ops.ceil(self.uniform(ids, 1, low=self.crop) * count)
        start = ops.floor(self.uniform(ids, 1) * (count - size + 1.0))
        inside = ops.logical_and(place >= start, place < start + size)
        kept = self.uniform(ids, length) >= self.drop
        kept = ops.logical_or(kept, place == start)
        kept = ops.logical_and(ops.logical_and(inside, kept), ids != 0)

        turn = self.uniform(ids, 1) < self.swap
        middle = ops.floor(self.uniform(ids, 1) * size) + start
        late = ops.logical_and(turn, place < middle)
        order = place + length * ops.cast(late, "float32")
        order = ops.where(kept, order, order + 2.0 * length)
        order = ops.argsort(order, axis=1)
        hidden = self.uniform(ids, length) < self.hide
        ids = ops.where(hidden, ops.full_like(ids, self.mask_id), ids)
        ids = ops.where(kept, ids, ops.zeros_like(ids))
        return ops.take_along_axis(ids, order, axis=1)


@keras.saving.register_keras_serializable(package="mmkeras")
class CellViews(Drawing):
    """Two random views of each series or row, one batch after another.

    Noise is measured in deviations of the sample's own channel; the numbers
    of a row, each in units of its own, are multiplied instead.

    Args:
        noise: float, largest deviation of the noise.
        scale: float, largest change of a channel's spread about its mean.
        hide: float, share of cells that become missing.
        stretch: float, longest stretch of a series that becomes missing.
        gap: `"nan"`, or `"zero"` for a tower that takes no NaN: what a
            missing cell becomes.
        categories: integer, columns of indices at the end of a row, which are
            hidden only.

    Call arguments: `(batch, steps, channels)` or `(batch, columns)`; output
    the same with twice the batch.
    """

    found_arguments = ("gap", "categories")

    def __init__(
        self,
        noise=0.1,
        scale=0.2,
        hide=0.2,
        stretch=0.2,
        gap="nan",
        categories=0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.noise = noise
        self.scale = scale
        self.hide = hide
        self.longest = stretch
        self.gap = gap
        self.categories = categories

    def call(self, x):
        x = ops.concatenate([x, x], axis=0)
        if len(x.shape) == 3:
            _, _, mean, deviation = known_statistics(x, (1,))
            gain = self.uniform(x, 1, x.shape[2], low=-1.0) * self.scale
            grain = self.uniform(x, 1, 1) * self.noise * self.normal(x)
            y = (x - mean) * (1.0 + gain) + mean + deviation * grain
            gaps = ops.expand_dims(
                self.stretch(x, x.shape[1], self.longest), -1
            )
        else:
            numbers = x.shape[1] - self.categories
            change = 1.0 + self.uniform(x, 1) * self.noise * self.normal(x)
            y = ops.where(ops.arange(x.shape[1]) < numbers, x * change, x)
            gaps = 0.0
        drawn = ops.cast(self.uniform(x, *x.shape[1:]) < self.hide, "float32")
        value = float("nan") if self.gap == "nan" else 0.0
        return ops.where(drawn + gaps > 0, ops.full_like(y, value), y)


def views_of(
    tower: keras.Model,
    facts: Unsupervised,
    fill: str,
    settings: Mapping[str, Any],
) -> Drawing:
    """Returns the layer that draws two views of a modality.

    Raises ValueError if a setting is none of the layer's.
    """
    make, own = facts.views, facts.view_arguments(tower, fill)
    check_table("views", settings)
    options = options_of(make, make.found_arguments).read(settings, "views")
    given = {k: v for k, v in options.arguments().items() if k in settings}
    return make(**{**own, **given}, name="views")
