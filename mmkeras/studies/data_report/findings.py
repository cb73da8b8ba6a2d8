"""What is wrong with the data, by name, for a person and for `--fail-on`."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mmkeras.arguments import check_choice

# Name of each finding, and what it means.
FINDINGS = {
    "leak": "a sample, or nearly the same, or a group, in several splits",
    "duplicates": "samples that are the same in every modality",
    "near-duplicates": "samples that are nearly the same in every modality",
    "labels": "samples that are the same, with different labels",
    "classes": "a class that no training sample has",
    "outliers": "values far out of a column, channel or number to predict",
    "constant": "a column with one value in the whole training split",
    "quarantine": "samples that cannot be read",
    "wrong-labels": "labels that a run confidently contradicts",
}
# Those that are found, some of them, by fingerprints.
NEED_FINGERPRINTS = ("leak", "near-duplicates")
# Examples of a finding that are named.
MAX_EXAMPLES = 5


def check_names(given: Iterable[str]) -> list[str]:
    """Returns names of findings, also where commas part them.

    Raises:
        ValueError: If one is not known.
    """
    names = [name.strip() for part in given for name in part.split(",") if part]
    for name in names:
        check_choice("fail_on", name, FINDINGS)
    return list(dict.fromkeys(names))


def findings_of(report: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Returns what is wrong, in the order of `FINDINGS`.

    Args:
        report: What `inspect` counted.

    Returns:
        "name", "count", and "text", a sentence with examples.
    """
    found = [
        {"name": name, "count": count, "text": text}
        for name in FINDINGS
        for count, text in _ASKED[name](report)
    ]
    return [one for one in found if one["count"]]


def refuse(
    report: Mapping[str, Any], fail_on: Sequence[str], out: Path | None
) -> None:
    """Raises ValueError if the data have a finding that they must not.

    Or where it could not be looked for: silence would pass for no finding.
    """
    found = [one for one in report["findings"] if one["name"] in fail_on]
    if found:
        place = f"\nThe report lies in {out}" if out else ""
        said = "\n".join(f"{one['name']}: {one['text']}" for one in found)
        raise ValueError(
            f"The data must be free of {', '.join(fail_on)} (`fail_on`). "
            f"Received:\n{said}{place}"
        )
    names = [name for name in fail_on if name in NEED_FINGERPRINTS]
    if names and report["lacking"]:
        packages = " and ".join(
            f"`{name}`" for name in sorted({*report["lacking"].values()})
        )
        raise ValueError(
            f"{packages} must be installed to look for {', '.join(names)} "
            f"(`fail_on`): pip install mmkeras[report]. Received: near-"
            f"duplicates of {', '.join(report['lacking'])} not looked for"
        )


def _leak(report: Mapping[str, Any]) -> Iterator[tuple[int, str]]:
    for key, words in (("exact", "the same"), ("near", "nearly the same")):
        entry = report["alike"]["samples"][key]
        yield (
            entry["across"],
            f"{_several(entry['across'], 'group')} of samples that are "
            f"{words} in several splits: {_examples(entry['shared'])}",
        )
    spread = (report["groups"] or {}).get("across", [])
    yield (
        len(spread),
        f"{_several(len(spread), 'group')} in several splits: "
        f"{_listed(spread)}",
    )


def _duplicates(report: Mapping[str, Any]) -> Iterator[tuple[int, str]]:
    entry = report["alike"]["samples"]["exact"]
    yield (
        entry["samples"],
        f"{_several(entry['samples'], 'sample')} the same as an earlier one: "
        f"{_examples(entry['groups'])}",
    )


def _near(report: Mapping[str, Any]) -> Iterator[tuple[int, str]]:
    entry = report["alike"]["samples"]["near"]
    yield (
        entry["count"],
        f"{_several(entry['count'], 'group')} of samples that are nearly the "
        f"same: {_examples(entry['groups'])}",
    )


def _labels(report: Mapping[str, Any]) -> Iterator[tuple[int, str]]:
    for name, entry in report["alike"]["conflicts"].items():
        yield (
            entry["count"],
            f"`{name}`: {_several(entry['count'], 'group')} of samples that "
            f"are the same have different labels: "
            f"{_examples(entry['groups'])}",
        )


def _classes(report: Mapping[str, Any]) -> Iterator[tuple[int, str]]:
    for name, entry in report["targets"].items():
        absent = [
            key
            for key, counts in (entry["classes"] or {}).items()
            if not counts["train"]
        ]
        yield (
            len(absent),
            f"`{name}`: {_several(len(absent), 'class', 'classes')} without a "
            f"sample in training: {_listed(absent)}",
        )


def _outliers(report: Mapping[str, Any]) -> Iterator[tuple[int, str]]:
    for entry in report["numbers"]:
        found = entry["outliers"]
        if found and entry["group"] in ("columns", "label"):
            many = " or more" if entry["more_outliers"] else ""
            shown = [f"{one['value']:g} of {one['id']!r}" for one in found]
            yield (
                len(found),
                f"`{_name_of(entry)}`: {len(found)}{many} far out of "
                f"{entry['low']:.4g} to {entry['high']:.4g}: "
                f"{_listed(shown)}",
            )


def _constant(report: Mapping[str, Any]) -> Iterator[tuple[int, str]]:
    names = report["constant"]
    yield len(names), f"one value in all of training: {_listed(names)}"


def _quarantine(report: Mapping[str, Any]) -> Iterator[tuple[int, str]]:
    for entry in report["quarantine"]:
        shown = [f"{one['id']!r} {one['detail']}" for one in entry["examples"]]
        yield (
            entry["count"],
            f"`{entry['part']}`: {_several(entry['count'], 'sample')} "
            f"{entry['reason']}: {_listed(shown)}",
        )


def _wrong(report: Mapping[str, Any]) -> Iterator[tuple[int, str]]:
    for name, entry in (report["wrong_labels"] or {}).items():
        shown = [
            f"{one['id']!r} is {one['label']}, answered {one['answer']}"
            for one in entry["wrong"]
        ]
        yield (
            len(shown),
            f"`{name}`: {len(shown)} of {entry['samples']} labels are "
            f"contradicted: {_listed(shown)}",
        )


_ASKED = {
    "leak": _leak,
    "duplicates": _duplicates,
    "near-duplicates": _near,
    "labels": _labels,
    "classes": _classes,
    "outliers": _outliers,
    "constant": _constant,
    "quarantine": _quarantine,
    "wrong-labels": _wrong,
}


def _name_of(entry: Mapping[str, Any]) -> str:
    if entry["group"] == "label":
        return entry["part"]
    return f"{entry['part']}/{entry['name']}"


def _several(count: int, one: str, more: str = "") -> str:
    return f"{count:,} {one if count == 1 else more or one + 's'}"


def _examples(groups: Sequence[Sequence[Mapping]]) -> str:
    """Returns groups of samples: "'a' (train) = 'b' (test); ..."."""
    shown = [
        " = ".join(f"{one['id']!r} ({one['split']})" for one in group)
        for group in groups[:MAX_EXAMPLES]
    ]
    return "; ".join(shown) + ("; …" if len(groups) > MAX_EXAMPLES else "")


def _listed(names: Sequence[str]) -> str:
    more = ", …" if len(names) > MAX_EXAMPLES else ""
    return ", ".join(map(str, names[:MAX_EXAMPLES])) + more
