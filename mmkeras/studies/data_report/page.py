"""The page of the data: what is in them, and what is wrong."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mmkeras.evaluation import number_of, show_sample
from mmkeras.reporting import charts
from mmkeras.reporting.pages import page_environment
from mmkeras.studies.data_report.findings import FINDINGS
from mmkeras.studies.data_report.sample_stream import SPLITS, SampleStream

# Samples of the gallery, groups of samples that are alike, charts of one
# modality, and classes that a chart still shows.
GALLERY, SHOWN_GROUPS, MAX_CHARTS, MAX_CLASSES = 12, 4, 24, 26


def render(report: Mapping[str, Any], samples: SampleStream, seed: int) -> str:
    """Returns the page: no script, nothing loaded, all names escaped.

    Args:
        report: What `inspect` returns.
        samples: Where the samples are, a few of which are shown.
        seed: Of the draw of those.
    """
    environment = page_environment(Path(__file__).parent)
    environment.filters |= {"number": _number, "share": _share}
    groups = _groups(report)
    drawn = _drawn(report["samples"], seed)
    places = {one["place"] for _, group in groups for one in group}
    seen = samples.again([*drawn, *places])
    shown = {place: _view(samples, one) for place, one in seen.items()}
    return environment.get_template("inspection.html.j2").render(
        report=report,
        splits=SPLITS,
        findings=FINDINGS,
        class_charts=[
            {"name": name, "chart": class_chart(entry["classes"])}
            for name, entry in report["targets"].items()
            if entry["classes"] and len(entry["classes"]) <= MAX_CLASSES
        ],
        parts=_parts(report),
        groups=groups,
        gallery=drawn,
        shown=shown,
    )


def class_chart(classes: Mapping[str, Mapping[str, int]]) -> Any:
    """Returns samples of each class, training and the rest side by side."""
    names = [*classes][::-1]
    heights = np.arange(len(names))
    parts = (
        ("training", ("train",), charts.ACCENT, 0.2),
        ("validation and test", ("validation", "test"), charts.SECOND, -0.2),
    )

    def draw(axes):
        for label, splits, color, shift in parts:
            counts = [sum(classes[n][s] for s in splits) for n in names]
            axes.barh(heights + shift, counts, 0.36, color=color, label=label)
        axes.set_yticks(heights, [charts.short(name) for name in names])
        axes.tick_params("y", length=0, labelcolor=charts.INK)
        axes.grid(False, axis="y")
        axes.set_xlabel("samples")
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2)

    return charts.figure(draw, height=1.4 + 0.32 * len(names))


def histogram_chart(entry: Mapping[str, Any]) -> Any:
    """Returns how often which value occurs, without what is far out."""
    counts = entry["histogram"]["counts"]
    edges = np.array(entry["histogram"]["edges"])

    def draw(axes):
        name = entry["name"] or entry["part"]
        axes.set_title(charts.short(name, 40))
        axes.bar(
            edges[:-1],
            counts,
            np.diff(edges),
            align="edge",
            color=charts.ACCENT,
        )
        axes.set_ylabel("samples")
        axes.yaxis.get_major_locator().set_params(integer=True, nbins=4)
        axes.xaxis.get_major_locator().set_params(nbins=6)

    return charts.figure(draw, 3.4, 1.7)


def _parts(report: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Returns the numbers of each part, with charts of what varies."""
    found: dict[str, dict[str, Any]] = {}
    for entry in report["numbers"]:
        part = found.setdefault(
            entry["part"], {"name": entry["part"], "rows": [], "charts": []}
        )
        part["rows"].append(entry)
        edges = entry["quantiles"]
        varies = edges["0.01"] < edges["0.99"]
        if varies and len(part["charts"]) < MAX_CHARTS:
            part["charts"].append(histogram_chart(entry))
    return list(found.values())


def _groups(report: Mapping[str, Any]) -> list[tuple[str, list[dict]]]:
    """Returns some groups of samples that are alike, the worst first."""
    alike = report["alike"]
    found = [
        (f"the same, with different labels of {name}", group)
        for name, entry in alike["conflicts"].items()
        for group in entry["groups"][:SHOWN_GROUPS]
    ]
    for key, words in (("exact", "the same"), ("near", "nearly the same")):
        entry = alike["samples"][key]
        found += [
            (f"{words}, in several splits", group)
            for group in entry["shared"][:SHOWN_GROUPS]
        ]
        found += [
            (words, group)
            for group in entry["groups"][:SHOWN_GROUPS]
            if group not in entry["shared"]
        ]
    return found


def _drawn(count: int, seed: int) -> list[int]:
    random = np.random.default_rng(seed)
    chosen = random.choice(count, min(count, GALLERY), replace=False)
    return sorted(chosen.tolist())


def _view(samples: SampleStream, seen: Any) -> dict[str, Any]:
    """Returns what a card shows of one sample."""
    spec = samples.spec
    labels = []
    for name, target in sorted(spec.targets.items()):
        label, weight = seen.labels[name]
        known = bool(np.any(weight > 0))
        cell = target.label_cell(label, weight) if known else "–"
        labels.append((name, charts.short(cell, 60)))
    parts = show_sample(
        samples.inputs(seen),
        spec.modalities,
        spec.optional,
        samples.learned_files,
    )
    return {"id": seen.id, "split": seen.split, "labels": labels,
            "parts": parts}  # fmt: skip


def _number(value: float | None) -> str:
    if value is None:
        return "–"
    if value == int(value) and abs(value) < 1e6:
        return f"{int(value):,}"
    return number_of(value) if abs(value) < 1e9 else f"{value:.3g}"


def _share(counts: Sequence[int]) -> str:
    part, whole = counts
    return f"{100 * part / whole:.1f} %" if whole else "–"
