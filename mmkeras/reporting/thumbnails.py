"""One sample for the eye: pictures, waveforms, lines, numbers."""

import base64
import io
from collections.abc import Sequence

import numpy as np
from markupsafe import Markup
from PIL import Image

# Numbers and letters shown of one sample.
MAX_NUMBERS = 12
MAX_LETTERS = 600
# Lines of a series, points of a line, frames of a film.
MAX_LINES, MAX_POINTS, MAX_FRAMES = 8, 300, 6


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


def framed(
    pixels: np.ndarray, frames: Sequence[tuple[Sequence[float], str, str]]
) -> Markup:
    """Returns a picture with rectangles drawn on it.

    Args:
        pixels: `(height, width, channels)` uint8.
        frames: Left, top, right and bottom in shares of the picture; the
            colour; and what is written there, or "".
    """
    height, width = pixels.shape[:2]
    size, drawn = max(height, width) / 20, []
    for corners, colour, text in frames:
        sides = np.multiply(corners, [width, height, width, height])
        left, top, right, bottom = (float(side) for side in sides)
        drawn.append(
            Markup(
                '<rect x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}" '
                'fill="none" stroke="{}" stroke-width="{:.2f}"/>'
            ).format(left, top, right - left, bottom - top, colour, size / 10)
        )
        if text:
            drawn.append(
                Markup(
                    '<text x="{:.1f}" y="{:.1f}" fill="{}" '
                    'font-size="{:.1f}">{}</text>'
                ).format(left, top + size, colour, size, text)
            )
    shown = Markup(
        '<svg viewBox="0 0 {} {}" width="320" role="img" aria-label="boxes">'
        '<image href="{}" width="{}" height="{}"/>{}</svg>'
    )
    return shown.format(
        width, height, picture(pixels), width, height, Markup("").join(drawn)
    )


def film_strip(frames: np.ndarray) -> str:
    """Returns `(frames, height, width, channels)` as a row of pictures."""
    count = min(MAX_FRAMES, len(frames))
    chosen = np.linspace(0, len(frames) - 1, count).round().astype(int)
    return picture(np.concatenate(list(frames[chosen]), axis=1))


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


def band(
    before: Sequence[float],
    middle: Sequence[float],
    low: Sequence[float],
    high: Sequence[float],
    truth: Sequence[float] | None = None,
) -> Markup:
    """Returns a forecast: what was seen, and the median in its interval.

    Args:
        before: The last steps that were seen; NaN in gaps.
        middle: The median of each step.
        low: The lower end of its interval.
        high: The upper end.
        truth: What came, where that is known.
    """
    rows = [np.asarray(one, float) for one in (before, middle, low, high)]
    truth = np.asarray([] if truth is None else truth, float)
    known = np.concatenate([*rows, truth])
    known = known[np.isfinite(known)]
    start, size = len(rows[0]), max(float(np.ptp(known)), 1e-9)

    def line(values: np.ndarray, first: int) -> list[str]:
        heights = 47 - 46 * (values - known.min()) / size
        return [f"{first + i},{h:.1f}" for i, h in enumerate(heights)
                if np.isfinite(h)]  # fmt: skip

    ends = line(rows[3], start) + line(rows[2], start)[::-1]
    parts = [f'<polygon class="band" points="{" ".join(ends)}"/>']
    for name, values, first in (
        ("seen", rows[0], 0),
        ("truth", truth, start),
        ("median", rows[1], start),
    ):
        points = " ".join(line(values, first))
        parts.append(f'<polyline class="{name}" points="{points}"/>')
    box = f"0 0 {max(1, start + len(rows[1]) - 1)} 48"
    return Markup(
        f'<svg class="lines" viewBox="{box}" preserveAspectRatio="none" '
        f'role="img" aria-label="forecast">{"".join(parts)}</svg>'
    )


def waveform(samples: np.ndarray, columns: int = 240) -> Markup:
    """Returns the envelope of a recording, `(samples,)` in [-1, 1]."""
    parts = np.array_split(samples.astype(float), min(columns, len(samples)))
    peak = max(float(np.abs(samples).max()), 1e-6)
    top = [f"{i},{50 - 48 * p.max() / peak:.1f}" for i, p in enumerate(parts)]
    low = [f"{i},{50 - 48 * p.min() / peak:.1f}" for i, p in enumerate(parts)]
    line = " ".join(top + low[::-1])
    return Markup(
        f'<svg class="wave" viewBox="0 0 {len(parts)} 100" '
        'preserveAspectRatio="none" role="img" aria-label="waveform">'
        f'<polygon points="{line}"/></svg>'
    )


def numbers(cells: Sequence[str | float]) -> str:
    """Returns the first cells of a row: "2.5, –, town: #3".

    Args:
        cells: Numbers, NaN where missing; a text stands for itself.
    """
    shown = [
        cell
        if isinstance(cell, str)
        else "–"
        if np.isnan(cell)
        else f"{cell:.3g}"
        for cell in cells[:MAX_NUMBERS]
    ]
    return ", ".join(shown) + (", …" if len(cells) > MAX_NUMBERS else "")


def shortened(text: str) -> str:
    """Returns the beginning of a text."""
    return text[:MAX_LETTERS] + ("…" if len(text) > MAX_LETTERS else "")
