"""How the next token of a text is chosen, and where a text ends.

NumPy alone, since the device does it by this file.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

LIMITS = {
    "temperature": (0.0, 100.0),
    "top_k": (1, 1_000_000),
    "top_p": (0.0, 1.0),
    "beams": (1, 64),
    "length_penalty": (0.0, 10.0),
    "max_characters": (1, 100_000),
    "seed": (0, 2**63 - 1),
}


class Stops:
    """Holds back what may become a text before which the answer ends.

    A letter is a character, or a word, which is told as a whole or not.

    Args:
        stop: These texts.
    """

    def __init__(self, stop: Sequence[str]):
        self.stop, self.text, self.told = stop, "", 0
        # Where each letter ends; how many are kept once a text was found.
        self.ends = [0]
        self.found, self.kept = False, 0

    def add(self, letter: str) -> str:
        """Returns the characters that are certain by now."""
        self.text += letter
        self.ends.append(len(self.text))
        places = [p for p in map(self.text.find, self.stop) if p >= 0]
        if places:
            self.kept = sum(end <= min(places) for end in self.ends) - 1
            self.found = True
            return self._until(min(places))
        held = max(
            (
                length
                for each in self.stop
                for length in range(1, len(each))
                if self.text.endswith(each[:length])
            ),
            default=0,
        )
        return self._until(len(self.text) - held)

    def rest(self) -> str:
        """Returns what was held back, at the end."""
        return self._until(len(self.text))

    def _until(self, place: int) -> str:
        place = max(end for end in self.ends if end <= place)
        new, self.told = self.text[self.told : place], max(self.told, place)
        return new


@dataclasses.dataclass(frozen=True)
class Sampling:
    """How the next token is chosen.

    Args:
        temperature: Divides the logits; 0 takes the likeliest token.
        top_k: Draw among so many likeliest tokens; None for all.
        top_p: Draw among the likeliest tokens that together have this
            probability; None for all.
        beams: Texts that are followed at once; above 1, nothing is drawn.
        length_penalty: A text of a beam is rated by its log-probability over
            its length to this power: 0 prefers short ones.
        max_characters: Characters at most, or words of a model that writes
            words; None for as many as the model has.
        stop: Texts before which the answer ends.
        seed: Seed of the draws.

    Raises:
        ValueError: If a value is out of its limits.
    """

    temperature: float = 0.0
    top_k: int | None = None
    top_p: float | None = None
    beams: int = 1
    length_penalty: float = 1.0
    max_characters: int | None = None
    stop: tuple[str, ...] = ()
    seed: int = 0

    def __post_init__(self):
        for name, (low, high) in LIMITS.items():
            value = getattr(self, name)
            if value is None:
                continue
            whole = isinstance(low, int)
            real = isinstance(value, (int, float)) and value is not True
            if not real or whole > isinstance(value, int):
                value = repr(value)[:40]
            elif low <= value <= high and (name != "top_p" or value > 0):
                continue
            what = "whole and " if whole else ""
            above = "above 0, at most 1" if name == "top_p" else ""
            raise ValueError(
                f"`{name}` must be {what}"
                f"{above or f'from {low:g} to {high:g}'}. Received: {value}"
            )
        if self.beams > 1 and self.temperature:
            raise ValueError(
                "`beams` goes without `temperature`, since nothing is drawn. "
                f"Received: {self.beams} beams, {self.temperature}"
            )
        if not all(self.stop):
            raise ValueError("`stop` must be texts. Received: an empty one")

    def choose(self, likely: np.ndarray, draw: np.random.Generator) -> int:
        """Returns the id of the next token.

        Args:
            likely: Log-probabilities, `(tokens,)`.
            draw: Where chance comes from.
        """
        if not self.temperature:
            return int(likely.argmax())
        order = np.argsort(-likely, kind="stable")[: self.top_k]
        chances = np.exp((likely[order] - likely[order[0]]) / self.temperature)
        chances /= chances.sum()
        if self.top_p is not None:
            # The one that goes past the limit is kept.
            kept = np.cumsum(chances) - chances < self.top_p
            order, chances = order[kept], chances[kept]
        ends = np.cumsum(chances)
        place = np.searchsorted(ends, draw.random() * ends[-1], side="right")
        return int(order[min(place, len(order) - 1)])

    def stops(self) -> Stops:
        """Returns what watches one text."""
        return Stops(self.stop)


GREEDY = Sampling()
