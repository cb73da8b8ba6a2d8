"""Token ids of texts that no data folder holds."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np


def encode_texts(path: str | Path, texts: Sequence[str]) -> np.ndarray:
    """Returns the token ids of `texts`: (len(texts), max_tokens) int32.

    Args:
        path: The JSON of a tokenizer, `data.tokenizer_path("text")`.
        texts: Strings, not paths.
    """
    from tokenizers import Tokenizer

    known = Tokenizer.from_str(Path(path).read_text(encoding="utf-8"))
    encoded = known.encode_batch(list(texts))
    return np.array([one.ids for one in encoded], np.int32)
