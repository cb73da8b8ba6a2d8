"""Words left out."""

import numpy as np

from mmkeras.spec.modality import Corruption


def corruption(modality) -> Corruption:
    """Tokens left out; what a pretrained model's tokenizer adds stays."""

    def change(draw, tokens, level, known):
        keep = (draw.random(tokens.shape) >= level) & (tokens != 0)
        if modality.vocabulary:
            keep |= _marks(tokens)
        return _left(tokens, keep)

    return Corruption((0.1, 0.3, 0.5), "share of the tokens left out", change)


def _marks(tokens: np.ndarray) -> np.ndarray:
    """Tells the marks of start and end, `(batch, tokens)`."""
    length = (tokens != 0).sum(axis=1)
    place = np.arange(tokens.shape[1])
    last = np.maximum(length - 1, 0)
    return (place == 0) | (place == last[:, None])


def _left(tokens: np.ndarray, keep: np.ndarray) -> np.ndarray:
    """Returns the tokens to keep, moved forward; padding follows."""
    # No text at all is another question.
    keep[~keep.any(axis=1), 0] = True
    order = np.argsort(~keep, axis=1, kind="stable")
    return np.take_along_axis(np.where(keep, tokens, 0), order, axis=1)
