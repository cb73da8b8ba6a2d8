"""Reads the texts of each sample as code points, and as words."""

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from mmkeras.data import BadSample, Reason, check_utf8, encode_each
from mmkeras.generation import HALF, code_of

# A caption's words come again and again.
number_of = functools.lru_cache(100_000)(code_of)


def encode(
    target: Any, cells: Sequence[str]
) -> tuple[np.ndarray, np.ndarray, list]:
    """Returns a label and its weights for each cell.

    Of characters, a label is `(references * length,)` code points. Of words
    it is the code points of all texts, of weight 0, and then the numbers of
    their words, `(references * tokens,)`: all first halves, and the second
    ones, of weight 0 as well.

    A text that is too long is cut, and then has no end. What is behind the
    end has weight 0, and so have references that a cell does not have.
    """

    def read(cell: str) -> list[list[int]]:
        check_utf8(cell)
        texts = target.split(cell)[: target.references]
        if not texts:
            raise BadSample(Reason.EMPTY, "no text")
        codes, high, low, known = [], [], [], []
        for text in texts + [""] * (target.references - len(texts)):
            pieces, whole = target.kept(text)
            codes += filled(map(ord, "".join(pieces)), target.length)
            numbers = [divmod(number_of(each), HALF) for each in pieces]
            high += filled((one for one, _ in numbers), target.tokens)
            low += filled((other for _, other in numbers), target.tokens)
            count = len(pieces) + whole if text else 0
            known += filled([1] * count, target.tokens)
        if not target.text_size:
            return [codes, known]
        label = [*codes, *high, *low]
        return [label, [*[0] * len(codes), *known, *[0] * len(low)]]

    nothing = [[0] * target.shape[0]] * 2
    found, there, bad = encode_each(cells, read, empty=nothing)
    if not len(found):
        return np.zeros((0, *target.shape)), np.zeros((0, *target.shape)), bad
    return found[:, 0], found[:, 1] * there[:, None], bad


def filled(numbers: Any, size: int) -> list[int]:
    """Returns numbers with zeros behind them."""
    found = list(numbers)
    return found + [0] * (size - len(found))


def pieces(target: Any, text: str) -> list[str]:
    """Returns the words of a text, with the blank before each.

    They are cut as a text modality cuts them.
    """
    from mmkeras.kinds.text.normalization import splitter

    found, start = [], 0
    for _, (_, end) in _splitter(splitter).pre_tokenize_str(text):
        found.append(text[start:end])
        start = end
    return found


@functools.cache
def _splitter(make: Any) -> Any:
    return make()
