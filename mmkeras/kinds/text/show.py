"""A text in a report."""

from pathlib import Path

import numpy as np

from mmkeras.reporting import shortened


def show(modality, tokens, learned) -> dict[str, str]:
    return {"text": words(tokens, learned)}


def words(tokens: np.ndarray, tokenizer: str | Path | None) -> str:
    """Returns the words of token ids; the ids themselves where unknown."""
    ids = [int(token) for token in tokens if token != 0]
    if tokenizer is None:
        text = " ".join(map(str, ids))
    else:
        from tokenizers import Tokenizer

        known = Tokenizer.from_file(str(tokenizer))
        pieces = [known.id_to_token(i) or "[?]" for i in ids]
        # Pieces inside a word are marked so by WordPiece.
        text = " ".join(pieces).replace(" ##", "")
        if known.decoder is not None:
            text = known.decode(ids, skip_special_tokens=False)
    return shortened(text)
