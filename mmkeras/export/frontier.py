"""The picture of a search: what was lost against size and time."""

from pathlib import Path
from typing import Any

COLOURS = {"as trained": "#444444", "pruned": "#1f6fb4", "student": "#c2571a"}


def draw(path: Path, candidates: list, best_of: list, budget: Any) -> None:
    """Draws the candidates of a search as a PNG.

    Args:
        path: The file to write.
        candidates: All that were tried.
        best_of: Those on the frontier, which are drawn larger.
        budget: Its limits are drawn as lines.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 4), layout="constrained")
    axes = figure.subplots(1, 2, sharey=True)
    columns = (
        ("size_kb", "size of the file in kB", budget.size_kb),
        ("latency_ms", "latency in ms, one thread, here", budget.latency_ms),
    )
    for axis, (key, label, limit) in zip(axes, columns):
        for method, colour in COLOURS.items():
            some = [c for c in candidates if c.method == method]
            axis.scatter(
                [getattr(c, key) for c in some],
                [100 * c.drop for c in some],
                color=colour,
                label=method,
                s=[90 if c in best_of else 35 for c in some],
            )
        for found in candidates:
            axis.annotate(
                found.name,
                (getattr(found, key), 100 * found.drop),
                xytext=(6, 4),
                textcoords="offset points",
                fontsize=7,
            )
        if limit is not None:
            axis.axvline(limit, color="#2a8a3e", linestyle="--", linewidth=1)
        axis.set_xscale("log")
        axis.margins(x=0.25, y=0.15)
        axis.set_xlabel(label)
        axis.grid(alpha=0.3)
    axes[0].set_ylabel("drop in points (validation)")
    axes[0].legend(frameon=False, title="large: on the frontier")
    figure.savefig(path, dpi=120, format="png")
