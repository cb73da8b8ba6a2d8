"""Versions of prepared data: told apart, compared, kept, and read by id."""

import io
import json
import tarfile

import numpy as np
import pandas as pd
import pytest
from data.change_toys import draw, spec_of, write

from mmkeras.cli import main
from mmkeras.data import (
    Samples,
    backup_data,
    check_folder,
    data_version,
    diff_data,
    prepare,
    read_sample,
    restore_data,
)
from mmkeras.spec import DataSpec


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Raw files, and two folders: of them, and of them after changes."""
    place = tmp_path_factory.mktemp("versions")
    write(place / "raw")
    prepare(spec_of(place / "raw"), place / "a", workers=1)
    write(place / "other")
    draw(place / "other" / "4.png", 255)
    (place / "other" / "5.png").write_bytes(b"broken")
    rows = pd.read_csv(place / "other" / "manifest.csv")
    rows.loc[2, "color"] = "white"
    rows.to_csv(place / "other" / "manifest.csv", index=False)
    spec = spec_of(place / "other", max_bad_fraction=0.5)
    prepare(spec, place / "b", workers=1)
    packed = spec_of(place / "raw", compression="gzip")
    prepare(packed, place / "packed", workers=1)
    return place


def files_of(folder):
    names = {p.name: p.read_bytes() for p in folder.iterdir()}
    names.pop(".hashes.json", None)
    return names


def test_a_version_follows_from_the_data_alone(place, tmp_path):
    first = check_folder(place / "a")[0]
    again = prepare(spec_of(place / "raw"), tmp_path / "again", workers=1)
    assert data_version(again) == data_version(first)
    assert data_version(check_folder(place / "b")[0]) != data_version(first)
    assert diff_data(place / "a", tmp_path / "again")["changed"] == {}


def test_a_difference_names_keys_samples_splits_and_labels(place):
    found = diff_data(place / "a", place / "b")
    assert found["spec"]["data.max_bad_fraction"] == [0.2, 0.5]
    assert found["removed"] == {"count": 1, "ids": ["s5"]}
    assert found["added"]["count"] == found["moved"]["count"] == 0
    assert found["changed"] == {
        "color": {"count": 1, "ids": ["s2"]},
        "image": {"count": 1, "ids": ["s4"]},
    }
    assert any(key.startswith("targets.color") for key in found["statistics"])
    json.dumps(found)


def test_samples_that_move_are_counted_by_where(tmp_path):
    for name, first in (("a", "train"), ("b", "test")):
        frame = pd.DataFrame(
            {
                "id": list("pqrs"),
                "v": [1, 2, 3, 4],
                "side": [first, "train", "test", "test"],
                "color": ["black"] * 4,
            }
        )
        spec = spec_of(".").to_dict()
        del spec["modalities"]["image"]
        spec["split"] = {"method": "column", "column": "side"}
        spec = DataSpec.from_dict(spec)
        prepare(frame, spec, tmp_path / name, workers=1)
    found = diff_data(tmp_path / "a", tmp_path / "b")["moved"]
    assert found == {
        "count": 1, "ids": ["p"], "splits": {"train to test": 1},
    }  # fmt: skip


def test_the_commands_show_and_compare(place, capsys):
    assert main(["data", "show", str(place / "b"), "--id", "s4"]) == 0
    said = capsys.readouterr().out
    assert data_version(check_folder(place / "b")[0]) in said
    assert "quarantined, wrong_format: 1" in said
    assert "image: uint8 (4, 4, 1)" in said
    assert main(["data", "diff", str(place / "a"), str(place / "b")]) == 0
    said = capsys.readouterr().out
    assert "spec data.max_bad_fraction: 0.2 -> 0.5" in said
    assert "samples removed: 1 (s5)" in said
    assert "`color` changed in samples: 1 (s2)" in said
    assert main(["data", "diff", str(place / "a"), str(place / "a")]) == 0
    assert "the same data" in capsys.readouterr().out
    assert main(["data", "show", str(place / "raw")]) == 2


@pytest.mark.parametrize("suffix", [".tar", ".tar.gz", ".tar.xz"])
def test_what_was_put_away_comes_back(place, tmp_path, suffix):
    archive = tmp_path / f"kept{suffix}"
    backup_data(place / "a", archive)
    restore_data(archive, tmp_path / "back")
    assert files_of(tmp_path / "back") == files_of(place / "a")
    with pytest.raises(ValueError, match="must be a new file"):
        backup_data(place / "a", archive)
    with pytest.raises(ValueError, match="must be new or empty"):
        restore_data(archive, tmp_path / "back")
    # Files do not look changed by having been away.
    assert data_version(prepare(spec_of(place / "raw"), tmp_path / "back"))


def members(archive):
    with tarfile.open(archive) as tar:
        return [(m, tar.extractfile(m).read()) for m in tar.getmembers()]


def rewrite(archive, content):
    with tarfile.open(archive, "w") as tar:
        for info, raw in content:
            tar.addfile(info, io.BytesIO(raw))


def named(info, name, **more):
    info.name = name
    for key, value in more.items():
        setattr(info, key, value)
    return info


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda all: all[:-1], "without"),
        (lambda all: all[1:], "must hold `manifest.json`"),
        (lambda all: [*all, all[-1]], "each once"),
        (lambda all: [*all, (named(all[1][0], "../x"), all[1][1])], "'../x'"),
        (lambda all: [*all, (named(all[1][0], "/tmp/x"), all[1][1])], "/tmp/x"),
        (
            lambda all: [
                all[0],
                (named(all[1][0], all[1][0].name, type=tarfile.SYMTYPE,
                       linkname="/etc/passwd", size=0), b""),
            ],
            "no regular file",
        ),
        (
            lambda all: [
                all[0], (all[1][0], bytes(len(all[1][1]))), *all[2:]
            ],
            "not the file that was written",
        ),
    ],
)  # fmt: skip
def test_an_archive_that_is_not_ours_leaves_nothing(
    place, tmp_path, change, message
):
    archive = tmp_path / "kept.tar"
    backup_data(place / "a", archive)
    rewrite(archive, change(members(archive)))
    with pytest.raises(ValueError, match=message):
        restore_data(archive, tmp_path / "back")
    assert [path.name for path in tmp_path.iterdir()] == ["kept.tar"]


@pytest.mark.parametrize("suffix", [".tar", ".tar.gz", ".tar.xz"])
def test_a_cut_archive_is_refused(place, tmp_path, suffix):
    archive = tmp_path / f"kept{suffix}"
    backup_data(place / "a", archive)
    raw = archive.read_bytes()
    archive.write_bytes(raw[: len(raw) // 2])
    assert main(["data", "restore", str(archive), str(tmp_path / "x")]) == 2
    assert [path.name for path in tmp_path.iterdir()] == [archive.name]


@pytest.mark.parametrize("folder", ["a", "packed"])
def test_a_sample_is_read_by_its_id(place, folder):
    samples = Samples(place / folder)
    for index in range(20):
        found = samples[f"s{index}"]
        assert found["x"]["image"].tolist() == np.full(
            (4, 4, 1), 10 * index
        ).tolist()  # fmt: skip
        assert found["x"]["table"].tolist() == [index]
        assert found["y"]["color"] == index % 2
        assert found["weights"]["color"] == 1
        assert found["split"] in ("train", "validation", "test")


def test_a_sample_that_is_not_there_is_told(place):
    with pytest.raises(ValueError, match="Did you mean `s1"):
        read_sample(place / "a", "s1_")
    with pytest.raises(ValueError, match="quarantine.csv"):
        read_sample(place / "b", "s5")


def test_packed_shards_hold_the_same_and_less(place):
    found = diff_data(place / "a", place / "packed")
    assert found["spec"] == {"data.compression": ["none", "gzip"]}
    assert found["changed"] == {} and found["statistics"] == {}
    sizes = [
        sum(path.stat().st_size for path in (place / name).glob("*.tfrecord"))
        for name in ("a", "packed")
    ]
    assert sizes[1] < sizes[0] / 3
