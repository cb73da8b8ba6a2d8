"""Co-training: each modality labels samples for the others."""

from dataclasses import dataclass

from mmkeras.training.stages.datasets import OneModality, present_columns
from mmkeras.training.stages.definition import Stage
from mmkeras.training.strategies.semi.base import Rounds, answers_of, shared_out
from mmkeras.training.strategies.semi.confidence import agreed
from mmkeras.training.trainable.single_towers import (
    input_names,
    modalities,
    tower_model,
)


@dataclass(frozen=True, kw_only=True)
class CoTrain(Rounds):
    """Towers that see different things teach each other, then all are fused.

    1. "NAME_labelled": each tower, with heads of its own, learns the
       labelled samples.
    2. "NAME_round_1" ...: each answers the samples without a label that have
       its modality. What the other towers are sure of, and do not
       contradict each other in, becomes this tower's labels.
    3. "all": the whole model learns the labels, and what any tower is sure
       of and none contradicts. The towers' own heads are thrown away.

    Good where each modality could tell the class by itself, and they err on
    different samples; a modality that guesses spoils the others, so that its
    threshold must be out of its reach. A modality that a sample lacks does
    not vote on it.

    Args:
        round_epochs: Passes of each tower, in each round.
        epochs: Passes of the whole model, at the end.

    Every argument of `Rounds`, `FewLabels` and `Strategy` is taken too.

    Source: Blum and Mitchell, "Combining Labeled and Unlabeled Data with
    Co-Training", COLT, 1998; thresholds instead of a number a class.

    Example:

    >>> strategy = CoTrain(rounds=1, confidence=0.9)
    >>> history = strategy.fit(model, data.with_labels(0.1), heads)
    """

    round_epochs: int = 5
    epochs: int = 10

    def plan(self, model):
        names = modalities(model)
        found = [(f"{name}_labelled", self.labelled_epochs) for name in names]
        for number in range(1, self.rounds + 1):
            found += [(f"{n}_round_{number}", self.round_epochs) for n in names]
        return [*found, ("all", self.epochs)]

    def stages(self, model, data, heads):
        data = shared_out(data)
        names = modalities(model)
        if len(names) < 2:
            raise ValueError(
                "`CoTrain` needs a model of at least two modalities. "
                f"Received: {', '.join(names)} alone"
            )
        inputs = input_names(model)
        optional = inputs["present"].shape[-1] if "present" in inputs else 0
        columns = present_columns(data, names, optional)
        alone = {name: tower_model(model, name, heads) for name in names}

        def stage(name, modality, given, epochs):
            part = OneModality(given, modality, columns.get(modality))
            return Stage(
                name, alone[modality], part, epochs, self.learning_rate
            )

        for name in names:
            yield stage(f"{name}_labelled", name, data, self.labelled_epochs)
        for number in range(1, self.rounds + 1):
            votes = self._votes(alone, data.everything, columns, heads)
            for name in names:
                others = [votes[other] for other in names if other != name]
                taught = self.taught(data.everything, _joined(others))
                yield stage(
                    f"{name}_round_{number}", name, taught, self.round_epochs
                )
        votes = self._votes(alone, data.everything, columns, heads)
        taught = self.taught(data.everything, _joined(list(votes.values())))
        yield Stage("all", model, taught, self.epochs, self.learning_rate)

    def _votes(self, alone, everything, columns, heads):
        """Returns what each tower is sure of, by target."""
        found = {}
        for name, model in alone.items():
            answers, there = answers_of(model, everything, columns.get(name))
            found[name] = self.votes(answers, there, everything.labels, heads)
        return found


def _joined(votes):
    return {name: agreed([vote[name] for vote in votes]) for name in votes[0]}
