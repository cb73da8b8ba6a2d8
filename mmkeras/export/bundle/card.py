"""The card: what was measured of a model and of the files made from it."""

from collections.abc import Collection
from pathlib import Path

from mmkeras.export.verification.measurement import FLOAT_TOLERANCE


def failures(card: dict, names: Collection[str]) -> list[str]:
    """Returns a sentence for each file and target that lost too much.

    With every modality there, the drop itself counts. With one absent, which
    fewer samples tell apart, the drop has to be sure: its interval as a whole
    above the limit.

    Args:
        card: The card.
        names: The files that have to hold the metrics.
    """
    found = []
    for scenario, targets in card["scenarios"].items():
        for target, scores in targets.items():
            for name in names:
                drop = _drop(scores, card["metric"][target], name)
                if drop is None:
                    continue
                low = scores[name].get("drop_interval", [drop])[0]
                if (drop if scenario == "all" else low) > card["max_drop"]:
                    found.append(_sentence(card, scenario, target, name, drop))
    return found


def _drop(scores: dict, metric: str, name: str) -> float | None:
    before = before_of(scores).get(metric)
    return None if before is None else before - scores[name][metric]


def before_of(scores: dict) -> dict:
    """Returns the scores that a drop is measured against."""
    return scores.get("original", scores["keras"])


def _sentence(card, scenario, target, name, drop) -> str:
    metric, scores = card["metric"][target], card["scenarios"][scenario][target]
    base = scores[f"{name.split()[0]} float32"][metric]
    ends = scores[name].get("drop_interval")
    sure = f", 95 % within {ends[0]:.4f} to {ends[1]:.4f}" if ends else ""
    return (
        f"{metric} of `{target}`{'' if scenario == 'all' else ' ' + scenario} "
        f"must not drop by more than {card['max_drop']:g}. Received: Keras "
        f"{before_of(scores)[metric]:.4f}, float32 {base:.4f}, {name} "
        f"{scores[name][metric]:.4f}: a drop of {drop:.4f}{sure}"
    )


def largest_drop(card: dict, name: str) -> float:
    """Returns a file's largest drop, over the targets, nothing absent."""
    drops = [
        _drop(scores, card["metric"][target], name)
        for target, scores in card["scenarios"]["all"].items()
    ]
    return max((drop for drop in drops if drop is not None), default=0.0)


def departures(card: dict) -> list[tuple[str, str, str, int]]:
    """Returns file, scenario, target and sample where float left Keras."""
    return [
        (name, scenario, target, entry["departs_at"])
        for scenario, targets in card["scenarios"].items()
        for target, found in targets.items()
        for name, entry in found.items()
        if "departs_at" in entry
    ]


def departure_sentence(card: dict, departure: tuple, layer: dict | None) -> str:
    """Says which file departs from Keras, by how much, and at which layer."""
    name, scenario, target, _ = departure
    gap = card["scenarios"][scenario][target][name]["largest_difference"]
    where = "no layer inside, only the outputs, could be told apart"
    if layer is not None:
        where = (
            f"the first layer that departs is `{layer['layer']}` "
            f"({layer['type']}), by {layer['gap']:.2g}"
        )
    return (
        f"{name} must equal Keras within {FLOAT_TOLERANCE:g}. Received: a "
        f"difference of {gap:.2g} in `{target}`; {where}"
    )


def check_drop(card: dict, path: Path) -> None:
    """Raises ValueError if the card has failures."""
    if card["failures"]:
        advice = _advice(card)
        raise ValueError(
            "\n".join([*card["failures"], *advice])
            + f"\nNo bundle was written; what was measured is in {path}. "
            "`--max-drop` moves the limit"
        )


def table(card: dict) -> str:
    """Returns the card as lines of text."""
    samples = card["samples"]
    lines = [f"measured on {samples['test']} of {samples['of']} test samples"]
    first = next(iter(card["scenarios"]["all"].values()))
    names = [n for n in ("original", "keras") if n in first]
    before = len(names)
    names += card["files"]
    lines.append(f"{'':38}" + "".join(f"{name:>18}" for name in names))
    for scenario, targets in card["scenarios"].items():
        for target, found in targets.items():
            metric, what = card["metric"][target], f"{scenario}: {target}"
            lines += _rows(what, metric, found, names, scenario == "all")
    for key, unit in (("bytes", "size in bytes"),
                      ("latency_ms", "median latency in ms")):  # fmt: skip
        cells = [f"{card['files'][n][key]:>18,}" for n in names[before:]]
        lines.append(f"{unit:38}{'':{18 * before}}" + "".join(cells))
    more = [*_recipes(card), *_streams(card), *_advice(card)]
    return "\n".join([*lines, *more])


def _rows(what, metric, found, names, all_there) -> list[str]:
    """Returns a line for the metric, and for what else is known of it."""
    rows = {metric: [found[name].get(metric) for name in names]}
    ends = [found[name].get("drop_interval") for name in names]
    if any(ends):
        rows["drop, 95 %"] = [
            end and f"{end[0]:+.4f} {end[1]:+.4f}" for end in ends
        ]
    if all_there:
        for key in ("calibration_error", "agreement"):
            rows[key.replace("_", " ")] = [found[n].get(key) for n in names]
        rows["worst class"] = [
            _worst(found[name].get("worst_class")) for name in names
        ]
    lines = []
    for key, cells in rows.items():
        if key != metric and not any(cell is not None for cell in cells):
            continue
        row = "".join(f"{_cell(cell):>18}" for cell in cells)
        lines.append(f"{f'{what} {key}'[:38]:38}" + row)
    return lines


def _worst(entry: dict | None) -> str | None:
    if entry is None or entry["drop"] <= 0:
        return None
    return f"{entry['class'][:9]} {-entry['drop']:.3f}"


def _cell(value: str | float | None) -> str:
    if value is None:
        return "-"
    return value if isinstance(value, str) else format(value, ".4f")


def _recipes(card: dict) -> list[str]:
    """Returns a line for each int8 recipe, and which one is shipped."""
    lines = []
    for name, entry in card.get("recipes", {}).items():
        if "refused" in entry:
            said = f"refused: {entry['refused']}"
        else:
            said = (
                f"{entry['bytes']:,} bytes, {entry['latency_ms']} ms, "
                f"largest drop {entry['drop']:.4f}"
                + ("" if entry["passes"] else ", too much")
            )
        chosen = ", shipped" if name == card.get("recipe") else ""
        lines.append(f"recipe {name}{chosen}: {said}")
    if card.get("float_layers"):
        lines.append("kept in float: " + ", ".join(card["float_layers"]))
    return lines


def _streams(card: dict) -> list[str]:
    """Returns a line for each recurrent tower: how it streams, or why not."""
    lines = []
    for name, entry in card.get("streams", {}).items():
        gap = entry.get("shipped_difference", entry["largest_difference"])
        lines.append(
            f"stream {name}: {entry['step']} a step; the last answer differs "
            f"from the whole sequence's by {gap:.1g}"
        )
    for name, reason in card.get("not_streamed", {}).items():
        lines.append(f"stream {name}: none. {reason}")
    return lines


def _advice(card: dict) -> list[str]:
    """Returns a line on the layers that int8 hurts most."""
    advice = card.get("advice", {})
    if not advice.get("worth_floating"):
        return []
    return [
        "worth keeping in float: "
        f"{', '.join(advice['worth_floating'])} "
        f"({advice['gain_db']:+.1f} dB at the outputs)"
    ]
