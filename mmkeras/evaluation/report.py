"""The report: one HTML page with everything in it, for a browser or a phone.

It needs no network and runs no script, and its own policy forbids both.
"""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmkeras.evaluation.predict import Predicted
from mmkeras.evaluation.sample_view import show_sample
from mmkeras.evaluation.worst_samples import gather
from mmkeras.metrics import describe
from mmkeras.reporting import charts as figures
from mmkeras.reporting.pages import page_environment

# A table of more classes than this is not readable.
MAX_TABLE = 26


def render_report(
    result: Mapping[str, Any],
    title: str,
    facts: Mapping[str, Any] | None = None,
    history: str | Path | None = None,
    dataset: Any = None,
    modalities: Mapping[str, Any] | None = None,
    ids: Sequence[str] | None = None,
    learned_files: Mapping[str, Path] | None = None,
    targets: Mapping[str, Any] | None = None,
    predicted: Predicted | None = None,
    about: str = "",
) -> str:
    """Returns the page for what `evaluate` returned.

    Args:
        result: What `evaluate` returned.
        title: Title of the page.
        facts: Lines under the title, such as `{"Data": "avdigits"}`.
        history: `history.csv` of the run, for the learning curves.
        dataset: The data set that was evaluated, for the worst samples.
        modalities: Specs by name, with `kind` and, for sound,
            `sample_rate_hz`.
        ids: Names of the samples, in the order of `dataset`.
        learned_files: Of the modalities that have one, the file of what was
            learned from the training split, such as a tokenizer.
        targets: Targets of a spec by name, some of which draw their labels
            and answers.
        predicted: What `predict` returned for `dataset`.
        about: What the data are and what they are not for, in words.

    Example:

    >>> html = render_report(result, "avdigits", history="run/history.csv",
    ...                      dataset=data.test, ids=data.ids("test"),
    ...                      modalities=data.spec.modalities)
    """
    environment = page_environment(Path(__file__).parent)
    environment.filters |= {
        "score": score_of,
        "number": number_of,
        "percent": percent,
        "label": lambda name: describe(name).label,
        "in_units": lambda name: describe(name).in_units,
    }
    inputs = _worst_inputs(result, dataset)
    shown = {
        index: show_sample(
            x, modalities or {}, result["optional"], learned_files or {}
        )
        for index, x in inputs.items()
    }
    page = environment.get_template("report.html.j2")
    return page.render(
        title=title,
        facts=facts or {},
        about=about,
        result=result,
        targets=[
            {
                **_target(name, entry),
                "drawn": _drawn(
                    name, entry, targets, predicted, inputs, learned_files
                ),
            }
            for name, entry in sorted(result["targets"].items())
        ],
        curves=learning_curves(history) if history else [],
        shown=shown,
        ids=list(ids or []),
    )


def score_of(value: float | None, units: bool = False) -> str:
    """Returns a metric for reading: "0.985", or three digits, "12.3"."""
    if value is None:
        return "–"
    return (
        number_of(value) if units else f"{value:.3f}".replace("-0.000", "0.000")
    )


def number_of(value: float) -> str:
    """Returns a number in its unit for reading: "12,300", "0.00123"."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def percent(value: float) -> str:
    """Returns a share for reading: "98 %"."""
    return f"{100 * value:.0f} %"


def learning_curves(path: str | Path) -> list:
    """Returns a chart of the loss and of each metric in a `history.csv`."""
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    if not rows:
        return []
    columns = {
        name: [float(row[name]) if row[name] else None for row in rows]
        for name in rows[0]
        if name != "stage"
    }
    epochs = [int(epoch) for epoch in columns.pop("epoch")]
    stages = [row.get("stage") for row in rows]
    changes = [
        epochs[i - 1] for i in range(1, len(rows)) if stages[i] != stages[i - 1]
    ]
    spent = ("steps", "seconds")
    names = [n for n in columns if not n.startswith("val_") and n not in spent]
    # The total loss first, then metrics; losses by target are left out.
    names = ["loss"] + [n for n in names if not n.endswith("loss")]
    charts = []
    for name in names[:8]:
        lines = {"training": columns.get(name)}
        lines["validation"] = columns.get(f"val_{name}")
        lines = {n: v for n, v in lines.items() if v and any(v)}
        if lines:
            label = name.replace("_", " ")
            charts.append(figures.curves(label, epochs, lines, changes))
    return charts


def _target(name: str, entry: Mapping[str, Any]) -> dict[str, Any]:
    """Returns one target's entry with its charts."""
    described = describe(entry["headline"])
    large = len(entry["classes"]) > MAX_TABLE
    made = {**entry, "name": name, "large": large}
    made["chart"] = made["picture"] = None
    rows = _compared(entry, entry["headline"])
    if len(rows) > 1:
        unit = f" ({entry['unit']})" if entry["unit"] else ""
        suffix = unit if described.in_units else ""
        made["chart"] = figures.compared(rows, described.label + suffix)
    if entry.get("points"):
        made["picture"] = figures.scatter(entry["points"], entry["unit"])
    if "confusion" in entry and large:
        made["picture"] = figures.heatmap(entry["confusion"])
    return made


def _drawn(
    name: str,
    entry: Mapping[str, Any],
    targets: Mapping[str, Any] | None,
    predicted: Predicted | None,
    inputs: Mapping[int, Mapping[str, Any]],
    learned_files: Mapping[str, Path] | None,
) -> dict[int, list[dict[str, str]]]:
    """Returns what a target draws of its worst samples, by their place."""
    target = (targets or {}).get(name)
    if target is None or predicted is None:
        return {}
    outputs, labels, _ = (part[name] for part in predicted)
    places = [one["index"] for one in entry["worst"] if one["index"] in inputs]
    drawn = {
        place: target.show(
            labels[place], outputs[place], inputs[place], learned_files
        )
        for place in places
    }
    return {
        place: [{"kind": target.kind, **one} for one in shown]
        for place, shown in drawn.items()
        if shown
    }


def _compared(entry: Mapping[str, Any], headline: str) -> list[dict]:
    """Returns the model, its subsets and the baselines, for one chart."""
    rows = [{"name": "all modalities", "strong": True, **entry}]
    rows += [{**subset, "strong": True} for subset in entry["subsets"]]
    for baseline in entry["baselines"]:
        name = baseline["name"]
        name += " (own model)" if baseline["trained"] else ""
        rows.append({**baseline, "name": name, "strong": False})
    return [
        {
            "name": row["name"],
            "strong": row["strong"],
            **row["metrics"][headline],
        }
        for row in rows
        if headline in row["metrics"]
    ]


def _worst_inputs(result, dataset):
    """Returns the inputs of each worst sample, by its place."""
    if dataset is None:
        return {}
    indices = {
        sample["index"]
        for entry in result["targets"].values()
        for sample in entry["worst"]
    }
    return gather(dataset, indices)
