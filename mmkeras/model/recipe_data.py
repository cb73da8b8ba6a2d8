"""What a tower of a recipe takes from the data beside their statistics."""

from collections.abc import Mapping
from typing import Any

import numpy as np


def check_tokens(modality: Any, name: str, arguments: Mapping) -> None:
    """Raises ValueError for a preset that would read another's token ids."""
    variant = arguments.get("variant")
    own = "roberta" if variant == "roberta" else "bert"
    if arguments.get("pretrained") and modality.tokenizer != own:
        raise ValueError(
            f"`towers.{name}.pretrained` needs `tokenizer = {own!r}` in the "
            "data spec, the ids that the preset was trained with. Received: "
            f"tokenizer={modality.tokenizer!r} with variant={variant!r}"
        )


def from_data(data: Any, name: str, arguments: Mapping) -> dict[str, Any]:
    """Returns what a tower needs of the data beyond their statistics."""
    if arguments.get("word_vectors"):
        return {"tokenizer": data.tokenizer_path(name)}
    if not arguments.get("projection"):
        return {}
    rows, optional = [], data.spec.optional
    for x, _, _ in data.ordered("train"):
        row = np.asarray(x[name])
        if name in optional:
            row = row[np.asarray(x["present"])[:, optional.index(name)] > 0]
        rows.append(row)
    return {"rows": np.concatenate(rows)}
