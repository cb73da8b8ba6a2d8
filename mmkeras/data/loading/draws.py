"""Seeds of the draws that change a batch, own or shared by modalities."""

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mmkeras.data.loading.moves import Moves, mirror, of_centres

# Draws of one modality, and of one key that several share, in one batch.
EACH = 1000
# From here on seeds are shared; below are those of the modalities, by number.
SHARED = 10**9


@dataclass(frozen=True)
class Shared:
    """A draw that several modalities have in common.

    Args:
        number: Its own; the seeds follow from it.
        steps: Equal steps of a sample's time that it moves by, those of the
            coarsest of the modalities; None where it moves no time.
    """

    number: int
    steps: int | None = None


class Draws:
    """An iterator of seeds for the draws of one modality in one batch.

    Args:
        seed: Of the batch, an int64 scalar.
        number: Place of the modality among those that are augmented.
        shared: The draws that it has in common with others, by key.
    """

    def __init__(
        self, seed, number: int, shared: Mapping[str, Shared] | None = None
    ) -> None:
        self.seed = seed
        self.shared = shared or {}
        self.moves = Moves()
        self._own = itertools.count(number * EACH)

    def __iter__(self) -> "Draws":
        return self

    def __next__(self) -> tuple:
        return self.seed, next(self._own)

    def of(self, key: str) -> Iterator[tuple]:
        """Returns the seeds of a key: those of all modalities that share it.

        Where none does, the modality's own go on, in the order of its draws.
        """
        if key not in self.shared:
            return self
        first = SHARED + self.shared[key].number * EACH
        return ((self.seed, first + count) for count in range(EACH))

    def moved(self, matrix: Any) -> None:
        """Notes that what is seen has moved, for targets that follow.

        Args:
            matrix: `(batch, n + 1, n + 1)` float32: from the index of a pixel
                or voxel now, x first, to the index that it had before, as
                Keras' affine transforms take it.
        """
        self.moves.affines.append(of_centres(matrix))

    def mirrored(
        self, flipped: Any, size: int, axis: int = 0, axes: int = 2
    ) -> None:
        """Notes that some samples are mirrored; see `moved`.

        Args:
            flipped: `(batch,)` of bool.
            size: Pixels along the axis.
            axis: Which one, x first.
            axes: How many there are.
        """
        self.moves.affines.append(mirror(flipped, size, axis, axes))

    def spans(
        self, settings: Mapping[str, float], batch: Any, size: int
    ) -> Iterator[tuple]:
        """Yields what `time_shift` and `time_crop` take of samples.

        Args:
            settings: Both keys; fractions of the duration.
            batch: Samples.
            size: Steps of a sample.

        Yields:
            Three int32 `(batch, 1)`, in steps: what comes first, and the
            bounds of what is there, the second excluded. Step t becomes what
            was at t + first; outside of the bounds there is nothing.
        """
        import tensorflow as tf

        def drawn(key, low):
            seeds = self.of(key)
            own = self.shared.get(key)
            # Whole steps of the coarsest, so that all move by the same time.
            steps = (own and own.steps) or size
            first, second = (
                tf.random.stateless_uniform((batch, 1), next(seeds), low, 1.0)
                for _ in range(2)
            )
            part = tf.round(first * settings[key] * steps)
            return [
                tf.cast(tf.round(each / steps * size), tf.int32)
                for each in (part, tf.round(second * part))
            ]

        if settings["time_shift"]:
            later, _ = drawn("time_shift", -1.0)
            zero = tf.zeros_like(later)
            span = -later, zero, zero + size
            self.moves.spans.append((*span, size))
            yield span
        if settings["time_crop"]:
            less, first = drawn("time_crop", 0.0)
            span = first, first, first + size - less
            self.moves.spans.append((*span, size))
            yield span
