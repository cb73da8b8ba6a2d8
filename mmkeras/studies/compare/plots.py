"""The plots of a comparison: one a question, one colour an arm."""

from collections.abc import Iterator, Mapping
from typing import Any

from mmkeras.metrics import describe
from mmkeras.studies.compare.comparison_charts import (
    Picture,
    dots,
    lines,
    picture,
)
from mmkeras.studies.compare.formatting import labels_of, share_of

# More classes than this are unreadable; the table has them all.
MAX_CLASSES = 26
Entry = Mapping[str, Any]


def pictures(target: str, entry: Entry, report: Entry) -> list[Picture]:
    """Returns every picture of a target.

    Args:
        target: Its name, which the files' names end in.
        entry: Its entry of `compare.json`.
        report: All of `compare.json`.
    """
    if not entry["samples"]:
        return []
    makers = (_result, _pairs, _labels, _budget, _absent, _noise, _classes)
    found = []
    for make in makers:
        for name, title, draw, height in make(entry, report):
            found.append(picture(f"{name}_{target}", title, draw, height))
    return found


def cost_picture(report: Entry) -> list[Picture]:
    """Returns the plot of the arms' costs relative to the first arm, if any."""
    first, *others = fused_of(report)
    most = report["fractions"][-1]
    cost = {r["arm"]: r for r in report["costs"] if r["fraction"] == most}
    rows = [
        {
            "name": words,
            "arm": arm,
            "place": place,
            "mean": cost[arm][what] / cost[first][what],
            "low": None,
            "high": None,
        }
        for what, words in (
            ("samples", "samples seen"),
            ("seconds", "seconds"),
            ("multiply_adds", "multiply-adds"),
        )
        for place, arm in enumerate((first, *others))
        if cost[arm][what] and cost[first][what]
    ]
    if not rows:
        return []
    draw, height = dots(rows, f"times as much as {first}", line=1.0)
    return [picture("cost", "What does each arm cost?", draw, height)]


def _result(entry: Entry, report: Entry) -> Iterator[tuple]:
    most = report["fractions"][-1]
    places = _places(report)
    rows = [
        {**row, "name": row["arm"].replace("_alone", " alone"),
         "place": places[row["arm"]]}
        for row in entry["table"]
        if row["fraction"] == most
    ]  # fmt: skip
    if entry["majority"]:
        rows.append({**entry["majority"], "arm": "majority", "place": -1})
    title = f"How good is each? {labels_of(most)}"
    yield "result", title, *dots(rows, _label(entry))


def _pairs(entry: Entry, report: Entry) -> Iterator[tuple]:
    described = describe(entry["metric"])
    scale = 100 if described.share else 1
    rows = [
        {
            "name": f"{row['first']} − {row['second']}, "
            + share_of(row["fraction"]),
            "arm": "",
            "place": _winner(row, entry, report),
            **{
                end: None if row[end] is None else scale * row[end]
                for end in ("mean", "low", "high")
            },
        }
        for row in entry["pairs"]
    ]
    unit = "points" if scale == 100 else entry["unit"]
    label = f"difference in {described.label.lower()}, {unit}"
    title = "Is one better? Grey: the data do not decide"
    if len(rows) > 1:
        # An interval of one pair may leave out 0 where nothing is decided.
        title += f", by p-values for {len(rows)} pairs"
    yield "pairs", title, *dots(rows, label.rstrip(", "), line=0.0)


def _winner(row: Entry, entry: Entry, report: Entry) -> int:
    """Returns the place of the arm that is better, -1 where none is."""
    if not row["decided"]:
        return -1
    first = (row["mean"] > 0) != entry["smaller_is_better"]
    return _places(report)[row["first" if first else "second"]]


def _labels(entry: Entry, report: Entry) -> Iterator[tuple]:
    fractions = report["fractions"]
    if len(fractions) < 2:
        return
    series = []
    for arm in report["arms"]:
        rows = [r for r in entry["table"] if r["arm"] == arm["name"]]
        name = arm["name"].replace("_alone", " alone")
        place = _places(report)[arm["name"]]
        series.append(_series(name, place, range(len(rows)), rows))
    level = entry["majority"] and (
        entry["majority"]["name"],
        entry["majority"]["mean"],
    )
    ticks = [share_of(fraction) for fraction in fractions]
    draw = lines(series, _label(entry), ticks, level)("labelled samples")
    yield "labels", "How many labels does it need?", draw, 3.1


def _budget(entry: Entry, report: Entry) -> Iterator[tuple]:
    places, fused = _places(report), fused_of(report)
    for fraction in report["fractions"][::-1]:
        series = [
            {**row, "name": row["arm"], "place": places[row["arm"]],
             "x": row.get("samples", row.get("seconds"))}
            for row in entry["curves"]
            if row["fraction"] == fraction and row["arm"] in fused
        ]  # fmt: skip
        if not series:
            continue
        label = describe(series[0]["metric"]).label.lower()
        spent = "samples seen" if "samples" in series[0] else "seconds"
        draw = lines(series, f"{label} (validation)")(
            f"{spent}, pretraining included"
        )
        title = f"How fast does it learn? {labels_of(fraction)}"
        yield f"budget_{fraction:g}", title, draw, 3.1


def _absent(entry: Entry, report: Entry) -> Iterator[tuple]:
    rows = [
        {**row, "place": _places(report)[row["arm"]]} for row in entry["absent"]
    ]
    if len({row["name"] for row in rows}) > 1:
        title = "What if a modality is absent?"
        yield "absent", title, *dots(rows, _label(entry))


def _noise(entry: Entry, report: Entry) -> Iterator[tuple]:
    for modality in dict.fromkeys(r["modality"] for r in entry["noise"]):
        found = [r for r in entry["noise"] if r["modality"] == modality]
        levels = list(dict.fromkeys(row["level"] for row in found))
        series = []
        for place, arm in enumerate(fused_of(report)):
            rows = [row for row in found if row["arm"] == arm]
            series.append(_series(arm, place, range(len(rows)), rows))
        ticks = ["clean" if v is None else f"{v:g}" for v in levels]
        draw = lines(series, _label(entry), ticks)(found[0]["unit"])
        title = f"What does noise on {modality} do?"
        yield f"noise_{modality}", title, draw, 3.1


def _classes(entry: Entry, report: Entry) -> Iterator[tuple]:
    rows = [
        {**row, "name": row["class"], "place": _places(report)[row["arm"]]}
        for row in entry["classes"]
    ]
    if rows and len({row["name"] for row in rows}) <= MAX_CLASSES:
        yield "classes", "Which classes?", *dots(rows, "F1")


def _series(name, place, x, rows) -> dict[str, Any]:
    ends = {end: [row[end] for row in rows] for end in ("mean", "low", "high")}
    return {"name": name, "place": place, "x": list(x), **ends}


def fused_of(report: Entry) -> list[str]:
    """Returns the names of the arms that see every modality."""
    return [a["name"] for a in report["arms"] if a["modality"] is None]


def _places(report: Entry) -> dict[str, int]:
    """Returns the places of the arms; modalities alone are below 0."""
    fused = fused_of(report)
    alone = [a["name"] for a in report["arms"] if a["name"] not in fused]
    return {name: place for place, name in enumerate(fused)} | {
        name: -place for place, name in enumerate(alone, 2)
    }


def _label(entry: Entry) -> str:
    described = describe(entry["metric"])
    units = entry["unit"] and not described.share
    return f"{described.label} ({entry['unit']})" if units else described.label
