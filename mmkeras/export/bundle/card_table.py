"""A card as lines of text."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmkeras.export.bundle.card import Candidate, Card
from mmkeras.export.verification.file_measurement import Comparison, Measurement

LABEL, CELL = 38, 18


def check_card(card: Card, path: Path) -> None:
    """Raises ValueError if a card has failures.

    Args:
        card: The card.
        path: Where it was written.
    """
    if card.failures:
        raise ValueError(
            "\n".join([*card.failures, *_advice(card)])
            + f"\nNo bundle was written; what was measured is in {path}. "
            "`--max-drop` moves the limit"
        )


def card_table(card: Card) -> str:
    """Returns the card as lines of text."""
    samples, files = card.samples, card.measured.files
    models = list(_models(next(iter(card.measured.complete.values()))))
    before = len(models) - len(files)
    lines = [
        f"measured on {samples.test} of {samples.of} test samples",
        " " * LABEL + _cells(models),
    ]
    for number, (scenario, targets) in enumerate(
        card.measured.scenarios.items()
    ):
        for target, compared in targets.items():
            lines += _rows(f"{scenario}: {target}", compared, not number)
    for unit, cells in {
        "size in bytes": [f.bytes for f in files.values()],
        "median latency in ms": [f.latency_ms for f in files.values()],
    }.items():
        row = _cells([""] * before + [f"{cell:,}" for cell in cells])
        lines.append(f"{unit:{LABEL}}{row}")
    more = [*_worst_drops(card)]
    more += [*_recipes(card), *_streams(card), *_advice(card)]
    return "\n".join([*lines, *more])


def _models(compared: Comparison) -> dict[str, Measurement]:
    """Returns what the columns show, by name."""
    first = {"original": compared.original, "keras": compared.keras}
    return {n: m for n, m in first.items() if m is not None} | dict(
        compared.files
    )


def _rows(what: str, compared: Comparison, all_there: bool) -> list[str]:
    """Returns a line for the metric, and for what else is known of it."""
    guard, models = compared.guard, _models(compared).values()
    rows: dict[str, list[Any]] = {
        guard: [each.figures.get(guard) for each in models],
        "drop, 95 %": [_interval(each.drop_interval) for each in models],
    }
    if all_there:
        rows |= {
            "calibration error": [each.calibration_error for each in models],
            "agreement": [each.agreement for each in models],
            "worst class": [_worst(each.worst_class) for each in models],
        }
    return [
        f"{f'{what} {key}'[:LABEL]:{LABEL}}{_cells(cells)}"
        for key, cells in rows.items()
        if key == guard or any(cell is not None for cell in cells)
    ]


def _cells(cells: Sequence[str | float | None]) -> str:
    return "".join(f"{_cell(cell):>{CELL}}" for cell in cells)


def _cell(value: str | float | None) -> str:
    if value is None:
        return "-"
    return value if isinstance(value, str) else format(value, ".4f")


def _interval(ends: tuple[float, float] | None) -> str | None:
    return ends and f"{ends[0]:+.4f} {ends[1]:+.4f}"


def _worst(entry: Mapping[str, Any] | None) -> str | None:
    if entry is None or entry["drop"] <= 0:
        return None
    return f"{entry['class'][:9]} {-entry['drop']:.3f}"


def _worst_drops(card: Card) -> list[str]:
    """Returns a line for each file that lost something: where it lost most."""
    measured, lines = card.measured, []
    for name in measured.files:
        scenario, target, drop = measured.worst(name) or ("", "", 0.0)
        if drop <= 0:
            continue
        compared = measured.scenarios[scenario][target]
        ends = compared.files[name].drop_interval
        sure = f" (95 % {_interval(ends)})" if ends else ""
        absent = compared is not measured.complete[target]
        allowed = f"allowed are {card.max_drop:g}"
        lines.append(
            f"{name} loses most of `{target}`, {scenario}: {drop:.4f}{sure}; "
            + (f"{allowed} for sure, as one is absent" if absent else allowed)
        )
    return lines


def _recipes(card: Card) -> list[str]:
    """Returns a line for each recipe to choose from, and which is shipped."""
    lines = [
        f"recipe {name}{', shipped' if name == card.recipe else ''}: "
        f"{_told(entry)}"
        for name, entry in card.recipes.items()
    ]
    if card.float_layers:
        lines.append("kept in float: " + ", ".join(card.float_layers))
    return lines


def _told(entry: Candidate) -> str:
    if entry.refused is not None:
        return f"refused: {entry.refused}"
    return (
        f"{entry.bytes:,} bytes, {entry.latency_ms} ms, "
        f"largest drop {entry.drop:.4f}"
        + ("" if entry.passes else ", too much")
    )


def _streams(card: Card) -> list[str]:
    """Returns a line for each recurrent tower: how it streams, or why not."""
    lines = []
    for name, entry in card.streams.items():
        gap = entry.shipped_difference
        gap = entry.largest_difference if gap is None else gap
        lines.append(
            f"stream {name}: {entry.step} a step; the last answer differs "
            f"from the whole sequence's by {gap:.1g}"
        )
    for name, reason in card.not_streamed.items():
        lines.append(f"stream {name}: none. {reason}")
    return lines


def _advice(card: Card) -> list[str]:
    """Returns a line on the layers that int8 hurts most."""
    if card.advice is None or not card.advice.worth_floating:
        return []
    return [
        "worth keeping in float: "
        f"{', '.join(card.advice.worth_floating)} "
        f"({card.advice.gain_db:+.1f} dB at the outputs)"
    ]
