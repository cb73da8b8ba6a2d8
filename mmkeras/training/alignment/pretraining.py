"""Pretraining across modalities: towers trained to agree with each other.

No label is needed, only that the modalities of a sample belong together.
Three objectives, all of which train the towers to encode what their
modalities have in common: "infonce" and "siglip" tell the samples of a batch
apart, so that they bring out what is different from sample to sample, and
"masked" predicts one modality from the others.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
from keras import ops

from mmkeras.introspection import options_of
from mmkeras.options import Part, Variants
from mmkeras.training.alignment.losses import (
    InfoNCEAlignment,
    MaskedPrediction,
    SigLIPAlignment,
)
from mmkeras.training.stages.datasets import mapped
from mmkeras.training.trainable.single_towers import (
    input_names,
    modalities,
    tower_of,
)
from mmkeras.values import COUNT


def _part(layer) -> Part:
    options = options_of(layer, checks={"units": COUNT}, objective="")
    return Part(options, layer)


OBJECTIVES = Variants(
    "objective",
    "infonce",
    {
        "infonce": _part(InfoNCEAlignment),
        "siglip": _part(SigLIPAlignment),
        "masked": _part(MaskedPrediction),
    },
)


@keras.saving.register_keras_serializable(package="mmkeras")
class LossModel(keras.Model):
    """A functional model whose output is its loss."""

    def compute_loss(
        self, x=None, y=None, y_pred=None, sample_weight=None, training=True
    ):
        return ops.mean(y_pred) + sum(self.losses)


def alignment_model(
    whole: keras.Model,
    objective: str,
    names: Sequence[str] | None = None,
    columns: Mapping[str, int] | None = None,
    **options: Any,
) -> keras.Model:
    """Returns the towers of `whole` under an objective across modalities.

    It shares the towers' weights; what comes on top of them is new, and is
    thrown away. Compile it with an optimizer alone, and fit it on
    `Paired`.

    Args:
        whole: Functional model with a layer `<modality>_tower` a modality.
        objective: "infonce", "siglip" or "masked".
        names: The modalities, at least two; all by default.
        columns: Column of the input `present` of each optional modality, as
            `present_columns` returns; by default each has one, or none.
        options: Arguments of the objective, such as `units`.

    Raises:
        ValueError: If the objective, a name or an option is unknown, or there
            is but one modality.

    Example:

    >>> aligned = alignment_model(model, "infonce")
    >>> aligned.compile("adam")
    >>> aligned.fit(Paired(data, aligned).train, epochs=5)
    """
    chosen = OBJECTIVES.read({**options, "objective": objective})
    known = modalities(whole)
    names = sorted(names or known)
    if len(names) < 2 or not set(names) <= set(known):
        raise ValueError(
            "`names` must be two or more of the model's modalities: "
            f"{', '.join(known)}. Received: {names}"
        )
    known_inputs = input_names(whole)
    if columns is None:
        optional = known if "present" in known_inputs else []
        columns = {name: i for i, name in enumerate(optional)}
    columns = {name: columns[name] for name in names if name in columns}
    wanted = [*names, "present"] if columns else names
    inputs = {
        n: keras.Input(
            known_inputs[n].shape[1:], dtype=known_inputs[n].dtype, name=n
        )
        for n in wanted
    }
    vectors = {n: tower_of(whole, n)(inputs[n])["vector"] for n in names}
    present = {n: inputs["present"][:, i : i + 1] for n, i in columns.items()}
    arguments = chosen.arguments()
    del arguments["objective"]
    layer = OBJECTIVES.build(chosen)(**arguments, name="alignment")
    loss = layer(vectors, present) if present else layer(vectors)
    return LossModel(inputs, loss, name=f"{whole.name}_{objective}")


class Paired:
    """`data` without labels, as an `alignment_model` takes it.

    Args:
        data: Has `train` and `validation`; where it has `everything`, samples
            without a label take part.
        model: Tells what it reads.
    """

    def __init__(self, data: Any, model: keras.Model):
        names = list(model.input)
        everything = getattr(data, "everything", data)
        self.train = _inputs_alone(everything.train, names)
        self.validation = _inputs_alone(data.validation, names)


def _inputs_alone(dataset: Any, names: list[str]) -> Any:
    """Returns `dataset` with the inputs `names` alone."""

    def pick(x, *labels):
        return ({name: x[name] for name in names},)

    return mapped(dataset, pick)
