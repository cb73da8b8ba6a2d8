"""The picture of a search: what was lost against size and time."""

from pathlib import Path
from typing import Any

COLOURS = {"as trained": "#444444", "pruned": "#1f6fb4", "student": "#c2571a"}
COLUMNS = (
    ("size_kb", "size of the file in kB"),
    ("latency_ms", "latency in ms, one thread, here"),
)


def draw(path: Path, candidates: list, best_of: list, budget: Any) -> None:
    """Draws the candidates of a search as a PNG.

    Args:
        path: The file to write.
        candidates: All that were tried.
        best_of: Those on the frontier, which are filled.
        budget: Its limits are drawn as lines.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4.5), layout="constrained")
    axes = figure.subplots(1, 3, width_ratios=[4, 4, 3])
    for axis, (key, label) in zip(axes, COLUMNS):
        _draw_one(axis, key, candidates, best_of)
        if getattr(budget, key) is not None:
            axis.axvline(getattr(budget, key), color="#2a8a3e", linestyle="--")
        axis.set_xlabel(label)
    axes[0].set_ylabel("drop in points (validation)")
    _list_names(axes[2], candidates)
    figure.savefig(path, dpi=110, format="png")


def _draw_one(axis, key: str, candidates: list, best_of: list) -> None:
    from matplotlib.ticker import NullFormatter, ScalarFormatter

    for number, found in enumerate(candidates, 1):
        colour = COLOURS[found.method]
        best = found in best_of
        axis.scatter(
            getattr(found, key),
            100 * found.drop,
            s=230,
            zorder=3 if best else 2,
            edgecolor=colour,
            facecolor=colour if best else "white",
        )
        axis.annotate(
            str(number),
            (getattr(found, key), 100 * found.drop),
            ha="center",
            va="center",
            zorder=4 if best else 2,
            fontsize=8,
            color="white" if best else colour,
        )
    axis.set_xscale("log")
    # Few ticks at round numbers, not powers of ten.
    values = sorted(getattr(found, key) for found in candidates)
    ticks = {values[0], values[len(values) // 2], values[-1]}
    axis.set_xticks(sorted(ticks), [f"{tick:.3g}" for tick in sorted(ticks)])
    axis.xaxis.set_minor_formatter(NullFormatter())
    axis.yaxis.set_major_formatter(ScalarFormatter())
    axis.margins(x=0.12, y=0.12)
    axis.grid(alpha=0.3)


def _list_names(axis, candidates: list) -> None:
    axis.axis("off")
    step = min(0.09, 0.9 / len(candidates))
    for number, found in enumerate(candidates, 1):
        axis.text(
            0,
            1 - step * number,
            f"{number}  {found.name}",
            color=COLOURS[found.method],
            fontsize=9,
        )
    axis.text(0, 1 - step * (len(candidates) + 1.5), "filled: the frontier")
