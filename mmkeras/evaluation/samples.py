"""One sample for the eye: a picture, a waveform, words, numbers."""

import base64
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from mmkeras.evaluation.figures import waveform

# Numbers and words shown of one sample.
MAX_NUMBERS = 12
MAX_LETTERS = 600


def show_sample(
    x: Mapping[str, np.ndarray],
    modalities: Mapping[str, Any],
    optional: Sequence[str],
    tokenizers: Mapping[str, str | Path],
) -> list[dict[str, Any]]:
    """Returns what the report shows of each modality of one sample.

    Args:
        x: Inputs by name, without the batch axis.
        modalities: Specs by name, with `kind`.
        optional: Names of the optional modalities: the columns of `present`.
        tokenizers: For each text modality, the JSON of its tokenizer.

    Returns:
        `{"name", "kind", ...}` each, with "picture" (a data URL), "drawing"
        (SVG) or "text"; kind "absent" where the modality is not there.
    """
    columns = {name: i for i, name in enumerate(sorted(optional))}
    shown = []
    for name in sorted(set(x) & set(modalities)):
        absent = name in columns and x["present"][columns[name]] == 0
        kind = "absent" if absent else modalities[name].kind
        entry = {"name": name, "kind": kind}
        if kind == "image":
            entry["picture"] = picture(x[name])
        elif kind == "audio":
            seconds = len(x[name]) / modalities[name].sample_rate_hz
            entry["drawing"] = waveform(x[name])
            entry["text"] = f"{seconds:.2g} s"
        elif kind == "text":
            entry["text"] = words(x[name], tokenizers.get(name))
        elif kind == "vector":
            entry["text"] = numbers(x[name])
        shown.append(entry)
    return shown


def picture(pixels: np.ndarray) -> str:
    """Returns `(height, width, channels)` uint8 as a PNG data URL."""
    if pixels.shape[-1] == 1:
        pixels = pixels[..., 0]
    image = Image.fromarray(np.clip(pixels, 0, 255).astype("uint8"))
    image.thumbnail((320, 320))
    file = io.BytesIO()
    image.save(file, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode(
        "ascii"
    )


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
    return text[:MAX_LETTERS] + ("…" if len(text) > MAX_LETTERS else "")


def numbers(values: np.ndarray) -> str:
    """Returns the first numbers of a vector."""
    text = ", ".join(f"{v:.3g}" for v in np.ravel(values)[:MAX_NUMBERS])
    return text + (", …" if np.size(values) > MAX_NUMBERS else "")
