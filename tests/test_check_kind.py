"""The contract of kinds: ours keep it, and what breaks it is named."""

import pytest

import mmkeras
from mmkeras import kinds

TARGETS = {
    "category": (
        kinds.Category(kind="category", column="y", classes=["a", "b"]),
        ["a", "b", "", "b"],
    ),
    "categories": (
        kinds.Categories(kind="categories", column="y", classes=["a", "b"]),
        ["a|b", "b", "", "a"],
    ),
    "ordinal": (
        kinds.Ordinal(kind="ordinal", column="y", classes=["a", "b", "c"]),
        ["a", "b", "", "c"],
    ),
    "sequence": (
        kinds.Sequence(
            kind="sequence", column="y", classes=["a", "b"], steps=4,
            modality="toy",
        ),
        ["a|b|a|a", "b|b|a|b", ""],
    ),
    "number": (kinds.Number(kind="number", column="y"), ["1", "", "2.5", "3"]),
    "embedding": (
        kinds.Embedding(kind="embedding", column="y"),
        ["ann", "bob", "ann", "bob"],
    ),
}  # fmt: skip


def rows(cells):
    return [{"y": cell} for cell in cells]


@pytest.mark.parametrize("name", TARGETS)
def test_a_target_keeps_the_contract(name):
    target, cells = TARGETS[name]
    found = mmkeras.check_kind(target, rows(cells))
    assert set(found.values()) == {"kept"}


def test_every_kind_of_target_is_checked():
    assert set(TARGETS) == set(mmkeras.spec.TARGETS.known)
