"""What is counted and kept while samples pass by, in bounded memory."""

import heapq
import math
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any

import numpy as np

# Samples whose numbers are kept, drawn evenly from all of them; and the
# largest and smallest values that are kept with their samples.
KEPT_ROWS, KEPT_ENDS = 10_000, 20


@dataclass
class Tally:
    """One number of all samples.

    Attributes:
        count: Samples that have it.
        missing: Samples in which it is NaN.
        train: Samples of the training split that have it.
        train_ends: Its least and largest value there.
        lowest, highest: Its ends, as (value, place), in a heap.
    """

    count: int = 0
    missing: int = 0
    train: int = 0
    train_ends: tuple[float, float] = (math.inf, -math.inf)
    lowest: list[tuple[float, int]] = field(default_factory=list)
    highest: list[tuple[float, int]] = field(default_factory=list)

    def add(self, value: float, place: int, training: bool) -> None:
        """Takes one value, NaN where it is missing."""
        if math.isnan(value):
            self.missing += 1
            return
        self.count += 1
        if training:
            self.train += 1
            low, high = self.train_ends
            self.train_ends = min(low, value), max(high, value)
        for heap, sign in ((self.lowest, -1), (self.highest, 1)):
            entry = (sign * value, place)
            if len(heap) < KEPT_ENDS:
                heapq.heappush(heap, entry)
            elif entry > heap[0]:
                heapq.heapreplace(heap, entry)

    @property
    def ends(self) -> tuple[float, float]:
        """Its least and its largest value."""
        return -max(self.lowest)[0], max(self.highest)[0]

    @property
    def constant(self) -> bool:
        """Whether the training split has one value of it alone."""
        return self.train > 1 and self.train_ends[0] == self.train_ends[1]

    def outside(self, low: float, high: float) -> list[tuple[float, int]]:
        """Returns values beyond two ends and their places, the farthest first.

        At most `KEPT_ENDS` on each side.
        """
        below = [(-v, place) for v, place in self.lowest if -v < low]
        above = [(v, place) for v, place in self.highest if v > high]
        return sorted(below + above, key=lambda pair: -abs(pair[0]))


class RowSample:
    """Rows drawn evenly from all that pass by; all of them while few.

    Args:
        size: Rows kept.
        seed: Seed of the draws.
    """

    def __init__(self, size: int = KEPT_ROWS, seed: int = 0) -> None:
        self.rows: list[dict] = []
        self.size, self.passed = size, 0
        self._random = np.random.default_rng(seed)

    def add(self, row: dict) -> None:
        """Takes one row (Vitter's algorithm R, 1985)."""
        self.passed += 1
        if len(self.rows) < self.size:
            self.rows.append(row)
            return
        place = int(self._random.integers(self.passed))
        if place < self.size:
            self.rows[place] = row

    def column(self, key: Any) -> np.ndarray:
        """Returns one number of the rows, without those that lack it."""
        found = np.array([row.get(key, math.nan) for row in self.rows], float)
        return found[np.isfinite(found)]


class Tallies:
    """All counts of one pass over the samples.

    Attributes:
        numbers: By (part, group, name), where the group is "numbers",
            "columns", "choices", "source" or "label".
        rows: Those numbers, categories and labels, of some samples.
        splits: Samples by split.
        classes: By target, classes by split.
        unlabelled: By target, samples without a label by split.
        absent: By modality, samples without it.
        notes: By modality, what reading changed.
        groups: By split, samples of each group.
    """

    def __init__(self) -> None:
        self.numbers: dict[tuple, Tally] = defaultdict(Tally)
        self.rows = RowSample()
        self.splits: Counter = Counter()
        self.classes: dict[str, dict[str, Counter]] = defaultdict(
            lambda: defaultdict(Counter)
        )
        self.unlabelled: dict[str, Counter] = defaultdict(Counter)
        self.absent: Counter = Counter()
        self.notes: dict[str, Counter] = defaultdict(Counter)
        self.groups: dict[str, Counter] = defaultdict(Counter)
