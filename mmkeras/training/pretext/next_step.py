"""Next-step prediction, for causal towers.

Good for sensors, sound and texts whose tower reads a stream: the tower learns
the dynamics that it will later read. Each token, which depends on the input
up to its own part, predicts the part of the token `ahead` of it; targets are
the kind's field, for texts the token ids. Only for causal
towers: any other would see its target, and is refused.

Cost: one pass of the tower, and the decoder of masked reconstruction.

Source: Chung and Glass, "Generative Pre-Training for Speech with
Autoregressive Predictive Coding", 2019 (arXiv 1910.12607); Radford et al.,
"Improving Language Understanding by Generative Pre-Training", 2018.
"""

import math
from typing import Any

import keras
import numpy as np

from mmkeras.training.pretext.masking_layers import DrawPlaces
from mmkeras.training.pretext.modality_support import Unsupervised
from mmkeras.training.pretext.patches import Cut
from mmkeras.training.pretext.reconstruction import (
    SquaredError,
    check_tokens,
    decode,
)
from mmkeras.training.pretext.reconstruction_targets import patches_of
from mmkeras.training.pretext.token_prediction import (
    first_after,
    token_prediction_loss,
    vocabulary_of,
)


def next_step(
    tower: keras.Model,
    x: Any,
    facts: Unsupervised,
    ahead: int = 1,
    width: int = 128,
    places: int = 16,
    vocabulary_size: int | None = None,
) -> dict[str, Any]:
    """Returns the outputs of a `Reconstruct` of what comes next.

    Args:
        tower: The tower, a causal one.
        x: Its input, symbolic.
        facts: The `Unsupervised` of its kind.
        ahead: Tokens from the one that predicts to the one that is predicted;
            of sound and sensors, the very next is often nearly the same.
        width: Units of the decoder.
        places: Tokens of a text that are predicted, at most: each costs a
            softmax over the vocabulary.
        vocabulary_size: Token ids; by default those of the tower's table.

    Raises:
        ValueError: If a token depends on what comes after it.
    """
    check_tokens(tower, "next_step")
    tokens = tower.output["tokens"].shape[1]
    if type(ahead) is not int or not 0 < ahead < tokens:
        raise ValueError(
            f"`ahead` must be from 1 to {tokens - 1}, since the tower has "
            f"{tokens} tokens. Received: ahead={ahead!r}"
        )
    if not is_causal(tower):
        raise ValueError(
            "`objective` 'next_step' needs a causal tower, such "
            "as a GRU or an LSTM with bidirectional=False, a 'tcn' or a "
            f"'wavenet'. Received: `{tower.name}`, whose tokens depend on what "
            "comes after them. Choices for it: contrastive, masked, autoencode"
        )
    if facts.field is None:
        size = vocabulary_of(tower, vocabulary_size)
        first = first_after(x.shape[1], tokens, ahead)
        where, there = DrawPlaces(places, first, name="draw")(x)
        rows = tower(x)["tokens"]
        return token_prediction_loss(
            x, rows, where, there, size, width, back=ahead
        )
    values, known = facts.field(tower, x)
    patches = patches_of(values, (tokens,), facts.even_patches)[:, ahead:]
    known = Cut((tokens,))(known)[:, ahead:]
    guess = decode(tower(x)["tokens"][:, :-ahead], patches.shape[2], width)
    return SquaredError(name="error")(patches, guess, known)


def is_causal(tower: keras.Model) -> bool:
    """Tells whether no token of the tower depends on what comes after it.

    Measured: what comes after a token is replaced, and the token compared.
    """
    like, tokens = tower.inputs[0], tower.output["tokens"].shape[1]
    size = like.shape[1]
    tried = [quarter * (tokens - 1) // 4 for quarter in range(4)]
    rng = np.random.default_rng(0)
    x, other = (_random_input(like, rng) for _ in range(2))
    rows = [x]
    for last in tried:
        cut = math.ceil((last + 1) * size / tokens)
        rows.append(np.concatenate([x[:, :cut], other[:, cut:]], axis=1))
    found = tower(np.concatenate(rows), training=False)["tokens"]
    found = keras.ops.convert_to_numpy(found).astype("float32")
    near = 1e-4 * max(1.0, np.abs(found).max())
    return all(
        np.abs(row[: last + 1] - found[0, : last + 1]).max() <= near
        for last, row in zip(tried, found[1:], strict=True)
    )


def _random_input(like, rng: np.random.Generator) -> np.ndarray:
    shape = (1, *like.shape[1:])
    if "float" in like.dtype:
        return rng.normal(size=shape).astype(like.dtype)
    # Token ids from 2 on: real ones in any vocabulary.
    high = 256 if like.dtype == "uint8" else 16
    return rng.integers(2, high, shape).astype(like.dtype)
