"""Pseudo-labels: a model is trained on its own confident predictions."""

from dataclasses import dataclass

import numpy as np

from mmkeras.options import option
from mmkeras.training.stages.definition import Stage
from mmkeras.training.strategies.semi.base import (
    Rounds,
    outputs_of,
    with_everything,
)
from mmkeras.values import WHOLE


@dataclass(frozen=True, kw_only=True)
class PseudoLabel(Rounds):
    """Trains on the labels, labels the rest, and trains on both; in rounds.

    1. "labelled": the whole model learns the labelled samples.
    2. "round_1", "round_2" ...: it predicts all training samples that have no
       label, without augmentation. Classes at or above their threshold
       become pseudo-labels of weight `label_weight`; then training goes on
       with labels and pseudo-labels.

    Good where most confident predictions are right, and cheap: a round costs
    one pass of inference. Errors made with confidence are reinforced.

    Args:
        epochs: Passes over what has a label, in each round.

    Every argument of `Rounds`, `FewLabels` and `Strategy` is taken too.

    Source: Lee, "Pseudo-Label: The Simple and Efficient Semi-Supervised
    Learning Method", ICML workshop, 2013, in rounds instead of steps;
    thresholds as in FlexMatch, see `class_thresholds`.

    Example:

    >>> strategy = PseudoLabel(labelled_epochs=10, rounds=2, epochs=5)
    >>> history = strategy.fit(model, data.with_labels(0.1), heads)
    """

    epochs: int = option(10, WHOLE, "epochs")

    def plan(self, model):
        rounds = [(f"round_{n + 1}", self.epochs) for n in range(self.rounds)]
        return [("labelled", self.labelled_epochs), *rounds]

    def stages(self, model, data, heads):
        data = with_everything(data)
        everything = data.everything
        (first, epochs), *rounds = self.plan(model)
        yield Stage(first, model, data, epochs, self.learning_rate)
        for name, epochs in rounds:
            outputs, _ = outputs_of(model, everything)
            present = np.ones(len(everything.labels.hashes), bool)
            found = self.pseudo_labels(
                outputs, present, everything.labels, heads
            )
            labelled = self.with_pseudo_labels(everything, found)
            yield Stage(name, model, labelled, epochs, self.learning_rate)
