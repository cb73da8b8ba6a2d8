"""One contract, kept by every tower, every fusion and every head."""

import typing
from pathlib import Path

import keras
import pytest
from zoo import EXCEPTIONS, FUSIONS, HEADS, PAIRS, TOWERS

from mmkeras.checks import check_fusion, check_head, check_tower
from mmkeras.fusion import FUSIONS as METHODS
from mmkeras.heads import Head

LIMITS = Path(__file__).parents[1] / "docs" / "limits.md"


def skipped(name) -> tuple[str, ...]:
    """Clauses that a part cannot keep; formats are no clauses of these."""
    return tuple(c for c in EXCEPTIONS.get(name, ()) if " " not in c)


@pytest.mark.parametrize("name", TOWERS)
def test_a_tower_keeps_the_contract(name):
    keras.utils.set_random_seed(0)
    check_tower(TOWERS[name](), export=False, skip=skipped(name))


@pytest.mark.parametrize("name", FUSIONS)
def test_a_fusion_keeps_the_contract(name):
    check_fusion(FUSIONS[name](), export=False, skip=skipped(name))


@pytest.mark.parametrize("name", HEADS)
def test_a_head_keeps_the_contract_and_decides_alike_in_its_files(name):
    check_head(*HEADS[name], skip=skipped(name))


def test_every_kind_of_target_has_a_head_that_is_checked():
    assert {type(head) for head, _ in HEADS.values()} == set(
        typing.get_args(Head)
    )


def test_every_method_of_a_recipe_is_checked():
    assert set(METHODS.parts) <= set(FUSIONS)


def test_the_pairs_have_every_tower_and_every_fusion():
    towers, fusions = zip(*PAIRS, strict=True)
    assert set(towers) == set(TOWERS)
    assert set(fusions) == set(FUSIONS)


def test_what_cannot_be_kept_stands_among_the_limits():
    text = LIMITS.read_text(encoding="utf-8")
    for name, reasons in EXCEPTIONS.items():
        for clause in reasons:
            assert f"| `{name}` | {clause} |" in text
