"""A text with the spans that are there, and those that are found."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mmkeras.kinds.tags import Tags
from mmkeras.metrics import find_spans


def show(
    tags: Tags,
    label: Any,
    output: np.ndarray,
    values: Mapping[str, Any],
    learned: Mapping[str, Path],
) -> list[dict[str, str]]:
    """Returns the text twice, each span in brackets with its label."""
    if tags.modality not in values:
        return []
    words = _words(values[tags.modality], learned.get(tags.modality))
    shown = [("label", label), ("answer", output.argmax(axis=-1))]
    return [
        {"name": name, "text": f"{name}: {_marked(tags, words, found)}"}
        for name, found in shown
        if found is not None
    ]


def _words(tokens: Any, tokenizer: Path | None) -> list[str]:
    """Returns the text of each token, with the blank before it."""
    ids = [int(token) for token in np.asarray(tokens) if token != 0]
    if tokenizer is None:
        return [f" {token}" for token in ids]
    from tokenizers import Tokenizer

    known = Tokenizer.from_file(str(tokenizer))
    pieces = [known.id_to_token(i) or "[?]" for i in ids]
    if known.decoder is not None:
        return [known.decode([i], skip_special_tokens=False) for i in ids]
    # WordPiece marks what goes on inside of a word.
    return [p[2:] if p.startswith("##") else f" {p}" for p in pieces]


def _marked(tags: Tags, words: list[str], found: np.ndarray) -> str:
    words = list(words)
    for start, end, label in find_spans(np.asarray(found)[: len(words)]):
        bare = words[start].lstrip()
        blank = words[start][: len(words[start]) - len(bare)] or " "
        words[start] = f"{blank}[{bare}"
        words[end - 1] += f" {tags.classes[label].upper()}]"
    return "".join(words).strip()
