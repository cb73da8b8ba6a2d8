"""Charts as inline SVG that follow the page: light, dark, or on paper."""

import io
import math
import re
from collections.abc import Sequence
from typing import Any

import matplotlib
import numpy as np
from markupsafe import Markup
from matplotlib.figure import Figure

# Placeholders that become CSS variables, so that one SVG serves both themes.
COLORS = {
    "#010203": "var(--ink)",
    "#040506": "var(--faint)",
    "#070809": "var(--line)",
    "#0a0b0c": "var(--accent)",
    "#0d0e0f": "var(--second)",
}
INK, FAINT, LINE, ACCENT, SECOND = COLORS

STYLE = {
    "svg.fonttype": "none",
    # The same figure gets the same ids, and the page the same bytes.
    "svg.hashsalt": "mmkeras",
    "font.family": "DejaVu Sans",
    "font.size": 9,
    # A class may be called "$x".
    "text.parse_math": False,
    "text.color": INK,
    "axes.edgecolor": LINE,
    "axes.labelcolor": FAINT,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 9,
    "axes.titlelocation": "left",
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": LINE,
    "grid.linewidth": 0.6,
    "xtick.color": LINE,
    "ytick.color": LINE,
    "xtick.labelcolor": FAINT,
    "ytick.labelcolor": FAINT,
    "legend.frameon": False,
    "legend.labelcolor": INK,
    "lines.linewidth": 1.8,
    "lines.solid_capstyle": "round",
}


def figure(draw: Any, width: float = 4.6, height: float = 2.7) -> Markup:
    """Returns what `draw(axes)` drew as an `<svg>` element.

    Args:
        draw: Function of a matplotlib `Axes`.
        width: Inches; the page scales the picture to its own width.
        height: Inches.
    """
    file = io.StringIO()
    with matplotlib.rc_context(STYLE):
        made = Figure(figsize=(width, height), layout="constrained")
        draw(made.add_subplot())
        made.savefig(file, format="svg", transparent=True)
    # Date and maker are left out, and with them the addresses they name.
    svg = re.sub(r"<metadata>.*?</metadata>", "", file.getvalue(), flags=re.S)
    svg = svg[svg.index("<svg") :]
    for stand_in, variable in COLORS.items():
        svg = svg.replace(stand_in, variable)
    # matplotlib escapes every text that it writes.
    return Markup(svg)


def curves(
    title: str,
    epochs: Sequence[int],
    lines: dict[str, Sequence[float | None]],
    changes: Sequence[int] = (),
) -> Markup:
    """Returns a learning curve.

    Args:
        title: What is drawn.
        epochs: Numbers of the epochs.
        lines: Values by name, "training" and "validation"; None leaves a gap.
        changes: Epochs after which another stage begins.
    """

    def draw(axes):
        axes.set_title(title)
        for change in changes:
            axes.axvline(change + 0.5, color=LINE, linewidth=1, dashes=(3, 3))
        for (name, values), color in zip(
            lines.items(), (SECOND, ACCENT), strict=False
        ):
            values = [math.nan if v is None else v for v in values]
            marker = "o" if len(epochs) < 4 else None
            axes.plot(
                epochs, values, color=color, label=name, marker=marker, ms=4
            )
        axes.set_xlabel("epoch")
        axes.xaxis.get_major_locator().set_params(integer=True)
        if len(lines) > 1:
            axes.legend()

    return figure(draw)


def compared(rows: Sequence[dict[str, Any]], label: str) -> Markup:
    """Returns one dot with its interval a row, the first row on top.

    Args:
        rows: `{"name", "value", "low", "high", "strong"}` each.
        label: Name of the metric.
    """
    rows = [row for row in rows if row["value"] is not None][::-1]

    def draw(axes):
        for place, row in enumerate(rows):
            color = ACCENT if row["strong"] else SECOND
            low = row["value"] if row["low"] is None else row["low"]
            high = row["value"] if row["high"] is None else row["high"]
            axes.plot([low, high], [place, place], color=color, alpha=0.55,
                      linewidth=4)  # fmt: skip
            axes.plot([row["value"]], [place], "o", color=color, ms=7)
        axes.set_yticks(range(len(rows)), [short(r["name"]) for r in rows])
        axes.tick_params("y", length=0, labelcolor=INK)
        axes.set_ylim(-0.6, len(rows) - 0.4)
        axes.grid(False, axis="y")
        axes.spines["left"].set_visible(False)
        axes.set_xlabel(label)

    return figure(draw, height=0.75 + 0.3 * len(rows))


def scatter(points: Sequence[Sequence[float]], unit: str) -> Markup:
    """Returns predicted against true values, with the line of equality."""
    true, predicted = np.array(points, float).T
    ends = [min(true.min(), predicted.min()), max(true.max(), predicted.max())]
    suffix = f" ({unit})" if unit else ""

    def draw(axes):
        axes.plot(ends, ends, color=LINE, linewidth=1.5)
        axes.plot(true, predicted, "o", ms=4, color=ACCENT, alpha=0.45, mew=0)
        axes.set_xlabel(f"true{suffix}")
        axes.set_ylabel(f"predicted{suffix}")

    return figure(draw, height=3.6)


def heatmap(counts: Sequence[Sequence[int]]) -> Markup:
    """Returns the rates of a large confusion matrix, without names."""
    counts = np.array(counts, float)
    rates = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)

    def draw(axes):
        axes.grid(False)
        axes.imshow(rates, vmin=0, vmax=1, cmap="viridis")
        axes.set_xlabel("predicted class (index)")
        axes.set_ylabel("true class (index)")

    return figure(draw, height=4.4)


def short(name: str, length: int = 24) -> str:
    """Returns `name`, cut where it would push a chart aside."""
    return name if len(name) <= length else name[: length - 1] + "…"
