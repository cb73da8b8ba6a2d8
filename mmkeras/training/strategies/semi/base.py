"""What the strategies for few labels share."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import keras
import numpy as np

from mmkeras.training.stages.modality_weights import batches_of
from mmkeras.training.strategies.base import COUNT, FROM_ZERO, Strategy
from mmkeras.training.strategies.semi.confidence import (
    balanced_weights,
    believed,
    class_thresholds,
    confidences,
)
from mmkeras.training.strategies.settings import Check, is_real, is_whole


def _is_confidence(value: Any) -> bool:
    if isinstance(value, Mapping):
        return all(_is_confidence(each) for each in value.values())
    if isinstance(value, list | tuple):
        return all(_is_confidence(each) for each in value)
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and 0 < value <= 1


_SHARE = (
    "a number above 0, and at most 1",
    lambda v: not isinstance(v, Mapping | list | tuple) and _is_confidence(v),
)
_FLAG = ("true or false", lambda v: isinstance(v, bool))


@dataclass(frozen=True, kw_only=True)
class FewLabels(Strategy):
    """Base of the strategies that label samples by themselves.

    Args:
        labelled_epochs: Passes over the labelled samples alone, at first.
        confidence: Least probability at which an answer is believed: a
            number, or `{target: number, or one for each class in order}`.
            Targets that are not named are not labelled.
    """

    checks: ClassVar[dict[str, Check]] = {
        "labelled_epochs": COUNT,
        "round_epochs": COUNT,
        "rounds": COUNT,
        "ratio": (
            "a whole number from 1",
            lambda v: is_whole(v) and v > 0,
        ),
        "strength": ("a number from 1", lambda v: is_real(v) and v >= 1),
        "consistency_weight": FROM_ZERO,
        "label_weight": _SHARE,
        "confidence": (
            "a number above 0 and at most 1, or one for each target, or class",
            _is_confidence,
        ),
        "adaptive": _FLAG,
        "balanced": _FLAG,
    }

    labelled_epochs: int = 10
    confidence: Any = 0.95


@dataclass(frozen=True, kw_only=True)
class Rounds(FewLabels):
    """Base of those that label all samples, round by round.

    Args:
        rounds: How often the unlabelled samples are labelled anew.
        adaptive: Whether a class that is learned less has a lower threshold;
            see `class_thresholds`.
        balanced: Whether classes keep the shares that they have among the
            labels; see `balanced_weights`.
        label_weight: Weight of a label of a model; one of a person has 1.
    """

    rounds: int = 2
    adaptive: bool = True
    balanced: bool = True
    label_weight: float = 0.5

    def votes(self, answers, there, labels, heads):
        """Returns, by target, what is believed of one model's answers.

        Args:
            answers: Outputs by target, of all training samples.
            there: `(samples,)`, which of them the model could look at.
            labels: Those that there are; what has one is not asked for.
            heads: Heads by target.
        """
        found = {}
        for name, given in confidences(self.confidence, heads).items():
            unknown = labels.weights[name] == 0
            there_too = there.reshape(-1, *(1,) * (unknown.ndim - 1))
            asked = unknown & there_too
            limits = class_thresholds(
                answers[name][asked], given, self.adaptive
            )
            found[name] = believed(answers[name], asked, limits)
        return found

    def taught(self, data, votes):
        """Returns `data` with the believed answers as labels.

        Args:
            data: `everything`, whose labels stay.
            votes: By target, classes and which of them are believed.
        """
        labels, given = data.labels, {}
        for name, (found, sure) in votes.items():
            weights = sure.astype("float32")
            if self.balanced:
                own = labels.values[name][labels.weights[name] > 0]
                classes = len(data.spec.targets[name].classes)
                counts = np.bincount(own.astype(int), minlength=classes)
                weights = balanced_weights(found, sure, counts)
            given[name] = found, self.label_weight * weights
        return data.using(labels.filled(given))


def shared_out(data: Any) -> Any:
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
    # Samples may lack a label by themselves.
    return data.with_labels(1.0)


def answers_of(
    model: keras.Model, data: Any, column: int | None = None
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Returns what `model` says of the training samples, in fixed order.

    Args:
        model: From some of the modalities to `{target: y}`.
        data: Has `ordered`.
        column: The column of `present` that tells whether the model's
            modality is there; None where it always is.

    Returns:
        Outputs by target, and which samples have the modality.
    """
    outputs: dict[str, list] = {}
    there = []
    for x, _, _ in batches_of(data.ordered("train")):
        found = model.predict_on_batch({name: x[name] for name in model.input})
        for name, values in found.items():
            outputs.setdefault(name, []).append(np.asarray(values))
        size = len(next(iter(found.values())))
        here = np.ones(size) if column is None else x["present"][:, column]
        there.append(np.asarray(here) > 0)
    joined = {name: np.concatenate(parts) for name, parts in outputs.items()}
    return joined, np.concatenate(there)
