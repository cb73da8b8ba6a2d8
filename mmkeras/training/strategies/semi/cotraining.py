"""Co-training: each modality labels samples for the others."""

from dataclasses import dataclass

from mmkeras.options import option
from mmkeras.training.stages.datasets import OneModality, present_columns
from mmkeras.training.stages.definition import Stage
from mmkeras.training.strategies.semi.base import (
    Rounds,
    outputs_of,
    with_everything,
)
from mmkeras.training.strategies.semi.confidence import agreed_classes
from mmkeras.training.trainable.single_towers import (
    input_names,
    modalities,
    tower_model,
)
from mmkeras.values import WHOLE


@dataclass(frozen=True, kw_only=True)
class CoTrain(Rounds):
    """Each tower is trained on pseudo-labels of the others, then all are fused.

    1. "NAME_labelled": each tower, with heads of its own, learns the
       labelled samples.
    2. "NAME_round_1" ...: each predicts the samples without a label that have
       its modality. Where the other towers are confident and agree, their
       class becomes a pseudo-label of this tower.
    3. "all": the whole model is trained on the labels, and on the classes
       that a tower is confident of and none contradicts. The towers' own heads
       are thrown away.

    Good where each modality could tell the class by itself, and they err on
    different samples; a modality that guesses spoils the others, so that its
    threshold must be out of its reach. A modality that a sample lacks does
    not label it.

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

    round_epochs: int = option(5, WHOLE, "epochs")
    epochs: int = option(10, WHOLE, "epochs")

    def plan(self, model):
        names = modalities(model)
        found = [(f"{name}_labelled", self.labelled_epochs) for name in names]
        for number in range(1, self.rounds + 1):
            found += [(f"{n}_round_{number}", self.round_epochs) for n in names]
        return [*found, ("all", self.epochs)]

    def stages(self, model, data, heads):
        data = with_everything(data)
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

        def stage(name, modality, part_of, epochs):
            part = OneModality(part_of, modality, columns.get(modality))
            return Stage(
                name, alone[modality], part, epochs, self.learning_rate
            )

        for name in names:
            yield stage(f"{name}_labelled", name, data, self.labelled_epochs)
        for number in range(1, self.rounds + 1):
            labels = self._pseudo_labels(alone, data.everything, columns, heads)
            for name in names:
                others = [labels[other] for other in names if other != name]
                labelled = self.with_pseudo_labels(
                    data.everything, _agreed(others)
                )
                yield stage(
                    f"{name}_round_{number}", name, labelled, self.round_epochs
                )
        labels = self._pseudo_labels(alone, data.everything, columns, heads)
        labelled = self.with_pseudo_labels(
            data.everything, _agreed(list(labels.values()))
        )
        yield Stage("all", model, labelled, self.epochs, self.learning_rate)

    def _pseudo_labels(self, alone, everything, columns, heads):
        """Returns the pseudo-labels of each tower, by modality and target."""
        found = {}
        for name, model in alone.items():
            outputs, present = outputs_of(model, everything, columns.get(name))
            found[name] = self.pseudo_labels(
                outputs, present, everything.labels, heads
            )
        return found


def _agreed(labels):
    return {
        name: agreed_classes([each[name] for each in labels])
        for name in labels[0]
    }
