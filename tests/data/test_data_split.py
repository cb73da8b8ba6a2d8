"""Splits: shares, strata and groups hold for every draw."""

import numpy as np
import pandas as pd
import pytest
from data.data_toys import make_spec

from mmkeras.data.ingest import (
    SPLITS,
    assign_splits,
    bad_times,
    draw_places,
    shares_missed,
)


def table(rows: int, groups: int = 1) -> pd.DataFrame:
    random = np.random.default_rng(1)
    return pd.DataFrame(
        {
            "group": [f"g{g}" for g in random.integers(0, groups, rows)],
            "side": [SPLITS[i % 3] for i in range(rows)],
        }
    )


def spec(stratify=None, **split):
    changes = {f"split__{key}": value for key, value in split.items()}
    return make_spec(split__stratify=stratify, **changes)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("rows", [10, 101, 1000])
def test_fractions_are_met_to_the_sample(rows, seed):
    found = assign_splits(spec(seed=seed), table(rows))
    for name, share in zip(SPLITS, (0.6, 0.2, 0.2), strict=True):
        assert abs((found == name).sum() - share * rows) <= 1


@pytest.mark.parametrize("seed", range(3))
def test_each_class_keeps_its_share(seed):
    labels = np.repeat([0, 1, 2, -1], [500, 90, 4, 6])
    found = assign_splits(spec(stratify="color", seed=seed), table(600), labels)
    for label in (0, 1, 2, -1):
        part = found[labels == label]
        for name, share in zip(SPLITS, (0.6, 0.2, 0.2), strict=True):
            assert abs((part == name).sum() - share * len(part)) <= 1.01


def test_many_rare_classes_still_fill_every_split():
    labels = np.repeat(np.arange(100), 3)
    found = assign_splits(spec(stratify="color"), table(300), labels)
    for name, share in zip(SPLITS, (0.6, 0.2, 0.2), strict=True):
        assert abs((found == name).mean() - share) < 0.08


@pytest.mark.parametrize("stratify", [None, "color"])
@pytest.mark.parametrize("groups", [3, 10, 40])
def test_no_group_is_on_two_sides(groups, stratify):
    rows = table(600, groups)
    labels = np.arange(600) % 3 if stratify else None
    found = assign_splits(spec(group="group", stratify=stratify), rows, labels)
    sides = pd.Series(found).groupby(rows["group"]).nunique()
    assert (sides == 1).all()
    assert set(found) == set(SPLITS)
    if groups == 40:
        for name, share in zip(SPLITS, (0.6, 0.2, 0.2), strict=True):
            assert abs((found == name).mean() - share) < 0.05


def test_a_column_decides_alone():
    rows = table(9)
    found = assign_splits(spec(method="column", column="side"), rows)
    assert found.tolist() == rows["side"].tolist()


def test_the_seed_decides_and_nothing_else():
    first, again, other = (
        assign_splits(spec(seed=seed), table(200)) for seed in (0, 0, 1)
    )
    assert (first == again).all() and (first != other).any()


def test_no_validation_is_asked_for_and_none_comes():
    found = assign_splits(spec(train=0.8, validation=0.0), table(50))
    assert set(found) == {"train", "test"}


def test_too_few_groups_are_one_message():
    with pytest.raises(ValueError, match="'test'.*in 2 groups of `group`"):
        assign_splits(spec(group="group"), table(50, groups=2))


def test_the_largest_group_comes_first():
    rows = pd.DataFrame({"group": ["big"] * 95 + [f"g{i}" for i in range(5)]})
    shares = {"train": 0.8, "validation": 0.1, "test": 0.1}
    for seed in range(5):
        drawn = spec(group="group", seed=seed, **shares)
        found = assign_splits(drawn, rows)
        assert (found == "train").sum() == 95
        assert min((found == name).sum() for name in SPLITS) == 2
        (said,) = shares_missed(drawn, rows, found)
        assert (
            "instead of 80, 10, 10 samples" in said and "'big', has 95" in said
        )


def test_a_share_that_is_met_is_not_spoken_of():
    drawn, rows = spec(), table(101)
    assert not shares_missed(drawn, rows, assign_splits(drawn, rows))


def test_a_column_that_parts_a_group_is_refused():
    rows = pd.DataFrame(
        {
            "group": ["a", "a", "a", "b", "b", "", ""],
            "side": [*SPLITS, "train", "train", "train", "test"],
        }
    )
    split = spec(method="column", column="side", group="group")
    with pytest.raises(ValueError, match="'a' in train and validation and te"):
        assign_splits(split, rows)
    # Without a group there is nothing to part.
    rows["group"] = list("abcdd") + ["", ""]
    assert assign_splits(split, rows)[-1] == "test"


def by_time(cells, kept=None, **shares):
    when = pd.DataFrame({"when": cells})
    found = draw_places(spec(method="time", time="when", **shares), when,
                        kept=kept)  # fmt: skip
    return found.tolist()


DATES = [f"2026-01-{day:02d}T08:00:00" for day in range(1, 11)]


@pytest.mark.parametrize(
    "cells",
    [list(map(str, range(10))), DATES, [f"{d}Z" for d in DATES],
     [f"{i}e3" for i in range(10)]],
)  # fmt: skip
def test_what_was_first_trains_and_what_was_last_tests(cells):
    wanted = [0] * 6 + [1] * 2 + [2] * 2
    assert by_time(cells) == wanted
    order = np.random.default_rng(0).permutation(10)
    mixed = by_time([cells[i] for i in order])
    assert [mixed[i] for i in np.argsort(order)] == wanted


def test_samples_of_one_time_are_not_parted():
    found = by_time(["1"] * 6 + ["2"] * 4, train=0.5, validation=0, test=0.5)
    assert found == [0] * 6 + [2] * 4


def test_new_samples_go_where_their_time_is():
    kept = np.array([0, 0, 1, 2, -1, -1, -1], np.int8)
    found = by_time(["1", "2", "3", "4", "1.5", "2.5", "9"], kept)
    assert found == [0, 0, 1, 2, 0, 1, 2]


@pytest.mark.parametrize(
    "wrong",
    [{"method": "time"}, {"time": "when"},
     {"method": "time", "time": "when", "group": "g"}],
)  # fmt: skip
def test_a_split_by_time_needs_its_column_alone(wrong):
    with pytest.raises(ValueError, match="must be"):
        spec(**wrong)


def test_a_time_that_cannot_be_read_is_told():
    found = [*bad_times(["1", "", "soon", "2026-01-01", "nan"])]
    assert [(row, reason) for row, _, reason, _ in found] == [
        (1, "missing"), (2, "not_a_number"), (4, "not_a_number"),
    ]  # fmt: skip
