"""Labelled samples beside two views of any: what consistency learns from."""

import copy
import math
from typing import Any

from mmkeras.data.loading import augment as augmentation
from mmkeras.data.loading import pipeline


def views(data: Any, labelled: int, unlabelled: int, strength: float):
    """Returns labelled batches, each beside two views of any samples.

    Args:
        data: What `Data.with_labels` returned.
        labelled: Labelled samples a batch; each comes as often as it must.
        unlabelled: Samples a batch of which there are two views; an epoch
            has every sample of the training split once, labels unread.
        strength: How many times as far the strong view is changed as the
            weak one, which is the augmentation of the data. What that leaves
            out, the strong view leaves out too: an upside-down 6 is a 9.

    Returns:
        Batches of `({"labelled": x, "weak": x, "strong": x}, y, weights)`,
        where y and weights are those of the labelled samples.

    Raises:
        ValueError: If nothing of the data can be augmented.
    """
    import tensorflow as tf

    everything = data.everything
    weak = everything.augment
    strong = stronger(data.spec, weak, strength)
    steps = math.ceil(everything.counts["train"] / unlabelled)
    few = copy.copy(data)
    few.batch_size = labelled
    times = math.ceil(steps * labelled / max(1, data.counts["train"]))
    plain = copy.copy(everything)
    plain.batch_size, plain.augment = unlabelled, {}
    learned = data.learned
    change = augmentation.augmenter(data.spec, weak, learned)
    change_more = augmentation.augmenter(data.spec, strong, learned)

    def join(first, second, seed):
        x, y, weights = first
        both = {
            "labelled": x,
            "weak": change(second[0], seed),
            # Another seed, or the one would be the other writ large.
            "strong": change_more(second[0], ~seed),
        }
        return both, y, weights

    return (
        tf.data.Dataset.zip(
            few.shuffled(times),
            plain.shuffled(),
            pipeline.batch_seeds(data.seed),
        )
        .map(join, num_parallel_calls=tf.data.AUTOTUNE)
        .prefetch(tf.data.AUTOTUNE)
        .with_options(pipeline.options())
    )


def stronger(spec: Any, settings: dict, strength: float) -> dict[str, dict]:
    """Returns augmentation settings, `strength` times as far.

    Where the data are not augmented, the defaults are taken so many times.
    A noise's ratio in decibel is lowered instead.
    """
    found: dict[str, dict] = {}
    for name, values in (
        settings or augmentation.settings_of(spec, True)
    ).items():
        if name not in spec.modalities:
            continue
        changes = spec.modalities[name].augmentations
        found[name] = {
            key: changes[key].stronger(value, strength)
            for key, value in values.items()
        }
    if not found:
        raise ValueError(
            "Views that differ need a modality that can be augmented. "
            "Received: the kinds "
            + ", ".join(sorted({m.kind for m in spec.modalities.values()}))
        )
    # Two views of one sample are not mixed with others.
    if "together" in settings:
        found.setdefault("together", settings["together"])
    return found
