"""What some ids of a tokenizer mean: unknown, mask, marks of start and end.

Read from its JSON, whoever made it: of a pretrained BERT, 1 is a word.
"""

import json
from typing import Any, NamedTuple

# What BERT and RoBERTa call the token that hides another.
MASKS = ("[MASK]", "<mask>")


class SpecialIds(NamedTuple):
    """Ids that are no words.

    Args:
        unknown: Stands for all that is unknown; None where nothing is.
        marks: Stand at the start and the end of every text.
        mask: Hides a token of a pretrained model; None where none does.
    """

    unknown: int | None
    marks: tuple[int, ...]
    mask: int | None = None


def unknown_id(tokenizer: Any) -> int | None:
    """Returns the id of what is unknown, of a `tokenizers.Tokenizer`."""
    token = tokenizer.model.unk_token
    return None if token is None else tokenizer.token_to_id(token)


def special_ids(text: str) -> SpecialIds:
    """Returns the special ids of a tokenizer.

    Args:
        text: Its JSON.

    Example:

    >>> special_ids('{"model": {"unk_token": "?", "vocab": {"?": 1}}}')
    SpecialIds(unknown=1, marks=(), mask=None)
    """
    table = json.loads(text)
    model = table["model"]
    vocabulary = model["vocab"]
    marks = (table.get("post_processor") or {}).get("special_tokens", {})
    ids = sorted(i for mark in marks.values() for i in mark["ids"])
    # Among words that were counted, such a token would be one of the texts.
    masks = [vocabulary[m] for m in MASKS if m in vocabulary and ids]
    unknown = vocabulary.get(model.get("unk_token"))
    return SpecialIds(unknown, tuple(ids), next(iter(masks), None))
