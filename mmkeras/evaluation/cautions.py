"""What a person should know before believing the figures of an evaluation."""

from collections.abc import Mapping, Sequence
from typing import Any

from mmkeras.evaluation.predict import figures_of
from mmkeras.metrics import FEW_GROUPS, describe, measure

SHOWN = 5  # Names of classes in a sentence.


def cautions(
    result: Mapping[str, Any],
    targets: Mapping[str, Any],
    statistics: Mapping[str, Mapping] | None = None,
    validation: tuple[Mapping, Mapping, Mapping] | None = None,
    validation_groups: Sequence[str] | None = None,
) -> list[str]:
    """Returns sentences about what may make the figures misleading.

    Of each target: whether it has no label at all, which classes no training
    sample has, and whether the validation split was answered far better than
    this one, so that it is no guide to new samples. Far better means that
    the two 95 % intervals do not touch. And whether the samples are of few
    groups, or of groups that the data folder does not hold.

    Args:
        result: What `evaluate` returned.
        targets: The spec's targets by name.
        statistics: What is known of the training labels, by target.
        validation: Outputs, labels and weights of the validation split, as
            `predict` returns them; None where there is none.
        validation_groups: Of its samples, as `evaluate` takes them.
    """
    said = _of_groups(result)
    for name, target in sorted(targets.items()):
        entry = result["targets"][name]
        if not entry["count"]:
            said.append(
                f"`{name}`: no sample of this split has a label, so no metric "
                "is defined"
            )
        counts = (statistics or {}).get(name, {}).get("counts")
        if counts is not None:
            absent = [c for c in target.class_names if not counts.get(c)]
            if absent:
                said.append(
                    f"`{name}`: no training sample has {_classes(absent)}, so "
                    "the model cannot have learned them"
                )
        if validation and entry["count"]:
            found = measure(
                figures_of(name, target, validation, validation_groups),
                result["resamples"],
                result["seed"],
            )
            said += _too_good(name, target, found, entry["metrics"])
    return said


def _of_groups(result: Mapping) -> list[str]:
    """Returns a sentence where groups are few, or unknown."""
    group, count = result.get("group"), result.get("groups")
    if group is None:
        return []
    if count is None:
        return [
            f"The folder was prepared before it held the groups of `{group}`: "
            "intervals take each sample for itself, and are too narrow; "
            "`prepare` it anew"
        ]
    if count >= FEW_GROUPS:
        return []
    some = "1 group" if count == 1 else f"{count} groups"
    return [
        f"This split has {some} of `{group}`. Fewer than {FEW_GROUPS} say "
        "little about groups that nobody has seen, however many samples "
        "there are: intervals are wide for it, or left out, and still only a "
        "hint"
    ]


def _too_good(name, target, found: Mapping, here: Mapping) -> list[str]:
    """Returns a sentence if the validation split was answered far better."""
    key = target.headline
    theirs, ours = found.get(key, {}), here.get(key, {})
    if theirs.get("low") is None or ours.get("low") is None:
        return []
    better = (
        theirs["high"] < ours["low"]
        if describe(key).smaller_is_better
        else theirs["low"] > ours["high"]
    )
    if not better:
        return []
    return [
        f"`{name}`: {describe(key).label.lower()} is {theirs['value']:.3f} on "
        f"the validation split and {ours['value']:.3f} here, more apart than "
        "chance makes them: the validation split is more like the training "
        "samples than this one (shared groups or sources?), and what was "
        "chosen on it is not chosen for this"
    ]


def _classes(names: Sequence[str]) -> str:
    shown = ", ".join(map(repr, names[:SHOWN]))
    more = f" and {len(names) - SHOWN:,} more" if len(names) > SHOWN else ""
    return f"the class{'es' if len(names) > 1 else ''} {shown}{more}"
