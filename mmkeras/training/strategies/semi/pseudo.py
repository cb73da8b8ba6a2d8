"""Pseudo-labels: a model learns from what it is sure of."""

from dataclasses import dataclass

import numpy as np

from mmkeras.training.stages.definition import Stage
from mmkeras.training.strategies.semi.base import Rounds, answers_of, shared_out


@dataclass(frozen=True, kw_only=True)
class PseudoLabel(Rounds):
    """Trains on the labels, labels the rest, and trains on both; in rounds.

    1. "labelled": the whole model learns the labelled samples.
    2. "round_1", "round_2" ...: it answers all training samples that have no
       label, as they are, without augmentation. Answers at or above their
       class's threshold become labels of `label_weight`; then it trains on,
       on labels of both kinds.

    Good where the model is right on much of what it is sure of, and quick: a
    round costs one pass of answers. What it gets wrong with confidence it
    will go on getting wrong.

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

    epochs: int = 10

    def plan(self, model):
        rounds = [(f"round_{n + 1}", self.epochs) for n in range(self.rounds)]
        return [("labelled", self.labelled_epochs), *rounds]

    def stages(self, model, data, heads):
        data = shared_out(data)
        everything = data.everything
        (first, epochs), *rounds = self.plan(model)
        yield Stage(first, model, data, epochs, self.learning_rate)
        for name, epochs in rounds:
            answers, _ = answers_of(model, everything)
            there = np.ones(len(everything.labels.hashes), bool)
            votes = self.votes(answers, there, everything.labels, heads)
            taught = self.taught(everything, votes)
            yield Stage(name, model, taught, epochs, self.learning_rate)
