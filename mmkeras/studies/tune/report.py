"""The report of a search: a table of its trials, and a page."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmkeras import artefact
from mmkeras.metrics import describe
from mmkeras.reporting import charts as figures
from mmkeras.reporting.pages import page_environment
from mmkeras.studies.tune.recipe_toml import to_toml

PAGE, TABLE = "report.html", "trials.csv"


def write_report(folder: Path, result: Mapping[str, Any]) -> list[str]:
    """Writes `trials.csv` and `report.html`; returns their names.

    Args:
        folder: Folder of the search.
        result: What `tune` found.
    """
    artefact.write_csv(
        folder / TABLE, [_row(trial) for trial in result["trials"]]
    )
    artefact.write_text(folder / PAGE, render(result))
    return [PAGE, TABLE]


def render(result: Mapping[str, Any]) -> str:
    """Returns the page: no script, nothing loaded, all names escaped."""
    environment = page_environment(Path(__file__).parent)
    environment.filters["short"] = short
    trials = sorted(result["trials"], key=lambda trial: _rank(result, trial))
    names = list(result["best"]["values"])
    return environment.get_template("report.html.j2").render(
        result=result,
        trials=trials,
        names=names,
        test=[
            {
                "target": target,
                "label": describe(headline(result, target)).label,
                **metrics[headline(result, target)],
            }
            for target, metrics in sorted(result["test"].items())
            if metrics
        ],
        progress=progress(result),
        charts=[against(result, name) for name in names],
        recipe=to_toml(result["best"]["recipe"]),
    )


def headline(result: Mapping[str, Any], target: str) -> str:
    """Returns the metric of a target that is shown first.

    A search by an older version does not name it; then it is the first one.
    """
    named = result.get("headlines", {})
    return named.get(target) or next(iter(result["test"][target]))


def short(value: Any) -> str:
    """Returns a value for reading: "0.00316", "concat", "–" for none."""
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{k}={short(v)}" for k, v in value.items())
    return str(value)


def progress(result: Mapping[str, Any]) -> Any:
    """Returns the picture of the objective by trial, and of the best yet."""
    good = _good(result)
    pick = max if result["settings"]["direction"] == "max" else min
    values = [trial["objective"] for trial in good]
    numbers = [trial["trial"] for trial in good]
    best = [pick(values[: i + 1]) for i in range(len(values))]

    def draw(axes):
        axes.step(
            numbers, best, where="post", color=figures.ACCENT, label="best yet"
        )
        axes.plot(
            numbers, values, "o", ms=5, color=figures.SECOND, label="trial"
        )
        axes.set_xlabel("trial")
        axes.set_ylabel(result["settings"]["objective"])
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.legend()

    return figures.figure(draw)


def against(result: Mapping[str, Any], name: str) -> Any:
    """Returns the picture of the objective against one value."""
    good = _good(result)
    tried = [trial["values"][name] for trial in good]
    values = [trial["objective"] for trial in good]
    best = result["best"]["trial"]
    colors = [
        figures.ACCENT if trial["trial"] == best else figures.SECOND
        for trial in good
    ]
    numbers = all(_is_number(value) for value in tried)
    texts = list(dict.fromkeys(figures.short(short(v)) for v in tried))

    def draw(axes):
        places = (
            tried if numbers else [texts.index(figures.short(short(v)))
                                   for v in tried]
        )  # fmt: skip
        axes.set_title(name)
        axes.scatter(places, values, c=colors, s=26, zorder=2)
        axes.set_ylabel(result["settings"]["objective"])
        if not numbers:
            axes.set_xticks(range(len(texts)), texts)
            axes.set_xlim(-0.5, len(texts) - 0.5)
        elif min(tried) > 0 and max(tried) / min(tried) > 30:
            axes.set_xscale("log")
            # Its own are formulas, which are not drawn.
            axes.xaxis.set_major_formatter("{x:g}")
            axes.xaxis.set_minor_formatter("")

    return figures.figure(draw)


def _good(result: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [trial for trial in result["trials"] if trial["failed"] is None]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _rank(result: Mapping[str, Any], trial: Mapping[str, Any]) -> tuple:
    """Returns what to sort by: the chosen trial first, failures last."""
    value = trial["objective"]
    sign = -1 if result["settings"]["direction"] == "max" else 1
    chosen = trial["trial"] == result["best"]["trial"]
    failed = trial["failed"] is not None
    return (not chosen, failed, math.inf if failed else sign * value)


def _row(trial: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "trial": trial["trial"],
        **{name: short(value) for name, value in trial["values"].items()},
        "epochs": trial["epochs"],
        **trial["figures"],
        "parameters": trial["parameters"],
        "seconds": trial["seconds"],
        "failed": trial["failed"],
        "folder": trial["folder"],
    }
