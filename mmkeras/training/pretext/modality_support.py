"""The support of a kind of modality for self-supervised pretraining."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import keras

from mmkeras.spec import Learned
from mmkeras.training.pretext.random_draws import Drawing

# Of a tokenizer that mmkeras trained.
UNKNOWN = 1


def _nothing(tower: keras.Model, fill: str) -> Mapping[str, Any]:
    return {}


def _as_it_is(learned: Learned) -> Mapping[str, Any]:
    return {}


@dataclass(frozen=True)
class Unsupervised:
    """How towers of a kind of modality are pretrained without labels.

    A kind has such an object as `PRETEXT` in its file `pretext.py`, or
    returns it from `pretext`.

    Args:
        views: Layer that draws two random views of a batch.
        fraction: Share that "masked" hides by default.
        field: From a tower and its symbolic input to what is reconstructed,
            as numbers of about 1, and which of it is known: two tensors
            `(batch, *sizes, numbers)`, the second 1 where known. None where
            the input is token ids of a vocabulary, 0 for padding.
        columns: From a tower and its symbolic input, how many numbers of the
            field each column becomes, where a sample is a row; None where
            what is near in the field belongs together.
        even_patches: Whether each patch of the field is brought to mean 0 and
            deviation 1.
        gaps: Whether what is missing is NaN in a batch, if the tower takes it.
        hides: What replaces hidden parts otherwise: "noise" with the statistics
            of a sample's channel, or "zero".
        ordered: Whether it is a stream, so that "next_step" suits.
        view_arguments: Arguments of `views` that are not the user's, from the
            tower and what hides.
        mask_id: Token id that hides a token, where the input is token ids.
        of_learned: From what reading took from the training split to fields
            of this object that follow from it.
        recognises: From the shape of a tower's input without the batch, its
            type and the count of its tokens to whether it is of this kind:
            for towers without a spec.
    """

    views: type[Drawing]
    fraction: float
    field: Callable[[keras.Model, Any], tuple[Any, Any]] | None
    columns: Callable[[keras.Model, Any], list[int]] | None = None
    even_patches: bool = False
    gaps: bool = False
    hides: str = "noise"
    ordered: bool = False
    view_arguments: Callable[[keras.Model, str], Mapping[str, Any]] = _nothing
    mask_id: int = UNKNOWN
    of_learned: Callable[[Learned], Mapping[str, Any]] = _as_it_is
    recognises: Callable[[tuple, str, int], bool] = lambda *_: False
