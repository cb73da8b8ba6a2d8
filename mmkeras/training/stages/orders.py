"""The order of training samples: how it is drawn, and found again."""

import copy
import random
from collections.abc import Mapping
from typing import Any

import keras


def counted(dataset: Any) -> Any:
    """Returns `dataset`, its iterators counted by `iterators_of` from now on.

    Each iterator of a `tf.data.Dataset` draws the next order of the samples,
    and `fit` makes more of them than there are epochs. Of any other data set
    nothing is counted.
    """
    if not hasattr(dataset, "element_spec"):
        return dataset

    return _counted(dataset, _Count())


class _Count:
    """Iterators that were made of a data set, and of its rests."""

    iterators = 0


def _counted(dataset: Any, count: _Count) -> Any:
    class Counted(type(dataset)):
        def __iter__(self):
            self.count.iterators += 1
            return super().__iter__()

    same = copy.copy(dataset)
    same.__class__ = Counted
    same.count = count
    return same


def rest_of(dataset: Any, batches: int) -> Any:
    """Returns a data set without the first batches of its epoch.

    It draws from the same orders, so that its next iterator has what is left
    of that of `dataset`. A `tf.data.Dataset` may have a method
    `rest_of_epoch(batches)` that knows a quicker way than to skip them.

    Args:
        dataset: A `tf.data.Dataset`, or an `InOrder`.
        batches: How many are left out.
    """
    if isinstance(dataset, InOrder):
        return dataset.rest(batches)
    quick = getattr(dataset, "rest_of_epoch", None)
    rest = dataset.skip(batches) if quick is None else quick(batches)
    count = getattr(dataset, "count", None)
    return rest if count is None else _counted(rest, count)


class InOrder(keras.utils.PyDataset):
    """A `PyDataset` in an order that the number of the epoch decides.

    Keras shuffles by Python's own generator, whose state a resumed training
    would not have.

    Args:
        dataset: The data set.
        seed: Seed of the fit; None for orders by chance.
    """

    def __init__(self, dataset: Any, seed: int | None) -> None:
        super().__init__(
            dataset.workers, dataset.use_multiprocessing, dataset.max_queue_size
        )
        self.dataset, self.seed, self.start = dataset, seed, 0
        self.order = list(range(len(dataset)))
        self._begun = False

    def rest(self, batches: int) -> "InOrder":
        """Returns the same, in the same order, without the first batches."""
        same = InOrder(self.dataset, self.seed)
        same.start, same.order = batches, self.order
        return same

    def set_epoch(self, epoch: int) -> None:
        """Draws the order of an epoch."""
        self.order[:] = range(len(self.dataset))
        if self.seed is None:
            random.shuffle(self.order)
        else:
            random.Random(f"{self.seed}/{epoch}").shuffle(self.order)

    def __len__(self):
        return len(self.dataset) - self.start

    def __getitem__(self, index):
        return self.dataset[self.order[self.start + index]]

    def on_epoch_begin(self):
        self._begun = True
        self.dataset.on_epoch_begin()

    def on_epoch_end(self):
        # Keras calls it before the first epoch, too.
        if self._begun:
            self._begun = False
            self.dataset.on_epoch_end()


class SeededOrder(keras.callbacks.Callback):
    """Tells an `InOrder`, and its rests, which epoch begins."""

    def __init__(self, dataset: InOrder):
        super().__init__()
        self.dataset = dataset

    def on_epoch_begin(self, epoch, logs=None):
        self.dataset.set_epoch(epoch)


def prepared(dataset: Any, seed: int | None) -> Any:
    """Returns a training split whose order a resumed training finds again."""
    if isinstance(dataset, keras.utils.PyDataset):
        return InOrder(dataset, seed)
    return counted(dataset)


def is_divisible(dataset: Any) -> bool:
    """Returns whether `rest_of` can leave out batches of a data set."""
    return isinstance(dataset, InOrder) or hasattr(dataset, "element_spec")


def batch_like(dataset: Any) -> Any:
    """Returns a batch of a divisible data set, or what tells its shapes."""
    if isinstance(dataset, InOrder):
        return dataset.dataset[0]
    return dataset.element_spec


def go_to(dataset: Any, checkpoint: Mapping[str, Any]) -> None:
    """Advances a `prepared` data set to where a checkpoint was saved.

    Within an epoch, that is before its iterator: `rest_of` has what is left.
    """
    validating = checkpoint["validating"]
    within = checkpoint["step"] and not validating
    iterators = checkpoint["iterators"] - (1 if within else 0)
    advance(dataset, iterators, checkpoint["stage_epochs"] + validating)


def advance(dataset: Any, iterators: int, epochs: int = 0) -> None:
    """Advances the random order of `dataset`, as if it had been read before.

    Args:
        dataset: A `tf.data.Dataset` or `keras.utils.PyDataset`.
        iterators: Iterators that were made of the former, in all.
        epochs: Epochs of the latter.
    """
    if isinstance(dataset, keras.utils.PyDataset):
        for _ in range(epochs):
            dataset.on_epoch_begin()
            dataset.on_epoch_end()
        return
    for _ in range(iterators - iterators_of(dataset)):
        # It draws its order when it is made, before it is read.
        iter(dataset)


def iterators_of(dataset: Any) -> int:
    """Returns how many iterators were made of a `counted` data set."""
    return getattr(getattr(dataset, "count", None), "iterators", 0)
