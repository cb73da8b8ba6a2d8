"""Pretraining by components: the towers, the fusion, then everything."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras

from mmkeras import artefact
from mmkeras.options import Variants, option
from mmkeras.training import pretext
from mmkeras.training.alignment import pretraining as alignment
from mmkeras.training.embeddings.submodels import towers_alone
from mmkeras.training.stages.datasets import OneModality, present_columns
from mmkeras.training.stages.definition import Stage
from mmkeras.training.stages.fusion_stage import fusion_stage
from mmkeras.training.strategies.base import Strategy
from mmkeras.training.trainable.freeze import restore_flags, trainable_flags
from mmkeras.training.trainable.single_towers import (
    answerable,
    input_names,
    modalities,
    tower_model,
    tower_of,
)
from mmkeras.values import COUNT, FLAG, POSITIVE, WHOLE, or_none

PRETRAIN = ("supervised", *pretext.OBJECTIVES.parts, "none")
ALIGN = ("none", *alignment.OBJECTIVES.parts)


def _is_pretrain(value: Any) -> bool:
    if isinstance(value, Mapping):
        return all(_is_one_of(PRETRAIN, each) for each in value.values())
    return value in PRETRAIN


def _is_one_of(names: Sequence[str], value: Any) -> bool:
    if isinstance(value, Mapping):
        value = value.get("objective")
    return isinstance(value, str) and value in names


def _options(value: Any) -> tuple[str, dict[str, Any]]:
    """Returns an objective's name and its arguments."""
    if isinstance(value, Mapping):
        return value["objective"], {
            key: each for key, each in value.items() if key != "objective"
        }
    return value, {}


def _check_options(where: str, known: Variants, value: Any) -> None:
    """Raises ValueError for arguments that an objective does not have."""
    name, given = _options(value)
    if name in known.parts:
        known.read({known.key: name, **given}, where)
    elif given:
        raise ValueError(
            f"`{where}` must have no arguments where the objective is "
            f"'{name}'. Received: {given}"
        )


