"""The conclusion of a comparison as sentences."""

from collections.abc import Mapping, Sequence
from typing import Any

from mmkeras.metrics import (
    FEW_GROUPS,
    MIN_SEEDS,
    describe,
    seeds_for,
    smallest_p,
)
from mmkeras.studies.compare.formatting import and_, labels_of, points, value_of

Entry = Mapping[str, Any]


def conclude(entry: Entry, report: Entry) -> list[str]:
    """Returns the conclusion of one target, sentence by sentence.

    The first is the answer with the most labels, then follow fewer labels,
    the worth of each modality, guessing, and the cost.

    Args:
        entry: The target's entry of `compare.json`.
        report: All of `compare.json`.
    """
    if not entry["samples"]:
        return ["No sample of the test split has a label."]
    fractions = report["fractions"][::-1]
    sentences = [_answer(entry, fraction) for fraction in fractions]
    sentences += _few(entry, report)
    sentences += _worth(entry, report)
    sentences += _absent(entry)
    sentences += _cost(report)
    sentences += _pretrained(report)
    sentences += _left_out(report)
    return [each for each in sentences if each]


def _few(entry: Entry, report: Entry) -> list[str]:
    """Says what too few seeds or groups of test samples mean."""
    found, seeds = [], len(report["seeds"])
    if seeds < MIN_SEEDS:
        found.append(
            f"{seeds} seeds decide nothing, however far apart the figures "
            f"are: how much seeds differ takes {MIN_SEEDS} to tell."
        )
    units = entry["units"]
    if report["group"] and units < entry["samples"]:
        text = f"The test samples are {units} groups of `{report['group']}`"
        if units < FEW_GROUPS:
            text += (
                f": fewer than {FEW_GROUPS} say little about groups that "
                "nobody has seen, whatever the intervals are"
            )
        found.append(f"{text}.")
    return found


def undecided(entry: Entry, report: Entry) -> list[str]:
    """Returns what would make an undecided comparison decidable."""
    if all(row["decided"] for row in entry["pairs"]):
        return []
    seeds = len(report["seeds"])
    text = (
        f"More seeds than {seeds}, or more {_units(entry)}, narrow the "
        "intervals."
    )
    if smallest_p(seeds) >= 0.05:
        text += (
            f" The exact sign-flip test cannot fall below p = "
            f"{smallest_p(seeds):.3g} with {seeds} seeds; with {seeds_for()} "
            "it can show a difference by itself."
        )
    return [text]


def _units(entry: Entry) -> str:
    if entry["units"] < entry["samples"]:
        return f"groups of test samples than {entry['units']:,}"
    return f"test samples than {entry['samples']:,}"


def _answer(entry: Entry, fraction: float) -> str:
    """Says which arm is best with so many labels, and if the data decide."""
    rows = [r for r in entry["pairs"] if r["fraction"] == fraction]
    table = {r["arm"]: r for r in entry["table"] if r["fraction"] == fraction}
    names = {row[side] for row in rows for side in ("first", "second")}
    known = [n for n in table if n in names and table[n]["mean"] is not None]
    if len(known) < 2:
        return f"{labels_of(fraction)}, the figure is not defined."
    # Python's sort is stable: equal means stay in the order of the arms.
    known.sort(key=lambda n: table[n]["mean"], reverse=not _smaller(entry))
    best = known[0]
    against = {_other(row, best): row for row in rows if best in row.values()}
    beaten = [n for n in known[1:] if against[n]["decided"]]
    open_ = [n for n in known[1:] if not against[n]["decided"]]
    start = labels_of(fraction)
    if not beaten:
        return (
            f"{start}, the data do not decide between {_named(known)}: "
            f"{_values(entry, table, known)}; "
            f"{_ahead(entry, against, open_, best)}."
        )
    text = (
        f"{start}, `{best}` is better than {_named(beaten)}: "
        f"{_values(entry, table, [best, *beaten])}; "
        f"{_ahead(entry, against, beaten, best, 'it')}."
    )
    if open_:
        text += (
            f" The data do not decide between `{best}` and {_named(open_)}: "
            f"{_ahead(entry, against, open_, best)}."
        )
    return text


def _left_out(report: Entry) -> list[str]:
    """Says which stages of an arm the budget left nothing for."""
    found: dict[tuple[str, str], int] = {}
    for run in report["runs"]:
        for stage in run["spent"].get("left_out", ()):
            key = run["arm"], stage
            found[key] = found.get(key, 0) + 1
    return [
        f"In {count} runs of `{arm}` the budget was over before the stage "
        f"`{stage}`."
        for (arm, stage), count in found.items()
    ]


def _named(names: Sequence[str]) -> str:
    return and_([f"`{name}`" for name in names])


def _values(entry: Entry, table: Entry, names: Sequence[str]) -> str:
    means = [value_of(entry, table[name]["mean"]) for name in names]
    label = describe(entry["metric"]).label.lower()
    return f"{label} {means[0]} against {and_(means[1:])}"


