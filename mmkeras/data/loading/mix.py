"""Samples of a training batch mixed in pairs, with their labels.

MixUp blends the two, CutMix puts a part of the one into the other. A pair and
its share are those of all modalities of a sample, and of its labels.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from mmkeras.arguments import check_table
from mmkeras.data.loading.draws import Draws
from mmkeras.spec import Augmentation, DataSpec

MIX = {
    "mixup": Augmentation(
        0,
        0,
        10,
        "alpha of the Beta distribution of the share, small: most samples "
        "stay nearly as they are; two samples are blended",
    ),
    "cutmix": Augmentation(
        0,
        0,
        10,
        "alpha likewise; a part of one sample is put into the other. With "
        "`mixup` too, each has half of the batches",
    ),
}
# Far from the numbers of modalities.
NUMBER = 10**8


def check_mix(spec: DataSpec, values: Mapping[str, float]) -> None:
    """Raises ValueError if the samples of a spec cannot be mixed.

    Args:
        spec: The spec.
        values: Those of `MIX`, complete.
    """
    for name, modality in spec.modalities.items():
        if modality.mixed_axes is None:
            raise ValueError(
                "`augment.mix` must have modalities whose numbers can be "
                f"mixed. Received: `{name}` of kind '{modality.kind}'"
            )
    for name, target in spec.targets.items():
        labels = np.zeros((1, *target.shape), target.dtype)
        share = np.ones((1,), np.float32)
        if target.mix(labels, labels, share) is None:
            raise ValueError(
                "`augment.mix` must have targets whose labels can be mixed. "
                f"Received: `{name}` of kind '{target.kind}'"
            )
        if values["cutmix"] and target.follows_time:
            raise ValueError(
                "`augment.mix.cutmix` must be 0 where a target has a label "
                f"for each step. Received: {values['cutmix']}, target "
                f"`{name}`; `mixup` can be used"
            )


def check_values(values: Any, check: Callable) -> dict[str, float]:
    """Returns the values of `MIX`, complete; `check` refuses wrong ones."""
    check_table("augment.mix", values)
    check("augment.mix", MIX, values)
    return {key: values.get(key, one.off) for key, one in MIX.items()}


def mixer(spec: DataSpec, values: Mapping[str, float]) -> Callable:
    """Returns a function from a batch and its seed to a mixed batch.

    Each sample is mixed with the one before it in the batch, whose order is
    random. One of which another modality is there, or another target
    labelled, than of its partner stays as it is: nothing is mixed with what
    is absent. Weights are mixed as labels are.

    Args:
        spec: The spec.
        values: What `check_values` returned, one above 0.

    Returns:
        A function of (inputs, labels, weights, seed). Labels have the shape
        that `Target.mix` gives them, in every batch.

    Source: Zhang et al., "mixup", 2018 (arXiv 1710.09412); Yun et al.,
    "CutMix", 2019 (arXiv 1905.04899).
    """

    def mix(inputs: dict, labels: dict, weights: dict, seed):
        import tensorflow as tf

        draws = Draws(seed, NUMBER)
        chosen = tf.random.stateless_uniform((), next(draws))
        cuts = chosen < _part_of_cuts(values)
        count = tf.shape(next(iter(inputs.values())))[0]
        alpha = tf.where(cuts, float(values["cutmix"]), float(values["mixup"]))
        share = _beta(alpha, count, draws)
        share = tf.where(_alike(inputs, weights), share, 1.0)
        # The same places in all modalities, as parts of their axes.
        places = tf.random.stateless_uniform((3, count), next(draws))
        names = sorted(spec.modalities)
        inside = {
            name: _inside(inputs[name], spec.modalities[name], share, places)
            for name in names
        }
        kept = [
            1 - tf.reduce_mean(part, [*range(1, part.shape.rank)])
            for part in inside.values()
            if part.shape.rank > 1
        ]
        # What whole pixels and steps make of the share, over all modalities.
        cut_share = tf.add_n(kept) / len(kept) if kept else share
        share = tf.where(cuts, cut_share, share)
        mixed = {
            name: _mixed(inputs[name], inside[name], cuts, share)
            for name in names
        }
        found = {}
        for name, target in spec.targets.items():
            other = tf.roll(labels[name], 1, axis=0)
            found[name] = target.mix(labels[name], other, share)
        mean = {}
        for name, weight in weights.items():
            own = _wide(share, weight)
            other = tf.roll(weight, 1, axis=0)
            mean[name] = tf.where(
                own < 1, own * weight + (1 - own) * other, weight
            )
        return {**inputs, **mixed}, found, mean

    return mix


def _part_of_cuts(values: Mapping[str, float]) -> float:
    """Returns the share of batches that are cut instead of blended."""
    each = [float(values[key] > 0) for key in ("cutmix", "mixup")]
    return each[0] / sum(each)


def _beta(alpha, count, draws: Draws):
    """Draws `(count,)` shares from Beta(alpha, alpha)."""
    import tensorflow as tf

    # Small alphas draw numbers that are 0 in 32 bits.
    alpha = tf.cast(alpha, tf.float64)
    first, second = (
        tf.random.stateless_gamma(
            (count,), next(draws), alpha, dtype=tf.float64
        )
        for _ in range(2)
    )
    total = first + second
    share = tf.where(total > 0, first / total, 1.0)
    return tf.cast(share, tf.float32)


def _alike(inputs: dict, weights: dict):
    """Tells `(batch,)` where the partner lacks what the sample lacks."""
    import tensorflow as tf

    known = [weight > 0 for weight in weights.values()]
    known += [inputs["present"] > 0] if "present" in inputs else []
    alike = [
        tf.reduce_all(
            tf.reshape(one == tf.roll(one, 1, axis=0), (tf.shape(one)[0], -1)),
            axis=1,
        )
        for one in known
    ]
    return tf.reduce_all(tf.stack(alike), axis=0)


def _inside(values, modality: Any, share, places):
    """Returns 1 where the partner's part comes in by a cut, 0 elsewhere.

    Its shape is `(batch, ...)`, with the axes of the values that are cut and
    1 for the others; `(batch,)` where none is.
    """
    import tensorflow as tf

    axes = modality.mixed_axes
    if not axes:
        return tf.zeros_like(share)
    rank = len(values.shape)
    side = (1 - share) ** (1 / len(axes))
    inside = tf.ones((1,) * rank)
    # The last axes are alike: width of a picture, a film and a volume.
    for place, axis in zip(tf.unstack(places), reversed(axes), strict=False):
        whole = values.shape[axis + 1]
        size = tf.round(side * whole)
        start = tf.round(place * (whole - size))
        step = tf.range(whole, dtype=tf.float32)
        there = (step >= start[:, None]) & (step < (start + size)[:, None])
        shape = [-1] + [1] * (rank - 1)
        shape[axis + 1] = whole
        inside *= tf.reshape(tf.cast(there, tf.float32), shape)
    return inside


def _mixed(values, inside, cuts, share):
    import tensorflow as tf

    other = tf.roll(values, 1, axis=0)

    def cut():
        return tf.where(_wide(inside, values) > 0, other, values)

    def blended():
        own = _wide(share, values)
        pair = [tf.cast(one, tf.float32) for one in (values, other)]
        found = own * pair[0] + (1 - own) * pair[1]
        if values.dtype.is_integer:
            found = tf.round(found)
        # What is not mixed stays: 0 times a gap would be one.
        return tf.where(own < 1, tf.cast(found, values.dtype), values)

    if inside.shape.rank == 1:
        return blended()
    return tf.cond(cuts, cut, blended)


def _wide(share, values):
    """Adds axes to `(batch, ...)` until it has as many as the values."""
    import tensorflow as tf

    missing = len(values.shape) - share.shape.rank
    shape = tf.concat([tf.shape(share), [1] * missing], axis=0)
    return tf.reshape(share, shape) if missing else share