@dataclass(frozen=True, kw_only=True)
class ComponentPretrain(Strategy):
    """Trains each tower by itself, then the fusion, then everything.

    1. Each tower learns alone: the targets, with heads of its own that are
       discarded; or without labels, by an objective of `pretext_model`.
       Samples that lack the modality do not count.
    2. With `align`, the towers learn together what they have in common,
       without labels; see `alignment_model`.
    3. Fusion and heads are trained; the towers are frozen, in inference
       mode. Their outputs are cached on disk, so that an epoch runs no
       tower.
    4. Everything learns, at the lower `fine_tune_learning_rate`.

    With `fit(out=...)`, the run of a stage without labels keeps the towers.

    Where the data have samples without labels (`data.everything`), what needs
    no label learns from all of them.

    Args:
        tower_epochs: Passes over the training split for each tower.
        fusion_epochs: Passes with frozen towers.
        epochs: Passes with everything.
        fine_tune_learning_rate: Peak learning rate of the last stage.
        pretrain: How towers learn: "supervised", "contrastive", "masked",
            "autoencode", "next_step" or "none"; or a table of these by
            modality, in which one that is left out is "supervised". With
            arguments, one is a table too:
            `{"objective": "masked", "fraction": 0.3}`.
        align: "none", "infonce", "siglip" or "masked"; with arguments, such a
            table.
        align_epochs: Passes of the towers together.
        cache: Whether the towers' outputs are cached on disk for stage 3, in
            a temporary folder; None for yes where TensorFlow is installed.
        cache_passes: Augmentations of each sample that are cached; an epoch
            reads one of them.

    Every argument of `Strategy` is taken too.

    Example:

    >>> strategy = ComponentPretrain(
    ...     pretrain={
    ...         "image": "contrastive",
    ...         "audio": {"objective": "masked", "fraction": 0.3},
    ...     },
    ...     align="infonce",
    ...     tower_epochs=5,
    ... )
    >>> history = strategy.fit(model, data, heads)
    >>> list(dict.fromkeys(history.history["stage"]))
    ['audio_masked', 'image_contrastive', 'align', 'fusion', 'all']
    """

    tower_epochs: int = option(10, WHOLE, "epochs")
    fusion_epochs: int = option(5, WHOLE, "epochs")
    epochs: int = option(5, WHOLE, "epochs")
    fine_tune_learning_rate: float = option(1e-4, POSITIVE)
    pretrain: str | Mapping[str, Any] = option(
        "supervised",
        (
            f"one of {', '.join(PRETRAIN)}, or a table of these by modality",
            _is_pretrain,
        ),
    )
    align: str | Mapping[str, Any] = option(
        "none",
        (
            f"one of {', '.join(ALIGN)}, or a table with one as `objective`",
            lambda v: _is_one_of(ALIGN, v),
        ),
    )
    align_epochs: int = option(5, WHOLE, "epochs")
    cache: bool | None = option(None, or_none(FLAG))
    cache_passes: int = option(2, COUNT)

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.pretrain, Mapping):
            for name, each in self.pretrain.items():
                _check_options(f"pretrain.{name}", pretext.OBJECTIVES, each)
        _check_options("align", alignment.OBJECTIVES, self.align)

    def plan(self, model):
        found = [
            (_stage_name(name, objective), self.tower_epochs)
            for name, (objective, _) in self.objectives(model).items()
        ]
        if _options(self.align)[0] != "none":
            found.append(("align", self.align_epochs))
        return [*found, ("fusion", self.fusion_epochs), ("all", self.epochs)]

    def objectives(
        self, model: keras.Model
    ) -> dict[str, tuple[str, dict[str, Any]]]:
        """Returns how each tower that learns alone does so, by modality.

        An objective is its name and its arguments.

        Raises:
            ValueError: If `pretrain` names what is no modality of `model`, or
                there is but one to align.
        """
        names = modalities(model)
        table = self.pretrain
        if not isinstance(table, Mapping):
            table = dict.fromkeys(names, table)
        unknown = sorted(set(table) - set(names))
        if unknown:
            raise ValueError(
                "`pretrain` must have modalities of the model as keys. "
                f"Received: {unknown}. Choices: {', '.join(names)}"
            )
        if _options(self.align)[0] != "none" and len(names) < 2:
            raise ValueError(
                "`align` needs two modalities or more. Received: "
                f"align={self.align!r} with {', '.join(names)}"
            )
        chosen = {n: _options(table.get(n, "supervised")) for n in names}
        return {n: each for n, each in chosen.items() if each[0] != "none"}

    def stages(self, model, data, heads):
        flags = trainable_flags(model)
        columns = _columns(model, data)
        # All are built before any is trained: a wrong option fails at once.
        pretrained = self._towers(model, data, heads, columns)
        align, options = _options(self.align)
        if align != "none":
            aligned = alignment.alignment_model(
                model, align, columns=columns, **options
            )
        yield from pretrained
        if align != "none":
            yield Stage(
                "align",
                aligned,
                alignment.Paired(data, aligned),
                self.align_epochs,
                self.learning_rate,
                heads={},
            )
        for name in modalities(model):
            tower_of(model, name).trainable = False
        with artefact.scratch() as folder:
            yield fusion_stage(self, model, data, heads, folder / "embeddings")
        restore_flags(flags)
        yield Stage(
            "all", model, data, self.epochs, self.fine_tune_learning_rate
        )

    def _towers(
        self,
        model: keras.Model,
        data: Any,
        heads: Mapping[str, Any],
        columns: Mapping[str, int],
    ) -> list[Stage]:
        """Returns the stages of the towers."""
        found = []
        for name, (objective, options) in self.objectives(model).items():
            if objective == "supervised" and not answerable(heads, name):
                raise ValueError(
                    f"`pretrain.{name}` must be an objective without labels "
                    "where no target can be answered by that modality alone. "
                    "Received: 'supervised'. Choices: "
                    f"{', '.join((*pretext.OBJECTIVES.parts, 'none'))}"
                )
            column = columns.get(name)
            stage: dict[str, Any] = {
                "name": _stage_name(name, objective),
                "epochs": self.tower_epochs,
                "learning_rate": self.learning_rate,
            }
            if objective == "supervised":
                own = answerable(heads, name)
                stage["model"] = tower_model(model, name, own)
                stage["data"] = OneModality(data, name, column, own)
                stage["heads"] = own
            else:
                stage["model"] = _pretext(model, data, name, objective, options)
                stage["data"] = pretext.Unlabelled(data, name, column)
                stage |= {"heads": {}, "product": towers_alone(model, [name])}
            found.append(Stage(**stage))
        return found


def _stage_name(name: str, objective: str) -> str:
    return f"{name}_{'tower' if objective == 'supervised' else objective}"


def _columns(model: keras.Model, data: Any) -> Mapping[str, int]:
    """Returns the column of `present` of each optional modality."""
    inputs = input_names(model)
    count = inputs["present"].shape[-1] if "present" in inputs else 0
    return present_columns(data, modalities(model), count)


def _pretext(
    model: keras.Model,
    data: Any,
    name: str,
    objective: str,
    options: Mapping[str, Any],
) -> keras.Model:
    """Returns a tower under an objective that needs no labels."""
    known = getattr(getattr(data, "spec", None), "modalities", {})
    kind = getattr(known.get(name), "kind", None)
    learned = getattr(data, "learned", {}).get(name)
    return pretext.pretext_model(
        model, name, objective, kind=kind, learned=learned, **options
    )
