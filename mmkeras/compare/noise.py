"""Noise on one modality of the test batches, at levels with a unit.

What a sensor or a noisy room would do to the input; the model is not told.
Every arm of a seed meets the same noise.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from mmkeras.evaluation.predict import batches

# By kind: the levels, mild to severe, and what they are, as on an axis.
LEVELS: dict[str, tuple[tuple[float, ...], str]] = {
    "image": ((0.1, 0.2, 0.4), "noise, std as a share of full scale"),
    "video": ((0.1, 0.2, 0.4), "noise, std as a share of full scale"),
    "volume": ((0.05, 0.1, 0.2), "noise, std as a share of the window"),
    "audio": ((20.0, 10.0, 0.0, -10.0), "signal-to-noise ratio, dB"),
    "text": ((0.1, 0.3, 0.5), "share of the tokens left out"),
    "vector": ((0.25, 0.5, 1.0), "noise, in deviations of the column"),
    "series": ((0.25, 0.5, 1.0), "noise, in deviations of the channel"),
}


def noisy(
    dataset: Any,
    name: str,
    modality: Any,
    level: int,
    seed: int = 0,
    known: dict | None = None,
) -> Iterator[tuple[dict, dict, dict]]:
    """Yields the batches of `dataset` with noise on one modality.

    Args:
        dataset: Batches in a fixed order.
        name: The modality.
        modality: Its spec.
        level: Index of one of the `LEVELS` of its kind.
        seed: Seed; a batch's noise follows from seed, level and index.
        known: Statistics of the modality in the training split.

    Example:

    >>> worse = noisy(data.test, "image", data.spec.modalities["image"], 0)
    >>> predictions, labels, weights = predict(model, worse)
    """
    value = LEVELS[modality.kind][0][level]
    change = CHANGES[modality.kind]
    for index, (x, y, weights) in enumerate(batches(dataset)):
        draw = np.random.default_rng((seed, level, index))
        changed = change(draw, x[name], value, modality, known or {})
        yield {**x, name: changed.astype(x[name].dtype)}, y, weights


def _pixels(draw, pixels, level, *_):
    noise = draw.normal(0, 255 * level, pixels.shape)
    return np.clip(np.round(pixels + noise), 0, 255)


def _voxels(draw, voxels, level, modality, _):
    low, high = modality.window_low, modality.window_high
    return voxels + draw.normal(0, level * (high - low), voxels.shape)


def _sound(draw, sound, level, *_):
    power = np.mean(np.square(sound, dtype=float), axis=1, keepdims=True)
    deviation = np.sqrt(power) * 10 ** (-level / 20)
    return np.clip(sound + draw.normal(0, 1, sound.shape) * deviation, -1, 1)


def _tokens(draw, tokens, level, modality, _):
    """Leaves tokens out; the rest moves forward, padding follows."""
    keep = (draw.random(tokens.shape) >= level) & (tokens != 0)
    if modality.vocabulary:
        # A pretrained model's tokenizer marks start and end.
        length = (tokens != 0).sum(axis=1)
        keep[:, 0] = True
        keep[np.arange(len(tokens)), np.maximum(length - 1, 0)] = True
    # No text at all is another question.
    keep[~keep.any(axis=1), 0] = True
    order = np.argsort(~keep, axis=1, kind="stable")
    left = np.take_along_axis(np.where(keep, tokens, 0), order, axis=1)
    return left


def _table(draw, table, level, modality, known):
    """Moves the numbers; categories, which come last, stay."""
    numbers = table.shape[1] - len(modality.categorical)
    deviation = np.zeros(table.shape[1])
    deviation[:numbers] = np.sqrt(known.get("variance", np.ones(numbers)))
    return table + draw.normal(0, 1, table.shape) * level * deviation


def _series(draw, series, level, modality, known):
    deviation = np.asarray(known.get("std", np.ones(series.shape[-1])))
    return series + draw.normal(0, 1, series.shape) * level * deviation


CHANGES: dict[str, Callable] = {
    "image": _pixels,
    "video": _pixels,
    "volume": _voxels,
    "audio": _sound,
    "text": _tokens,
    "vector": _table,
    "series": _series,
}
