"""Texts token by token: the next one is drawn from a decoder's logits.

One implementation, for Keras and for the device, and so NumPy alone. A decoder
is called with the newest token and the keys and values of all before it; it
returns logits, and the keys and values of that token, which are put in place
here.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

# Ids of what is no letter. The end also fills up what is shorter.
END, START, UNKNOWN, FIRST = 0, 1, 2, 3
# Added to the score of what must not be read. In int8 a larger one would
# take the whole range.
HIDDEN = -30.0
KEY, VALUE = "kv_cache_k_", "kv_cache_v_"
# From `tokens` (rows, 1), `input_pos` (rows,), `mask` (rows, 1, 1, places)
# and the caches (rows, places, heads, width) to `logits` (rows, 1, tokens)
# and what the token adds to each cache, (rows, 1, heads, width).
Step = Callable[[Mapping[str, np.ndarray]], Mapping[str, np.ndarray]]


@dataclasses.dataclass(frozen=True)
class Decoder:
    """What a model writes a text with.

    Args:
        step: The decoder.
        letters: The character, or word, of each id from `FIRST` on.
        places: Of a cache: those of the prefix, and of the longest text.
        layers: Layers with a cache.
        heads: Heads of each.
    """

    step: Step
    letters: Sequence[str]
    places: int
    layers: int
    heads: int

    def text_of(self, ids: Sequence[int]) -> str:
        """Returns the text of ids, up to the first that is the end."""
        found = ""
        for each in ids:
            if each == END:
                break
            if each >= FIRST:
                found += self.letters[each - FIRST]
        return found


@dataclasses.dataclass
class Caches:
    """Keys and values of some texts, as far as they are written.

    Args:
        caches: By name, `(rows, places, heads, width)`.
        mask: `(rows, 1, 1, places)`: `HIDDEN` where nothing is to be read.
        first: Place of the first token, behind the prefix.
    """

    caches: dict[str, np.ndarray]
    mask: np.ndarray
    first: int

    def run(self, step: Step, tokens: np.ndarray, at: int) -> np.ndarray:
        """Reads the newest tokens, `(rows,)`; returns logits of the next."""
        rows, place = len(tokens), self.first + at
        found = step(
            {
                "tokens": np.asarray(tokens, np.int32)[:, None],
                "input_pos": np.full(rows, at, np.int32),
                "mask": self.mask,
                **self.caches,
            }
        )
        for name, cache in self.caches.items():
            cache[:, place] = found[name][:, 0]
        self.mask[..., place] = 0
        return found["logits"][:, 0]

    def pick(self, rows: Sequence[int]) -> Caches:
        """Returns a copy of some rows, in another order."""
        kept = {name: cache[rows] for name, cache in self.caches.items()}
        return Caches(kept, self.mask[rows], self.first)


def unpack(memory: np.ndarray, decoder: Decoder) -> Caches:
    """Returns the caches of a prefix, with room for a text behind it.

    Args:
        memory: What the model answers, `(rows, places, numbers)`: keys and
            values of each layer, one after the other, and the mask.
        decoder: The decoder.
    """
    memory = np.asarray(memory, np.float32)
    rows, places, numbers = memory.shape
    width, rest = divmod(numbers - 1, 2 * decoder.layers)
    if rest or width % decoder.heads:
        raise ValueError(
            f"The memory must be keys and values of {decoder.layers} layers "
            f"of {decoder.heads} heads, and a mask. Received: {numbers} numbers"
        )
    parts = np.split(memory[..., :-1], 2 * decoder.layers, axis=-1)
    size = decoder.places - places
    caches = {}
    for place, part in enumerate(parts):
        part = part.reshape(rows, places, decoder.heads, -1)
        name = (KEY, VALUE)[place % 2] + str(place // 2)
        caches[name] = np.pad(part, ((0, 0), (0, size), (0, 0), (0, 0)))
    mask = np.full((rows, 1, 1, places + size), HIDDEN, np.float32)
    mask[:, 0, 0, :places] = memory[..., -1]
    return Caches(caches, mask, places)


def generate(
    memory: np.ndarray,
    decoder: Decoder,
    sampling: Any,
    told: Callable[[int, str], object] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Writes a text for each row.

    Args:
        memory: What the model answers, `(rows, places, numbers)`.
        decoder: What it is read with.
        sampling: How the next token is chosen: a `Sampling`.
        told: Called with a row and what is written as soon as it is known;
            of beams, when they have ended.

    Returns:
        Ids and their log-probabilities, `(rows, tokens)`; the end and 0
        where a text is shorter.
    """
    told = told or (lambda row, letter: None)
    room = decoder.places - memory.shape[1]
    ids = np.full((len(memory), room), END, np.int64)
    chances = np.zeros((len(memory), room))
    if sampling.beams == 1:
        caches = unpack(memory, decoder)
        _draw(caches, decoder, sampling, ids, chances, told)
        return ids, chances
    for row in range(len(memory)):
        caches = unpack(memory[row : row + 1], decoder)
        best, each = _beam(caches, decoder, sampling, room)
        ids[row, : len(best)], chances[row, : len(each)] = best, each
        _tell(told, row, decoder.text_of(best))
    return ids, chances


