"""Data sets in training: their length, one modality of them."""

from collections.abc import Callable, Container, Mapping
from typing import Any

import keras

from mmkeras.training.stages.orders import rest_of


def count_batches(dataset: Any) -> int:
    """Returns the batches of an epoch; reads it if its length is unknown."""
    try:
        return len(dataset)
    except TypeError:
        pass
    # tf.data has cardinality -1 for a data set without an end.
    cardinality = getattr(dataset, "cardinality", None)
    if cardinality is not None and int(cardinality()) == -1:
        raise ValueError(
            "`data.train` must end after an epoch. Received: a data set "
            "without an end; leave `.repeat()` out"
        )
    return sum(1 for _ in dataset)


def check_data(data: Any, monitor: str | None) -> None:
    """Raises ValueError unless `data` has its splits.

    Args:
        data: Anything with `train` and `validation`.
        monitor: The metric that early stopping watches; None without it.
    """
    for split in ("train", "validation"):
        if not hasattr(data, split):
            raise ValueError(
                "`data` must have `train` and `validation`, as what "
                f"`load_data` returns. Received: {type(data).__name__} "
                f"without `{split}`"
            )
    if monitor and monitor.startswith("val_") and data.validation is None:
        raise ValueError(
            f"`patience` needs a validation split to watch `{monitor}`. "
            "Received: data.validation=None; leave `patience` out, or set "
            "`monitor` to 'loss'"
        )


class OneModality:
    """`data` with one modality alone; samples that lack it have weight 0.

    Args:
        data: Has `train` and `validation`.
        name: The modality.
        column: Its column of `present`; None where it is always there.
        targets: Names of the targets that are left; None for all.
    """

    def __init__(
        self,
        data: Any,
        name: str,
        column: int | None,
        targets: Container[str] | None = None,
    ):
        self.train, self.validation = (
            one_modality(split, name, column, targets)
            for split in (data.train, data.validation)
        )


def one_modality(
    dataset: Any,
    name: str,
    column: int | None,
    targets: Container[str] | None = None,
) -> Any:
    """Returns `dataset` with the modality `name` alone.

    Args:
        dataset: A `tf.data.Dataset` or `keras.utils.PyDataset` of
            `({modality: x}, {target: y}, {target: sample_weight})`, or None.
        name: The modality.
        column: Its column of `present`; samples that lack it get weight 0.
            None where it is always there.
        targets: Names of the targets that are left; None for all.
    """
    if dataset is None:
        return None

    def kept(found):
        if targets is None or found is None:
            return found
        return {key: one for key, one in found.items() if key in targets}

    def pick(x, y, weights=None):
        y, weights = kept(y), kept(weights)
        if column is None:
            return ({name: x[name]}, y) + (
                () if weights is None else (weights,)
            )
        here = x["present"][:, column]
        if weights is None:
            weights = {target: 1.0 for target in y}
        # A sequence has a weight for each of its steps.
        here = {0: here, 1: here, 2: here[:, None], 3: here[:, None, None]}
        weights = {
            t: w * here[len(getattr(w, "shape", ()))]
            for t, w in weights.items()
        }
        return {name: x[name]}, y, weights

    return mapped(dataset, pick)


def mapped(dataset: Any, function: Callable) -> Any:
    """Returns a data set whose batches pass through `function`.

    Args:
        dataset: A `tf.data.Dataset`, a `keras.utils.PyDataset`, or None.
        function: From the parts of a batch to a batch.

    Raises:
        ValueError: If the data set is of another type.
    """
    if dataset is None:
        return None
    if isinstance(dataset, keras.utils.PyDataset):
        return _Picked(dataset, function)
    if hasattr(dataset, "element_spec"):
        found = dataset.map(function).prefetch(2)
        found.rest_of_epoch = lambda batches: (
            rest_of(dataset, batches).map(function).prefetch(2)
        )
        return found
    raise ValueError(
        "`ComponentPretrain` needs data it can take one modality from: a "
        "`tf.data.Dataset` or a `keras.utils.PyDataset`. Received: "
        f"{type(dataset).__name__}"
    )


class _Picked(keras.utils.PyDataset):
    """A PyDataset whose batches pass through a function."""

    def __init__(self, dataset, function):
        super().__init__()
        self.dataset = dataset
        self.function = function

    def __len__(self):
        return len(self.dataset)

    def __getitem__(self, index):
        return self.function(*self.dataset[index])

    def on_epoch_begin(self):
        self.dataset.on_epoch_begin()

    def on_epoch_end(self):
        self.dataset.on_epoch_end()


def present_columns(
    data: Any, modalities: list[str], n_optional: int
) -> Mapping[str, int]:
    """Returns the column of `present` for each optional modality.

    Args:
        data: Where it has a `spec`, `spec.optional` names them.
        modalities: Names of all modalities.
        n_optional: Columns of the model's input `present`.
    """
    if hasattr(data, "spec"):
        names = sorted(data.spec.optional)
    else:
        names = sorted(modalities) if n_optional else []
    if len(names) != n_optional:
        raise ValueError(
            "The model's input `present` must have a column for each "
            f"optional modality: {n_optional}. Received: {names}; give "
            "`data.spec.optional` the names"
        )
    return {name: column for column, name in enumerate(names)}
