"""Dots and lines, as SVG for the page and as PNG for anywhere else."""

import io
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib
from markupsafe import Markup
from matplotlib.figure import Figure

from mmkeras.reporting import charts as figures
from mmkeras.reporting.charts import ACCENT, FAINT, INK, LINE, SECOND, short

# Placeholder colours, their CSS variables on the page, and colours in a PNG.
ARMS = {
    "#111111": ("var(--arm0)", "#0b6e99"),
    "#121212": ("var(--arm1)", "#b45f1d"),
    "#131313": ("var(--arm2)", "#1e7d5a"),
    "#141414": ("var(--arm3)", "#9c4f8b"),
    "#151515": ("var(--arm4)", "#7a6a00"),
    "#161616": ("var(--arm5)", "#a8332b"),
}
PLAIN = {
    INK: "#1d2430",
    FAINT: "#5d6675",
    LINE: "#dcdfe5",
    ACCENT: "#0b6e99",
    SECOND: "#b45f1d",
} | {stand_in: plain for stand_in, (_, plain) in ARMS.items()}
# Markers and dashes: distinguishable without colours too.
MARKS = "osD^vP"
Color = Callable[[str], str]
Draw = Callable[[Any, Color], None]


@dataclass(frozen=True)
class Picture:
    """A picture: for the page, and for a file.

    Args:
        name: Name of the file, without its ending.
        title: The question it answers.
        svg: For the page.
        png: Bytes of the file.
    """

    name: str
    title: str
    svg: Markup
    png: bytes


def picture(name: str, title: str, draw: Draw, height: float = 2.9) -> Picture:
    """Returns what `draw(axes, color)` drew, as SVG and as PNG.

    Args:
        name: Name of the file, without its ending.
        title: The question it answers.
        draw: A function of a matplotlib `Axes`, and of a function that every
            colour goes through.
        height: Inches; the width is that of `figures.figure`.
    """
    svg = str(figures.figure(lambda axes: draw(axes, str), height=height))
    for stand_in, (variable, _) in ARMS.items():
        svg = svg.replace(stand_in, variable)

    def plain(color):
        return PLAIN.get(color, color)

    style = {key: plain(value) for key, value in figures.STYLE.items()}
    file = io.BytesIO()
    with matplotlib.rc_context(style):
        made = Figure(figsize=(4.6, height), layout="constrained")
        made.suptitle(title, x=0.01, ha="left", fontsize=9)
        draw(made.add_subplot(), plain)
        made.savefig(file, format="png", dpi=160, facecolor="white")
    return Picture(name, title, Markup(svg), file.getvalue())


def style_of(place: int) -> dict[str, str]:
    """Returns colour and marker of an arm; below 0, those of a baseline."""
    if place < 0:
        return {"color": FAINT, "marker": MARKS[-place % len(MARKS)]}
    colors = list(ARMS)
    return {
        "color": colors[place % len(colors)],
        "marker": MARKS[place % len(MARKS)],
    }


def dots(
    rows: Sequence[Mapping[str, Any]], label: str, line: float | None = None
) -> tuple[Draw, float]:
    """Returns a drawing of dots with intervals, and its height.

    Args:
        rows: `{"name", "arm", "place", "mean", "low", "high"}` each, from
            the top; rows of one name stand together. `place` gives colour
            and mark, `arm` the legend.
        label: What the axis shows.
        line: Where a line stands for "no difference".
    """
    rows = [row for row in rows if row["mean"] is not None]
    names = list(dict.fromkeys(row["name"] for row in rows))[::-1]
    group = {n: [r for r in rows if r["name"] == n] for n in names}
    most = max((len(each) for each in group.values()), default=1)

    def draw(axes, color):
        if line is not None:
            axes.axvline(line, color=color(INK), linewidth=1)
        for y, name in enumerate(names):
            for i, row in enumerate(group[name]):
                style = style_of(row["place"])
                at = y + 0.7 * ((len(group[name]) - 1) / 2 - i) / most
                ends = [row["low"], row["high"]]
                paint = color(style["color"])
                if None not in ends:
                    axes.plot(ends, [at, at], color=paint, alpha=0.5, lw=3)
                axes.plot([row["mean"]], [at], style["marker"], ms=5.5,
                          color=paint, label=row["arm"])  # fmt: skip
        axes.set_yticks(range(len(names)), [short(n, 30) for n in names])
        axes.tick_params("y", length=0, labelcolor=color(INK))
        axes.set_ylim(-0.6, len(names) - 0.4)
        axes.grid(False, axis="y")
        axes.spines["left"].set_visible(False)
        axes.set_xlabel(label)
        if most > 1:
            _legend(axes)

    return draw, 0.9 + 0.2 * (most > 1) + len(names) * max(0.28, 0.17 * most)


def lines(
    series: Sequence[Mapping[str, Any]],
    label: str,
    ticks: Sequence[str] = (),
    level: tuple[str, float] | None = None,
) -> Callable[[str], Draw]:
    """Returns a function from the name of the other axis to a drawing.

    Args:
        series: `{"name", "place", "x", "mean", "low", "high"}` each.
        label: What stands on the y axis.
        ticks: Names of x = 0, 1, ...
        level: Name and height of a level line.
    """

    def along(xlabel: str) -> Draw:
        def draw(axes, color):
            for one in series:
                style = style_of(one["place"])
                paint = color(style["color"])
                mean = [math.nan if v is None else v for v in one["mean"]]
                marker = style["marker"] if len(mean) < 30 else None
                dashes = (None, None) if one["place"] >= 0 else (3, 2)
                axes.plot(one["x"], mean, color=paint, marker=marker, ms=4.5,
                          label=one["name"], dashes=dashes)  # fmt: skip
                if None not in (*one["low"], *one["high"]):
                    ends = (one["low"], one["high"])
                    axes.fill_between(
                        one["x"], *ends, color=paint, alpha=0.15, linewidth=0
                    )
            if level is not None:
                axes.axhline(level[1], color=color(FAINT), linewidth=1,
                             dashes=(1, 2), label=level[0])  # fmt: skip
            if ticks:
                axes.set_xticks(range(len(ticks)), ticks)
            axes.set_xlabel(xlabel)
            axes.set_ylabel(label)
            _legend(axes)

        return draw

    return along


def _legend(axes: Any) -> None:
    """One entry a name, above the picture, where nothing is in its way."""
    handles, names = axes.get_legend_handles_labels()
    once = dict(zip(names, handles, strict=True))
    axes.legend(
        once.values(), [short(name) for name in once], ncols=3,
        loc="lower left", bbox_to_anchor=(0, 1), borderaxespad=0.2,
        handlelength=1.6, columnspacing=1.2,
    )  # fmt: skip