def _draw(caches, decoder, sampling, ids, chances, told):
    """Writes one token after the other into `ids` and `chances`."""
    rows, room = ids.shape
    size = min(sampling.max_characters or room, room)
    going, newest = np.ones(rows, bool), np.full(rows, START)
    draws = [np.random.default_rng([sampling.seed, i]) for i in range(rows)]
    said = [sampling.stops() for _ in range(rows)]
    for at in range(size):
        logits = caches.run(decoder.step, newest, at)
        likely = log_softmax(allowed(logits))
        for row in np.flatnonzero(going):
            best = sampling.choose(likely[row], draws[row])
            chances[row, at] = likely[row, best]
            if best == END:
                going[row] = False
                _tell(told, row, said[row].rest())
                continue
            ids[row, at] = newest[row] = best
            _tell(told, row, said[row].add(decoder.letters[best - FIRST]))
            if said[row].found:
                going[row] = False
                ids[row, said[row].kept :] = END
                chances[row, said[row].kept :] = 0
        if not going.any():
            break
    for row in np.flatnonzero(going):
        _tell(told, row, said[row].rest())


def _tell(told, row, text):
    if text:
        told(row, text)


def _beam(caches, decoder, sampling, room):
    """Returns the best of several texts that are followed at once."""
    size = min(sampling.max_characters or room, room)
    beams, ended = [(0.0, [], [])], []
    for at in range(size):
        newest = [ids[-1] if ids else START for _, ids, _ in beams]
        logits = caches.run(decoder.step, np.array(newest), at)
        likely = np.maximum(log_softmax(allowed(logits)), -1e9)
        total = likely + np.array([score for score, _, _ in beams])[:, None]
        # Twice as many, since some of them end.
        best = np.argsort(-total, axis=None, kind="stable")
        following, rows = [], []
        for rank, place in enumerate(best[: 2 * sampling.beams]):
            row, token = divmod(int(place), likely.shape[1])
            score, ids, each = beams[row]
            each = [*each, float(likely[row, token])]
            kept = _stopped(decoder, sampling, [*ids, token])
            stopped = kept is not None
            if token == END or stopped:
                if rank >= sampling.beams:
                    continue  # no better than what is followed
                length = len(each)
                if stopped:
                    ids, each = [*ids, token][:kept], each[:kept]
                rated = total[row, token] / length**sampling.length_penalty
                ended.append((rated, ids, each))
            elif len(following) < sampling.beams:
                following.append(
                    (float(total[row, token]), [*ids, token], each)
                )
                rows.append(row)
        if not following or _is_done(ended, following[0][0], at + 1, sampling):
            break
        beams, caches = following, caches.pick(rows)
    else:
        ended += [
            (score / len(each) ** sampling.length_penalty, ids, each)
            for score, ids, each in beams
        ]
    return max(ended, key=lambda one: one[0])[1:]


def _stopped(decoder, sampling, ids):
    """Returns the tokens before a text that ends the answer, if there is."""
    said = sampling.stops()
    for token in ids:
        said.add(decoder.letters[token - FIRST] if token >= FIRST else "")
    return said.kept if said.found else None


def _is_done(ended, best, length, sampling) -> bool:
    """Whether no text that is followed can become better than those ended."""
    if len(ended) < sampling.beams:
        return False
    possible = best / length**sampling.length_penalty
    return max(rated for rated, _, _ in ended) >= possible


def allowed(logits: np.ndarray) -> np.ndarray:
    """Returns logits of which the start and the unknown are never chosen."""
    logits = np.array(logits, np.float64)
    logits[..., [START, UNKNOWN]] = -np.inf
    return logits


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """Returns log-probabilities of the last axis."""
    logits = logits - logits.max(axis=-1, keepdims=True)
    return logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))


def row_by_row(step: Step) -> Step:
    """Returns a decoder of any number of rows, of one that takes one."""

    def run(inputs):
        found = [
            step({name: x[i : i + 1] for name, x in inputs.items()})
            for i in range(len(inputs["tokens"]))
        ]
        names = found[0]
        return {n: np.concatenate([each[n] for each in found]) for n in names}

    return run


def decoder_of(step: Step, details: Mapping, letters: Sequence[str]) -> Decoder:
    """Returns the decoder of a signature of a file.

    Args:
        step: The signature, of one row.
        details: Its inputs, as an interpreter tells them.
        letters: The character, or word, of each id from `FIRST` on.
    """
    shapes = {name: list(each["shape"]) for name, each in details.items()}
    layers = sum(name.startswith(KEY) for name in shapes)
    _, places, heads, _ = shapes[f"{KEY}0"]
    return Decoder(row_by_row(step), letters, int(places), layers, int(heads))
