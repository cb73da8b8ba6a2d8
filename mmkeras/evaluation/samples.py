"""One sample for the eye: pictures, waveforms, words, numbers."""

import base64
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup
from PIL import Image

from mmkeras.evaluation.figures import waveform

# Numbers and words shown of one sample.
MAX_NUMBERS = 12
MAX_LETTERS = 600
# Lines of a series, points of a line, frames of a film.
MAX_LINES, MAX_POINTS, MAX_FRAMES = 8, 300, 6


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
        elif kind == "series":
            names = modalities[name].channels[:MAX_LINES]
            entry["drawing"] = lines(x[name])
            entry["text"] = ", ".join(names)
        elif kind == "video":
            entry["picture"] = strip(x[name])
        elif kind == "volume":
            entry["picture"] = slices(x[name], modalities[name])
        elif kind == "text":
            entry["text"] = words(x[name], tokenizers.get(name))
        elif kind == "vector":
            categorical = getattr(modalities[name], "categorical", ())
            entry["text"] = numbers(x[name], categorical)
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


def lines(series: np.ndarray) -> Markup:
    """Returns `(steps, channels)` as lines above each other; gaps are gaps."""
    shown = series[:: -(-len(series) // MAX_POINTS), :MAX_LINES].astype(float)
    drawn = []
    for row, values in enumerate(shown.T):
        known = values[np.isfinite(values)]
        low, high = (known.min(), known.max()) if len(known) else (0, 0)
        heights = 12 * row + 11 - 10 * (values - low) / max(high - low, 1e-9)
        path, gap = "", True
        for at, height in enumerate(heights):
            if np.isfinite(height):
                path += f"{'M' if gap else 'L'}{at},{height:.1f}"
            gap = not np.isfinite(height)
        drawn.append(f'<path d="{path}"/>')
    size = f"0 0 {max(1, len(shown) - 1)} {12 * shown.shape[1]}"
    return Markup(
        f'<svg class="lines" viewBox="{size}" preserveAspectRatio="none" '
        f'role="img" aria-label="series">{"".join(drawn)}</svg>'
    )


def strip(frames: np.ndarray) -> str:
    """Returns `(frames, height, width, channels)` as a row of pictures."""
    count = min(MAX_FRAMES, len(frames))
    chosen = np.linspace(0, len(frames) - 1, count).round().astype(int)
    return picture(np.concatenate(list(frames[chosen]), axis=1))


def slices(voxels: np.ndarray, modality: Any) -> str:
    """Returns the middle planes of `(depth, height, width, 1)`, in a row.

    They show the body from above, from behind and from its right side.

    Args:
        voxels: In raw units; up is superior or anterior.
        modality: Its spec, with the window.
    """
    low, high = modality.window_low, modality.window_high
    grey = np.clip((voxels[..., 0] - low) / (high - low), 0, 1) * 255
    middle = [side // 2 for side in grey.shape]
    planes = [np.take(grey, m, axis)[::-1] for axis, m in enumerate(middle)]
    tallest = max(len(plane) for plane in planes)
    planes = [
        np.pad(plane, ((0, tallest - len(plane)), (0, 1))) for plane in planes
    ]
    return picture(np.concatenate(planes, axis=1)[..., None])


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
    return text[:MAX_LETTERS] + ("…" if len(text) > MAX_LETTERS else "")


def numbers(values: np.ndarray, categorical: Sequence[str] = ()) -> str:
    """Returns the first cells of a vector: "2.5, –, town: #3, job: ?".

    Args:
        values: Numbers, NaN where missing; then the index of each category.
        categorical: Names of the columns with categories.
    """
    values = np.ravel(values)
    cells = ["–" if np.isnan(v) else f"{v:.3g}" for v in values]
    for place, column in enumerate(reversed(categorical), 1):
        index = int(np.nan_to_num(values[-place]))
        known = {0: "–", 1: "?"}.get(index, f"#{index - 1}")
        cells[-place] = f"{column}: {known}"
    text = ", ".join(cells[:MAX_NUMBERS])
    return text + (", …" if len(cells) > MAX_NUMBERS else "")
