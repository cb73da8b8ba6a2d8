"""The page of a comparison: the conclusion, then its figures."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmkeras.evaluation.report import number_of
from mmkeras.metrics import describe
from mmkeras.reporting.pages import page_environment
from mmkeras.studies.compare.comparison_charts import ARMS, Picture
from mmkeras.studies.compare.conclusion_text import undecided
from mmkeras.studies.compare.formatting import (
    labels_of,
    points,
    share_of,
    value_of,
)
from mmkeras.studies.compare.plots import cost_picture, fused_of, pictures

Entry = Mapping[str, Any]


def render_report(report: Entry) -> tuple[str, list[Picture]]:
    """Returns the page for what `summarise` returned, and its pictures.

    Example:

    >>> html, pictures = render_report(report)
    """
    environment = page_environment(Path(__file__).parent)
    drawn = {
        name: pictures(name, entry, report)
        for name, entry in report["targets"].items()
    }
    costs = cost_picture(report)
    page = environment.get_template("report.html.j2").render(
        report=report,
        targets=[
            {**entry, "name": name, "pictures": drawn[name],
             "rows": _ranked(entry, report), "open": undecided(entry, report)}
            for name, entry in report["targets"].items()
        ],
        cost_pictures=costs,
        fused=fused_of(report),
        arms=[variable for variable, _ in ARMS.values()],
        describe=describe,
        labels_of=labels_of,
        points=points,
        value_of=value_of,
        number=number_of,
        compact=compact,
        share=share_of,
    )  # fmt: skip
    return page, [p for found in drawn.values() for p in found] + costs


def table_rows(report: Entry) -> list[dict[str, Any]]:
    """Returns the rows of `table.csv`: a row an arm, target and fraction.

    The majority class is one more arm, which costs nothing.
    """
    cost = {(r["fraction"], r["arm"]): r for r in report["costs"]}
    rows = []
    for name, entry in report["targets"].items():
        for row in entry["table"]:
            spent = cost[row["fraction"], row["arm"]]
            rows.append(
                {
                    "target": name,
                    "labels": row["fraction"],
                    "arm": row["arm"],
                    "metric": entry["metric"],
                    "mean": _rounded(row["mean"]),
                    "low": _rounded(row["low"]),
                    "high": _rounded(row["high"]),
                    "seeds": len(report["seeds"]),
                    "steps": round(spent["steps"]),
                    "samples": round(spent["samples"]),
                    "seconds": round(spent["seconds"], 1),
                    "multiply_adds": f"{spent['multiply_adds']:.3g}",
                }
            )
        if entry["majority"]:
            rows.append(
                {
                    "target": name,
                    "arm": entry["majority"]["name"],
                    "metric": entry["metric"],
                    **{
                        key: _rounded(entry["majority"][key])
                        for key in ("mean", "low", "high")
                    },
                }
            )
    return rows


def as_text(report: Entry) -> str:
    """Returns table and conclusion for a terminal."""
    lines = []
    for name, entry in report["targets"].items():
        if not entry["samples"]:
            continue
        lines.append(f"{name}: {_label(entry)} (95 %)")
        for fraction in report["fractions"][::-1]:
            rows = [r for r in entry["table"] if r["fraction"] == fraction]
            lines.append(f"  {labels_of(fraction)}")
            lines += [f"    {_line(entry, row)}" for row in rows]
        if entry["majority"]:
            majority = {**entry["majority"], "arm": entry["majority"]["name"]}
            lines.append(f"    {_line(entry, majority)}")
        lines += ["", *entry["conclusion"], *undecided(entry, report), ""]
    return "\n".join(lines)


def _label(entry: Entry) -> str:
    return describe(entry["metric"]).label.lower()


def _line(entry: Entry, row: Entry) -> str:
    if row["mean"] is None:
        return f"{row['arm']:<24} not defined"
    mean, low, high = (
        value_of(entry, row[end]) for end in ("mean", "low", "high")
    )
    return f"{row['arm']:<24} {mean}  {low} to {high}"


def _ranked(entry: Entry, report: Entry) -> list[dict[str, Any]]:
    """Returns the rows with the most labels, arms first, the best on top."""
    most = report["fractions"][-1]
    places = {name: place for place, name in enumerate(fused_of(report))}
    rows = [r for r in entry["table"] if r["fraction"] == most]
    rows = [r for r in rows if r["mean"] is not None]
    sign = 1 if entry["smaller_is_better"] else -1
    rows.sort(key=lambda r: (r["arm"] not in places, sign * r["mean"]))
    return [{**row, "place": places.get(row["arm"])} for row in rows]


def compact(value: float | None) -> str:
    """Returns a large number for reading: "64,000", "3.2 · 10¹²"."""
    if value is None:
        return "–"
    if abs(value) < 1e6:
        return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    digits, power = f"{value:.1e}".split("e")
    raised = str(int(power)).translate(
        str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
    )
    return f"{digits} · 10{raised}"


def _rounded(value: float | None) -> float | str:
    return "" if value is None else round(value, 4)
