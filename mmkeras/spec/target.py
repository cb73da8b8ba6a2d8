"""What every kind of target answers."""

import json
from collections.abc import Container, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import Field

from mmkeras.metrics import Decisions, Description, Figures
from mmkeras.options import Options
from mmkeras.spec.labelling import Labelling
from mmkeras.spec.tables import Column

Weight = Annotated[float, Field(gt=0, le=1e6)]
# What stands between two labels of one cell.
Separator = Annotated[str, Field(min_length=1, max_length=5)]


class Target(Labelling):
    """What comes out of the model; the base of every kind of target.

    A method that returns None, as most do here, is not offered by the kind,
    and the stage that asks for it leaves it out or says so.

    Args:
        column: Manifest column with the label; empty means no label.
        weight: Weight of this target's loss.
    """

    column: Column
    weight: Weight = 1.0
    # Whether a label is one class of several, which the proportions of a
    # split can be kept by.
    stratifies: ClassVar[bool] = False
    # Whether boosting can weigh samples by who is right.
    boosts: ClassVar[bool] = False
    # Whether a label is mostly zeros, so that labels are kept by what is not.
    sparse: ClassVar[bool] = False
    # Whether labels can be proposed to a person: `probabilities`, and the
    # manifest's cell of an answer.
    proposes: ClassVar[bool] = False
    # Whether a decoder beside the model writes its answer, step by step.
    writes: ClassVar[bool] = False
    # The figure that is shown first, and the one whose drop an export limits:
    # of that, larger is better, and it has no unit.
    headline: ClassVar[str]
    guard: ClassVar[str]
    # How figures are told that mmkeras does not have.
    own_figures: ClassVar[Mapping[str, Description]] = {}
    # The head's own metric, whose values during training are drawn.
    training_metric: ClassVar[str]
    # What the last layer applies: "softmax", "sigmoid" or "linear". Outputs
    # of several models are pooled by it; None where they cannot be.
    activation: ClassVar[str | None] = None
    # Whether `naive` answers, which takes a pass over the inputs.
    has_naive: ClassVar[bool] = False
    # What knows the training labels alone, and what decisions are about.
    baseline: ClassVar[str] = "majority class"
    counted: ClassVar[str] = "Samples"

    @property
    def manifest_columns(self) -> tuple[str, ...]:
        """Columns of the manifest that one label is read from."""
        return (self.column,)

    @property
    def skips_of(self) -> tuple[str, ...]:
        """Modalities whose feature maps, `skips`, the head reads."""
        return ()

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes; empty for a target without."""
        return ()

    def check(self, name: str, modalities: Mapping[str, Any]) -> None:
        """Raises ValueError if it does not go with the spec's modalities.

        Args:
            name: Its own name in the spec.
            modalities: Modalities by name.
        """

    def among(self, modalities: Container[str]) -> "Target | None":
        """Returns the target in a spec with fewer modalities.

        Args:
            modalities: Names of those that are left.

        Returns:
            None where it cannot be answered without one that is gone.
        """
        needed = {*self.reads_with, self.moves_with} - {None}
        return self if all(name in modalities for name in needed) else None

    def figures(
        self,
        labels: np.ndarray,
        outputs: np.ndarray,
        weights: np.ndarray | None = None,
    ) -> Figures:
        """Returns every figure of the outputs, as a function of draws.

        Args:
            labels: As in a batch.
            outputs: Of the model.
            weights: As in a batch; 0 where there is no label.
        """
        return self.ask("measure", "figures", labels, outputs, weights)

    def decisions(
        self,
        labels: np.ndarray,
        outputs: np.ndarray,
        weights: np.ndarray | None = None,
    ) -> Decisions | None:
        """Returns truth and answers class by class: for figures of each class,
        confusion and calibration."""
        return None

    def agreement(
        self,
        one: np.ndarray,
        other: np.ndarray,
        weights: np.ndarray | None = None,
    ) -> float | None:
        """Returns how often two outputs for the same samples decide alike.

        Args:
            one: Outputs of a model.
            other: Those of another, or of its file.
            weights: As in a batch: a decision counts as it does in a figure,
                and what is padding in none. All count where no sample has a
                label.
        """
        return None

    def distance(
        self, one: np.ndarray, other: np.ndarray
    ) -> tuple[np.ndarray, float]:
        """Returns how far a model's outputs and its float file's are apart.

        And the size of what may differ in its last bits, at least 1.
        """
        return np.abs(other - one), max(1.0, float(np.abs(one).max()))

    def naive(self, x: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Returns outputs, by name, that follow from inputs without a model.

        They are baselines of an evaluation, as "as before" is of a forecast.

        Args:
            x: Inputs of a batch, by modality.
        """
        return {}

    def points(
        self, labels: np.ndarray, outputs: np.ndarray, weights: np.ndarray
    ) -> list[list[float]] | None:
        """Returns `[true, predicted]` of samples, for a scatter plot."""
        return None

    def errors(
        self, labels: np.ndarray, outputs: np.ndarray, weights: np.ndarray
    ) -> np.ndarray | None:
        """Returns how wrong each sample is, `(samples,)`.

        Args:
            labels: Of samples that have a label, if for one step only.
            outputs: Of the model.
            weights: All above 0, but for steps without a label.
        """
        return None

    def spell(self, label: np.ndarray, output: np.ndarray) -> dict[str, Any]:
        """Returns one sample's "label" and "answer", as JSON to be read.

        And the "probability" of the answer, or None.
        """
        return {
            "label": np.asarray(label).tolist(),
            "answer": np.asarray(output).tolist(),
            "probability": None,
        }

    def show(
        self,
        label: Any,
        output: np.ndarray,
        values: Mapping[str, Any],
        learned: Mapping[str, Path] | None = None,
    ) -> list[dict[str, str]] | None:
        """Returns what a report shows of a label and an answer; None: nothing.

        Args:
            label: Of one sample, as in a batch; None where it is not known.
            output: Of the model.
            values: Modalities of the sample, as a batch holds them.
            learned: Files with what modalities learned, such as tokenizers.

        Returns:
            Entries with "name", and "picture" (a data URL), "drawing" (SVG)
            or "text".
        """
        return self.offer("show", "show", label, output, values)

    def answer_cell(self, output: np.ndarray) -> str:
        """Returns one sample's answer as a cell of a manifest."""
        label = np.zeros(self.shape, self.dtype)
        return _cell(self.spell(label, output)["answer"])

    def label_cell(self, label: np.ndarray, weight: np.ndarray) -> str:
        """Returns a label, as in a batch, as a cell of a manifest."""
        return _cell(np.asarray(label).tolist())

    def constant(
        self, facts: Mapping[str, Any], train_samples: int | None = None
    ) -> np.ndarray | None:
        """Returns the output of what knows the training labels alone.

        Args:
            facts: What `facts` returned for the training split.
            train_samples: Size of the training split.

        Returns:
            What is broadcast to the outputs of a model, such as `(classes,)`;
            None where the facts do not say enough.
        """
        return None

    def probabilities(self, outputs: np.ndarray) -> np.ndarray | None:
        """Returns `(samples, questions, answers)` probabilities.

        A category is one question; a sequence one each step; categories one
        each class, whose answers are no and yes.
        """
        return None

    @classmethod
    def head_options(cls) -> Any:
        """Returns the options of its head: a class of `Options`.

        A kind that says nothing has none.
        """
        return getattr(cls.part("build"), "OPTIONS", Options)

    def head(self, facts: Mapping[str, Any], options: Any) -> Any:
        """Returns the head: output layer, loss and metrics.

        Args:
            facts: Statistics of the training split, as `prepare` wrote them.
            options: What `head_options` made of the recipe.
        """
        return self.ask("build", "head", facts, options)

    def cell_of(self, answers: Sequence[int]) -> str:
        """Returns the manifest's cell for an answer to each question."""
        return self.ask("read", "cell_of", answers)

    def split(self, cell: str) -> list[str]:
        """Returns the names of classes that a cell of the manifest holds."""
        return [cell]

    def join(self, names: Sequence[str]) -> str:
        """Returns the manifest's cell for names of classes.

        Raises:
            ValueError: If there are more or fewer than a label has.
        """
        return names[0]


def check_modalities(
    key: str,
    names: Iterable[str],
    modalities: Iterable[str],
    what: str = "a modality",
) -> None:
    """Raises ValueError if a key of a spec names what is no such modality.

    Args:
        key: Such as "targets.beats.modality".
        names: What it names.
        modalities: Those that it may.
        what: What they are, such as "a modality of texts".
    """
    known = sorted(modalities)
    for name in names:
        if name not in known:
            raise ValueError(
                f"`{key}` must be {what}. Received: {name!r}. Choices: "
                f"{', '.join(known) or 'none'}"
            )


def _cell(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
