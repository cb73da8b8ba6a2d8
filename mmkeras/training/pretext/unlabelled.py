"""Data for learning without labels: one modality, weighted by its presence."""

from typing import Any

from mmkeras.training.stages.datasets import mapped


class Unlabelled:
    """One modality of `data`, without labels, those that lack it at weight 0.

    Where only some samples are labelled, all count: `data.everything` is read
    in place of `data`, if it is there.

    Args:
        data: Has `train` and `validation`, which may be None: data sets of
            `({modality: x}, {target: y}, {target: sample_weight})`.
        name: The modality.
        column: Its column of `present`; None where it is always there.

    Attributes:
        train: Batches `({name: x}, {})`, or `({name: x}, {}, weights)` where
            the modality may be absent, `weights` being `(batch,)`.
        validation: The same, or None.

    Example:

    >>> data = Unlabelled(load_data("prepared"), "audio", None)
    >>> model = pretext_model(whole, "audio", "masked")
    >>> model.compile("adam")
    >>> history = model.fit(data.train, validation_data=data.validation)
    """

    def __init__(self, data: Any, name: str, column: int | None):
        everything = getattr(data, "everything", data)
        self.train = _without_labels(everything.train, name, column)
        self.validation = _without_labels(data.validation, name, column)


def _without_labels(dataset: Any, name: str, column: int | None) -> Any:
    def pick(x, *_):
        one = {name: x[name]}
        if column is None:
            return one, {}
        return one, {}, x["present"][:, column]

    return mapped(dataset, pick)