def _ahead(
    entry: Entry,
    against: Entry,
    names: Sequence[str],
    best: str,
    subject: str | None = None,
) -> str:
    """Says by how much `best` is ahead, with the intervals."""
    subject = subject or f"`{best}`"
    parts = []
    for name in names:
        row = against[name]
        if row["mean"] == row["low"] == row["high"] == 0:
            parts.append(f"`{name}` does not differ at all")
            continue
        sign = 1 if row["first"] == best else -1
        sign = -sign if _smaller(entry) else sign
        low, high = sorted((sign * row["low"], sign * row["high"]))
        text = (
            f"{subject} is {points(entry, sign * row['mean'])} ahead of "
            f"`{name}` (95 % interval {points(entry, low, False)} to "
            f"{points(entry, high, False)}"
        )
        if low > 0 and not row["decided"]:
            text += f", not enough among {len(entry['pairs'])} differences"
        parts.append(f"{text})")
    return and_(parts)


def _worth(entry: Entry, report: Entry) -> list[str]:
    """Says what each modality reaches alone, and if it pays to fuse."""
    rows = [row for row in entry["alone"] if row["mean"] is not None]
    most = report["fractions"][-1]
    means = {
        row["arm"]: row["mean"]
        for row in entry["table"]
        if row["fraction"] == most
    }
    sentences = []
    if rows:
        alone = [
            f"{row['second'].removesuffix('_alone')} "
            f"{value_of(entry, means[row['second']])}"
            for row in rows
        ]
        pick = max if _smaller(entry) else min
        least = pick(rows, key=lambda row: row["mean"])
        first, name = least["first"], least["second"].removesuffix("_alone")
        sentences.append(
            f"Each modality alone: {and_(alone)}; together (`{first}`) "
            f"{value_of(entry, means[first])}. "
            f"{_pays(entry, least, name, len(report['seeds']))}"
        )
    guess = entry["majority"]
    if guess is not None and guess["mean"] is not None:
        sentences.append(_guess(entry, guess, most))
    return sentences


def _pays(entry: Entry, row: Entry, name: str, seeds: int) -> str:
    sign = -1 if _smaller(entry) else 1
    low, high = sorted((sign * row["low"], sign * row["high"]))
    span = (
        f"(95 % interval {points(entry, low, False)} to "
        f"{points(entry, high, False)})"
    )
    gain = sign * row["mean"]
    if seeds >= MIN_SEEDS and low > 0:
        return f"Fusing gains {points(entry, gain)} on {name} alone {span}."
    if seeds >= MIN_SEEDS and high < 0:
        return f"Fusing loses {points(entry, -gain)} to {name} alone {span}."
    return f"The data do not decide if fusing helps beyond {name} {span}."


def _guess(entry: Entry, guess: Entry, most: float) -> str:
    """Says whether the arms know more than the labels' frequencies."""
    sign = -1 if _smaller(entry) else 1
    fused = {row["first"] for row in entry["pairs"]}
    fused |= {row["second"] for row in entry["pairs"]}
    worse = [
        row["arm"]
        for row in entry["table"]
        if row["fraction"] == most
        and row["arm"] in fused
        and row["mean"] is not None
        and min(sign * row["low"], sign * row["high"]) <= sign * guess["mean"]
    ]
    value = f"The {guess['name']} gives {value_of(entry, guess['mean'])}"
    if not worse:
        return value + "."
    listed = and_([f"`{name}`" for name in worse])
    return f"{value}: that {listed} learned anything is not shown."


def _absent(entry: Entry) -> list[str]:
    """Says what the loss of each modality costs the arms."""
    sign = -1 if _smaller(entry) else 1
    lost: dict[str, list[str]] = {}
    whole = {}
    for row in entry["absent"]:
        if not row["absent"]:
            whole[row["arm"]] = row["mean"]
        elif len(row["absent"]) == 1 and None not in (
            row["mean"], whole[row["arm"]]
        ):  # fmt: skip
            drop = sign * (whole[row["arm"]] - row["mean"])
            text = f"`{row['arm']}` {points(entry, drop)}"
            lost.setdefault(row["absent"][0], []).append(text)
    parts = [f"{name} absent: {', '.join(each)}" for name, each in lost.items()]
    return (
        [f"What is lost with a modality: {'; '.join(parts)}."] if lost else []
    )


def _cost(report: Entry) -> list[str]:
    """Says what the arms took beside the budget."""
    most = report["fractions"][-1]
    fused = [a["name"] for a in report["arms"] if a["modality"] is None]
    rows = {r["arm"]: r for r in report["costs"] if r["fraction"] == most}
    first, *others = [rows[name] for name in fused if name in rows]
    return [_times(row, first) for row in others]


def _pretrained(report: Entry) -> list[str]:
    """Names the arms initialised with towers of other runs."""
    names = [arm["name"] for arm in report["arms"] if arm.get("init")]
    if not names:
        return []
    return [
        f"{_named(names)} started from towers of other runs, whose "
        "training is not in the budget."
    ]


def _times(row: Entry, first: Entry) -> str:
    """Says what one arm took beside another."""
    text = []
    for what in ("samples", "seconds", "multiply_adds"):
        ratio = row[what] / first[what] if row[what] and first[what] else 1.0
        if abs(ratio - 1) >= 0.05:
            unit = what.replace("_", "-")
            text.append(f"{ratio:.2g} times the {unit}")
    if not text:
        return f"`{row['arm']}` cost about as much as `{first['arm']}`."
    return f"`{row['arm']}` took {and_(text)} of `{first['arm']}`."


def _smaller(entry: Entry) -> bool:
    return entry["smaller_is_better"]


def _other(row: Entry, name: str) -> str:
    return row["second"] if row["first"] == name else row["first"]
