"""A text in the report of the data."""

import functools
from typing import Any

import numpy as np

from mmkeras.kinds.text.read import text_of
from mmkeras.kinds.text.vocabulary import unknown_id
from mmkeras.spec import Fingerprint, Profile

# Neighbouring tokens that are one item, and the share of items that two texts
# have in common: one word more in twenty leaves 0.7.
SHINGLE, ALIKE, HASHES = 3, 0.7, 64
PADDING = 0


def profile(modality: Any, tokens: np.ndarray, learned: Any) -> Profile:
    """Returns how many tokens there are, unknown and different ones."""
    ids = tokens[tokens != PADDING]
    unknown = unknown_id(learned)
    count = max(1, len(ids))
    return Profile(
        {
            "tokens": float(len(ids)),
            "unknown_share": float(np.sum(ids == unknown) / count),
            "different_share": len(np.unique(ids)) / count,
        }
    )


def profile_source(modality: Any, cells: Any, io: Any) -> dict[str, float]:
    """Returns letters and words of the whole text, as it came."""
    text = text_of(modality, cells[modality.column], io)
    return {"characters": float(len(text)), "words": float(len(text.split()))}


def fingerprint(
    modality: Any, tokens: np.ndarray, learned: Any
) -> Fingerprint | None:
    """Returns the MinHash (Broder 1997) of runs of three tokens."""
    ids = tokens[tokens != PADDING].astype("<i4")
    if len(ids) < SHINGLE:
        return None
    runs = np.lib.stride_tricks.sliding_window_view(ids, SHINGLE)
    made = _empty().copy()
    made.update_batch([run.tobytes() for run in runs])
    # Sixteen bits of each are enough to tell texts apart.
    return Fingerprint((made.hashvalues & 0xFFFF).astype(np.uint16), ALIKE)


def vocabulary_sizes(modality: Any, learned: Any) -> dict[str, int]:
    """Returns how many tokens the tokenizer knows."""
    return {"tokens": learned.get_vocab_size()}


@functools.cache
def _empty() -> Any:
    """Returns a MinHash of nothing; its permutations take long to draw."""
    from datasketch import MinHash

    return MinHash(HASHES)
