"""Fault 41: a group on two sides of a split that a column declares."""

import numpy as np
import pytest

from mmkeras.data import prepare
from mmkeras.spec import DataSpec

SIDES = np.array(["train", "validation", "test"])


def tried(folder, groups, sides):
    draw = np.random.default_rng(0)
    rows = ["a,y,who,part"]
    rows += [
        f"{draw.normal():.3f},{draw.normal():.3f},{group},{side}"
        for group, side in zip(groups, sides, strict=True)
    ]
    (folder / "manifest.csv").write_text("\n".join(rows) + "\n")
    spec = DataSpec.from_dict(
        {
            "name": "toy",
            "data": {"root": str(folder)},
            "split": {"method": "column", "column": "part", "group": "who"},
            "modalities": {"a": {"kind": "vector", "columns": ["a"]}},
            "targets": {"y": {"kind": "number", "column": "y"}},
        }
    )
    return prepare(spec, folder / "data", workers=1)


@pytest.mark.parametrize("seed", range(6))
def test_a_group_in_two_parts_is_refused_and_named(tmp_path, seed):
    draw = np.random.default_rng(seed)
    groups = [f"g{n}" for n in draw.integers(0, 12, 60)]
    side = dict(zip(sorted(set(groups)), SIDES[draw.integers(0, 3, 12)]))
    sides = np.array([side[group] for group in groups])
    sides[:3] = SIDES  # Every side has a sample.
    stray = int(draw.integers(3, 60))
    others = [i for i in range(60) if groups[i] == groups[stray]]
    sides[others] = side[groups[stray]]
    sides[stray] = next(s for s in SIDES if s != side[groups[stray]])
    broken = sorted(
        {g for g in groups
         if len({s for s, of in zip(sides, groups) if of == g}) > 1}
    )  # fmt: skip
    with pytest.raises(ValueError) as caught:
        tried(tmp_path, groups, sides)
    said = str(caught.value)
    assert f"Received: {len(broken)} of" in said
    assert all(repr(group) in said for group in broken[:3])
    assert not (tmp_path / "data").exists()


def test_groups_of_one_side_are_taken_as_they_are(tmp_path):
    sides = np.repeat(SIDES, [40, 10, 10])
    groups = [f"{side}-{n % 3}" for n, side in enumerate(sides)]
    found = tried(tmp_path, groups, sides)
    counts = [found["splits"][side]["count"] for side in SIDES]
    assert counts == [40, 10, 10]
