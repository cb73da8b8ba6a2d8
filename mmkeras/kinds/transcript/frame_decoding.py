"""From logits of frames to a text: the likeliest path, or a prefix beam.

What `prepare`'s figures say and what the device answers come from this file;
it needs NumPy alone. A decoder is given frames as they come, a part at a time,
and knows the answer so far: a symbol that runs on from one part into the next
counts once.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

BLANK = 0
# Symbols of a frame that a beam tries, beside blank; the others are as
# unlikely as can be.
TRIED = 12
NEVER = -math.inf


def decoder(entry: dict) -> Greedy | Beam:
    """Returns a new decoder for the keys of a spec or manifest.

    Args:
        entry: `alphabet`, `separator`, `beam` and `words`.
    """
    if entry.get("beam", 0) or entry.get("words"):
        return Beam(entry)
    return Greedy()


def text_of(ids: Iterable[int], entry: dict) -> str:
    """Returns the text that ids, from 1 on, stand for."""
    alphabet = entry["alphabet"]
    return entry["separator"].join(alphabet[i - 1] for i in ids)


def log_softmax(logits: np.ndarray) -> np.ndarray:
    logits = np.asarray(logits, "float64")
    logits = logits - logits.max(axis=-1, keepdims=True)
    return logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))


class Greedy:
    """The likeliest symbol of each frame; runs count once, blanks not."""

    def __init__(self):
        self.ids, self.frames, self.log_probability = [], [], 0.0
        self._last, self._seen = BLANK, 0

    def push(self, logits: np.ndarray) -> Greedy:
        """Reads further frames, `(frames, classes)`."""
        scores = log_softmax(logits)
        best = scores.argmax(axis=-1)
        self.log_probability += float(scores.max(axis=-1).sum())
        before = np.r_[self._last, best[:-1]]
        for place in np.flatnonzero((best != before) & (best != BLANK)):
            self.ids.append(int(best[place]))
            self.frames.append(self._seen + int(place))
        if len(best):
            self._last, self._seen = int(best[-1]), self._seen + len(best)
        return self


class Beam:
    """The likeliest transcripts, each over all its alignments.

    With `words`, a transcript is made of these alone: what is between two
    blanks of the text has to be one of them.

    Args:
        entry: `alphabet`, `separator`, `beam`, how many transcripts are kept,
            and `words`.

    Source: Hannun et al., "First-Pass Large Vocabulary Continuous Speech
    Recognition using Bi-Directional Recurrent DNNs", 2014 (arXiv 1408.2873).
    """

    def __init__(self, entry: dict):
        self.entry = entry
        self.width = max(1, entry.get("beam", 0) or 8)
        words = entry.get("words") or ()
        self.words = {*words}
        self.starts = {w[:i] for w in words for i in range(len(w) + 1)}
        # By transcript: its score where it ends in blank, and where it ends
        # in its last symbol; and the frames at which its symbols begin.
        self._beams = {(): (0.0, NEVER, ())}
        self._seen = 0

    @property
    def ids(self) -> list[int]:
        return list(self._best()[0])

    @property
    def frames(self) -> list[int]:
        return list(self._best()[1][2])

    @property
    def log_probability(self) -> float:
        return _both(*self._best()[1][:2])

    def push(self, logits: np.ndarray) -> Beam:
        """Reads further frames, `(frames, classes)`."""
        for scores in log_softmax(logits):
            self._read(scores)
            self._seen += 1
        return self

    def _best(self) -> tuple:
        ranked = sorted(self._beams.items(), key=_rank)
        if self.words:
            # An unfinished word is no answer, where there is another.
            ranked.sort(key=lambda each: not self._is_whole(each[0]))
        return ranked[0]

    def _read(self, scores: np.ndarray) -> None:
        tried = np.argsort(-scores, kind="stable")[: TRIED + 1]
        tried = [int(i) for i in tried if i != BLANK]
        found: dict = {}
        for ids, (blank, symbol, frames) in self._beams.items():
            both = _both(blank, symbol)
            _add(found, ids, 0, both + scores[BLANK], frames)
            if ids:
                # It runs on.
                _add(found, ids, 1, symbol + scores[ids[-1]], frames)
            for i in tried:
                # The same symbol again begins only behind a blank.
                before = blank if ids and i == ids[-1] else both
                if before > NEVER and self._may_follow(ids, i):
                    at = (*frames, self._seen)
                    _add(found, (*ids, i), 1, before + scores[i], at)
        ranked = sorted(found.items(), key=_rank)
        self._beams = dict(ranked[: self.width])

    def _may_follow(self, ids: tuple, new: int) -> bool:
        """Whether words, of which the last may go on, are still all known."""
        if not self.words:
            return True
        *ended, last = text_of((*ids, new), self.entry).split(" ")
        # All but the newest were known before.
        return last in self.starts and (not ended or ended[-1] in self.words)

    def _is_whole(self, ids: tuple) -> bool:
        last = text_of(ids, self.entry).rpartition(" ")[2]
        return not ids or last in self.words


def _rank(each: tuple) -> tuple:
    ids, (blank, symbol, _) = each
    return (-_both(blank, symbol), ids)


def _both(one: float, other: float) -> float:
    """Returns the logarithm of the sum of two probabilities."""
    low, high = sorted((one, other))
    return high if low == NEVER else high + math.log1p(math.exp(low - high))


def _add(found: dict, ids: tuple, place: int, score, frames: tuple) -> None:
    """Adds a way to a transcript that ends in blank, 0, or in a symbol, 1."""
    sums = list(found.get(ids, (NEVER, NEVER, frames)))
    sums[place] = _both(sums[place], float(score))
    found[ids] = tuple(sums)
