"""How towers of texts learn without labels."""

import warnings
from collections.abc import Mapping
from typing import Any

from mmkeras.kinds.text.vocabulary import special_ids
from mmkeras.spec import Learned
from mmkeras.training.pretext import TextViews, Unsupervised


def of_learned(learned: Learned) -> Mapping[str, Any]:
    """Returns what hides a token: the id of the tokenizer's mask token.

    A tokenizer that has none hides by its unknown token, as those do that
    mmkeras trains; of a pretrained one that is said.
    """
    if learned.file is None:
        return {}
    special = special_ids(learned.file)
    found = special.unknown if special.mask is None else special.mask
    if found is None:
        raise ValueError(
            "A text tower that learns from hidden tokens needs a tokenizer "
            "with a mask token or an unknown token. Received: one without"
        )
    if special.mask is None and special.marks:
        warnings.warn(
            "The vocabulary of a pretrained text tower has no mask token: its "
            f"unknown token, id {found}, hides tokens. `mask_id` names another",
            stacklevel=2,
        )
    return {
        "mask_id": found,
        "view_arguments": lambda tower, fill: {"mask_id": found},
    }


PRETEXT = Unsupervised(
    views=TextViews,
    fraction=0.15,
    field=None,
    ordered=True,
    of_learned=of_learned,
    recognises=lambda shape, dtype, tokens: len(shape) == 1 and "int" in dtype,
)
