"""What changed in raw files is read again; the rest stays as it is."""

import os

import pandas as pd
import pytest
from data.change_toys import draw, spec_of, write

from mmkeras.artefact import MARKER
from mmkeras.data import check_folder, intact_records, prepare


@pytest.fixture
def toys(tmp_path, monkeypatch):
    """A prepared folder of shards of four samples, one file broken."""
    monkeypatch.setattr(
        "mmkeras.data.ingest.plan.samples_per_shard", lambda spec: 4
    )
    root, out = tmp_path / "raw", tmp_path / "out"
    write(root)
    (root / "3.png").write_bytes(b"broken")
    prepare(spec_of(root), out, workers=1)
    return root, out


def again(root, out, **more):
    return prepare(spec_of(root), out, workers=1, **more)


def stamps(folder):
    return {p.name: p.stat().st_mtime_ns for p in folder.iterdir()}


def samples(out):
    return b"".join(
        b"".join(intact_records(path)[0]) for path in out.glob("*.tfrecord")
    )


def test_a_repaired_file_comes_back_and_the_other_shards_stay(toys, capsys):
    root, out = toys
    assert b"s3" not in samples(out)
    before = stamps(out)
    draw(root / "3.png", 30)
    found = again(root, out)
    assert "1 of 20 source files changed" in (said := capsys.readouterr().err)
    assert "(3.png)" in said and "1 of 5 shards were made anew" in said
    assert found["quarantined"] == {}
    assert sum(part["count"] for part in found["splits"].values()) == 20
    assert b"s3" in samples(out)
    after = stamps(out)
    shards = [name for name in before if name.endswith(".tfrecord")]
    assert sum(before[name] != after[name] for name in shards) == 1
    assert not (out / ".partial").exists()
    # It is what a fresh folder would be.
    fresh = prepare(spec_of(root), out.with_name("fresh"), workers=1)
    assert fresh["splits"] == found["splits"]
    assert fresh["statistics"] == found["statistics"]
    again(root, out)
    assert "nothing to do" in capsys.readouterr().err
    assert stamps(out) == after


def test_a_replaced_picture_is_read_again_and_a_lost_one_left_out(toys):
    root, out = toys
    draw(root / "7.png", 255)
    (root / "8.png").unlink()
    found = again(root, out)
    assert found["quarantined"] == {"not_found": 1, "wrong_format": 1}
    assert bytes([255] * 16) in samples(out)
    assert "s8" in (out / "quarantine.csv").read_text()


def test_refused_data_leave_the_folder_as_it_was(toys):
    root, out = toys
    before = {p.name: p.read_bytes() for p in out.iterdir()}
    for index in range(10):
        (root / f"{index}.png").write_bytes(b"")
    with pytest.raises(ValueError, match="max_bad_fraction"):
        again(root, out)
    assert {p.name: p.read_bytes() for p in out.iterdir()} == before


@pytest.mark.parametrize("moves", [0, 1, 3])
def test_stopped_while_files_move_it_is_ended_by_the_next_run(
    toys, monkeypatch, moves
):
    root, out = toys
    draw(root / "3.png", 30)
    draw(root / "12.png", 3)
    replace, left = os.replace, [moves]

    def stop(source, target):
        if ".partial" in str(source) and ".partial" not in str(target):
            left[0] -= 1
            if left[0] < 0:
                raise KeyboardInterrupt
        replace(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", stop)
        with pytest.raises(KeyboardInterrupt):
            again(root, out)
    with pytest.raises(ValueError, match="the same command ends it"):
        check_folder(out)
    found = again(root, out)
    assert found["quarantined"] == {}
    assert not (out / ".partial").exists()
    fresh = prepare(spec_of(root), out.with_name("fresh"), workers=1)
    assert fresh["splits"] == found["splits"]
    check_folder(out)


def test_a_folder_without_notes_says_so_and_restart_reads_all(toys, capsys):
    root, out = toys
    from mmkeras.artefact import read_manifest, write_hashed

    manifest = read_manifest(out)
    del manifest["files"]["sources.json"]
    write_hashed(out / "manifest.json", manifest)
    (out / "sources.json").unlink()
    draw(root / "3.png", 30)
    assert again(root, out)["quarantined"] != {}
    said = capsys.readouterr().err
    assert "did not note its source files" in said and "--restart" in said
    assert again(root, out, restart=True)["quarantined"] == {}
    again(root, out)
    assert "nothing to do" in capsys.readouterr().err


def test_restart_replaces_data_of_another_spec_when_all_is_there(toys):
    root, out = toys
    spec = spec_of(root, max_bad_fraction=0.0)
    with pytest.raises(ValueError, match="replace it by `restart`"):
        prepare(spec, out, workers=1)
    with pytest.raises(ValueError, match="max_bad_fraction"):
        prepare(spec, out, workers=1, restart=True)
    again(root, out)
    rows = pd.read_csv(root / "manifest.csv").drop(3)[:8]
    rows.to_csv(root / "manifest.csv", index=False)
    found = prepare(spec, out, workers=1, restart=True)
    assert sum(part["count"] for part in found["splits"].values()) == 8
    names = {*found["files"], "manifest.json", MARKER}
    assert {path.name for path in out.iterdir()} == names
