"""What the semi-supervised strategies share."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from mmkeras.options import option
from mmkeras.training.stages.modality_weights import batches_of
from mmkeras.training.strategies.base import Strategy
from mmkeras.training.strategies.semi.confidence import (
    balanced_weights,
    class_thresholds,
    confidences,
    confident_classes,
)
from mmkeras.values import FLAG, PART, WHOLE, is_real


def _is_confidence(value: Any) -> bool:
    if isinstance(value, Mapping):
        return all(_is_confidence(each) for each in value.values())
    if isinstance(value, list | tuple):
        return all(_is_confidence(each) for each in value)
    return is_real(value) and 0 < value <= 1


@dataclass(frozen=True, kw_only=True)
class FewLabels(Strategy):
    """Base of the semi-supervised strategies.

    Args:
        labelled_epochs: Passes over the labelled samples alone, at first.
        confidence: Least probability at which a class becomes a pseudo-label: a
            number, or `{target: number, or one for each class in order}`.
            Targets that are not named are not labelled.
    """

    labelled_epochs: int = option(10, WHOLE, "epochs")
    confidence: Any = option(
        0.95,
        (
            "a number above 0 and at most 1, or one for each target, or class",
            _is_confidence,
        ),
    )


@dataclass(frozen=True, kw_only=True)
class Rounds(FewLabels):
    """Base of the strategies that make pseudo-labels in rounds.

    Args:
        rounds: How often the unlabelled samples are labelled anew.
        adaptive: Whether a class that is learned less has a lower threshold;
            see `class_thresholds`.
        balanced: Whether classes keep the shares that they have among the
            labels; see `balanced_weights`.
        label_weight: Weight of a pseudo-label; a label of the data has 1.
    """

    rounds: int = option(2, WHOLE)
    adaptive: bool = option(True, FLAG)
    balanced: bool = option(True, FLAG)
    label_weight: float = option(0.5, PART)

    def pseudo_labels(self, outputs, present, labels, heads):
        """Returns one model's pseudo-labels by target.

        Args:
            outputs: Outputs by target, of all training samples.
            present: `(samples,)`, which of them have the model's modality.
            labels: The labels so far; a sample that has one keeps it.
            heads: Heads by target.
        """
        found = {}
        for name, confidence in confidences(self.confidence, heads).items():
            unknown = labels.weights[name] == 0
            in_steps = present.reshape(-1, *(1,) * (unknown.ndim - 1))
            candidates = unknown & in_steps
            limits = class_thresholds(
                outputs[name][candidates], confidence, self.adaptive
            )
            found[name] = confident_classes(outputs[name], candidates, limits)
        return found

    def with_pseudo_labels(self, data, found):
        """Returns `data` with the pseudo-labels added to its labels.

        Args:
            data: `everything`, whose labels stay.
            found: By target, classes and which samples get them.
        """
        labels, added = data.labels, {}
        for name, (classes, sure) in found.items():
            weights = sure.astype("float32")
            if self.balanced:
                own = labels.values[name][labels.weights[name] > 0]
                n_classes = len(data.spec.targets[name].classes)
                counts = np.bincount(own.astype(int), minlength=n_classes)
                weights = balanced_weights(classes, sure, counts)
            added[name] = classes, self.label_weight * weights
        return data.using(labels.filled(added))


def with_everything(data: Any) -> Any:
    """Returns data with `everything`: labelled samples, and all of them.

    Raises:
        ValueError: If `data` is not what `load_data` returned.
    """
    if hasattr(data, "everything"):
        return data
    if not hasattr(data, "with_labels"):
        raise ValueError(
            "`data` must be what `load_data` or `Data.with_labels` returns, "
            "so that samples can be given labels. Received: "
            f"{type(data).__name__}"
        )
    # The data may have samples without a label already.
    return data.with_labels(1.0)


def outputs_of(
    model: keras.Model, data: Any, column: int | None = None
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Returns the outputs of `model` on the training samples, in fixed order.

    Args:
        model: From some of the modalities to `{target: y}`.
        data: Has `ordered`.
        column: The column of `present` that tells whether the model's
            modality is there; None where it always is.

    Returns:
        Outputs by target, and which samples have the modality.
    """
    outputs: dict[str, list] = {}
    with_modality = []
    for x, _, _ in batches_of(data.ordered("train")):
        found = model.predict_on_batch({name: x[name] for name in model.input})
        for name, values in found.items():
            outputs.setdefault(name, []).append(np.asarray(values))
        size = len(next(iter(found.values())))
        present = np.ones(size) if column is None else x["present"][:, column]
        with_modality.append(np.asarray(present) > 0)
    stacked = {name: np.concatenate(parts) for name, parts in outputs.items()}
    return stacked, np.concatenate(with_modality)
