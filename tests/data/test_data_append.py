"""New rows join prepared data; old ones stay in their splits."""

import numpy as np
import pandas as pd
import pytest
from data.change_toys import spec_of

from mmkeras.cli import main
from mmkeras.data import Samples, load_data, prepare
from mmkeras.spec import DataSpec


def rows(first, last, word="old"):
    return pd.DataFrame(
        {
            "id": [f"s{i}" for i in range(first, last)],
            "v": range(first, last),
            "city": ["Bonn" if word == "old" else "Oslo"] * (last - first),
            "text": [f"{word} {word} number" for _ in range(first, last)],
            "color": [["black", "white"][i % 2] for i in range(first, last)],
            "group": [f"g{i % 6}" for i in range(first, last)],
        }
    )


def make(**split):
    spec = spec_of(".").to_dict()
    spec["split"] = {"train": 0.6, "validation": 0.2, "test": 0.2, **split}
    spec["modalities"] = {
        "table": {"kind": "vector", "columns": ["v"],
                  "categorical": ["city"]},
        "text": {"kind": "text", "column": "text", "max_tokens": 4,
                 "vocabulary_size": 50},
    }  # fmt: skip
    return DataSpec.from_dict(spec)


def splits_of(folder):
    return {n: s.split("-")[0] for n, (s, *_) in Samples(folder).places.items()}


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(
        "mmkeras.data.ingest.plan.samples_per_shard", lambda spec: 4
    )


def grow(old, new, out, **split):
    spec = make(**split)
    first = prepare(old, spec, out, workers=1)
    before = splits_of(out)
    tokens = (out / "tokenizer_text.json").read_bytes()
    found = prepare(pd.concat([old, new]), spec, out, workers=1, append=True)
    assert (out / "tokenizer_text.json").read_bytes() == tokens
    return first, before, found, splits_of(out)


@pytest.mark.parametrize("stratify", [None, "color"])
def test_old_samples_stay_and_new_ones_fill_the_shares(
    small, tmp_path, capsys, stratify
):
    out = tmp_path / "out"
    first, before, found, after = grow(
        rows(0, 20), rows(20, 50, "unheard"), out, stratify=stratify
    )
    assert {name: after[name] for name in before} == before
    counts = {name: part["count"] for name, part in found["splits"].items()}
    assert counts == {"train": 30, "validation": 10, "test": 10}
    assert found["appended"] == [
        {"added": 30, "removed": 0, "learned": "kept",
         "statistics": "computed anew"}
    ]  # fmt: skip
    said = " ".join(capsys.readouterr().err.split())
    assert "30 samples are new" in said and "stays as it was" in said
    # What is known of old is not enough for the new, and that is counted.
    assert "unknown categories: 30" in said and "tokens unknown" in said
    assert "table" not in first.get("notes", {})
    assert found["notes"]["table"] == {"unknown_categories": 30}
    train = [int(n[1:]) for n, split in after.items() if split == "train"]
    means = found["statistics"]["modalities"]["table"]["mean"]
    assert np.isclose(means[0], np.mean(train))
    # A shard that is full stays as it is.
    old, new = (
        {s["sha256"] for s in one["splits"]["train"]["shards"]}
        for one in (first, found)
    )
    assert old <= new
    prepare(pd.concat([rows(0, 20), rows(20, 50, "unheard")]),
            make(stratify=stratify), out, workers=1)  # fmt: skip
    assert "nothing to do" in capsys.readouterr().err


def test_new_samples_of_a_group_go_where_it_is(small, tmp_path):
    _, before, _, after = grow(
        rows(0, 24), rows(24, 60), tmp_path / "out", group="group"
    )
    where = {f"g{int(n[1:]) % 6}": split for n, split in before.items()}
    assert all(after[n] == where[f"g{int(n[1:]) % 6}"] for n in after)
    # Intervals are over groups, so each sample's is stored.
    data = load_data(tmp_path / "out")
    for split in ("train", "validation", "test"):
        found = [f"g{int(name[1:]) % 6}" for name in data.ids(split)]
        assert data.groups(split) == found


def test_without_groups_none_are_stored(small, tmp_path):
    prepare(rows(0, 20), make(), tmp_path / "out", workers=1)
    assert load_data(tmp_path / "out").groups("test") is None


def test_rows_that_are_gone_are_told(small, tmp_path, capsys):
    out = tmp_path / "out"
    old = rows(0, 20)
    prepare(old, make(), out, workers=1)
    before = splits_of(out)
    found = prepare(old[3:], make(), out, workers=1, append=True)
    assert "3 samples are no longer in the manifest" in capsys.readouterr().err
    assert sum(part["count"] for part in found["splits"].values()) == 17
    after = splits_of(out)
    assert after == {name: before[name] for name in after}


def test_a_repaired_file_after_that_moves_nobody(small, tmp_path):
    from data.change_toys import draw, write

    root, out = tmp_path / "raw", tmp_path / "out"
    write(root)
    spec = spec_of(root)
    table = pd.read_csv(root / "manifest.csv")
    table[:10].to_csv(root / "manifest.csv", index=False)
    prepare(spec, out, workers=1)
    table.to_csv(root / "manifest.csv", index=False)
    (root / "15.png").write_bytes(b"broken")
    assert prepare(spec, out, workers=1, append=True)["quarantined"]
    before = splits_of(out)
    draw(root / "15.png", 150)
    found = prepare(spec, out, workers=1)
    assert found["quarantined"] == {} and len(found["appended"]) == 1
    assert splits_of(out) == before


def test_what_cannot_be_appended_is_refused(tmp_path, capsys):
    old = rows(0, 20)
    with pytest.raises(ValueError, match="must be prepared already"):
        prepare(old, make(), tmp_path / "new", workers=1, append=True)
    spec = make().to_dict()
    del spec["data"]["id_column"]
    spec = DataSpec.from_dict(spec)
    prepare(old, spec, tmp_path / "out", workers=1)
    with pytest.raises(ValueError, match="add its new rows by `append`"):
        prepare(rows(0, 30), spec, tmp_path / "out", workers=1)
    with pytest.raises(ValueError, match="`data.id_column` must name"):
        prepare(rows(0, 30), spec, tmp_path / "out", workers=1, append=True)
    given = ["prepare", "x.toml", "--out", "y", "--append", "--restart"]
    assert main(given) == 2
    with pytest.raises(ValueError, match="At most one"):
        prepare(old, spec, tmp_path / "out", restart=True, append=True)
