"""Reads the texts of each sample as code points."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from mmkeras.data import BadSample, Reason, check_utf8, encode_each


def encode(
    target: Any, cells: Sequence[str]
) -> tuple[np.ndarray, np.ndarray, list]:
    """Returns `(samples, references * length)` code points, and weights.

    A text that is too long is cut, and then has no end. What is behind the
    end has weight 0, and so have references that a cell does not have.
    """

    def read(cell: str) -> list[list[int]]:
        check_utf8(cell)
        texts = target.split(cell)[: target.references]
        if not texts:
            raise BadSample(Reason.EMPTY, "no text")
        codes, known = [], []
        for text in texts + [""] * (target.references - len(texts)):
            text = text[: target.max_characters + 1]
            whole = len(text) <= target.max_characters
            text = text[: target.max_characters]
            rest = target.length - len(text)
            codes += [*map(ord, text), *[0] * rest]
            known += [1] * (len(text) + whole) if text else []
            known += [0] * (len(codes) - len(known))
        return [codes, known]

    nothing = [[0] * target.shape[0]] * 2
    found, there, bad = encode_each(cells, read, empty=nothing)
    if not len(found):
        return np.zeros((0, *target.shape)), np.zeros((0, *target.shape)), bad
    return found[:, 0], found[:, 1] * there[:, None], bad
