"""Files are whole or absent, and the manifest notices every change."""

import errno
import json
import os
import re
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from mmkeras import artefact


def make(folder):
    (folder / "a.bin").write_bytes(b"abc")
    (folder / "b.bin").write_bytes(b"defg")
    return artefact.write_manifest(
        folder, "run", ["b.bin", "a.bin"], spec={"x": 1}
    )


def test_a_file_appears_whole_or_not_at_all(tmp_path):
    path = tmp_path / "labels.json"
    path.write_text("old")
    with pytest.raises(RuntimeError):
        with artefact.atomic(path) as temporary:
            temporary.write_text("half of the n")
            raise RuntimeError("power cut")
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["labels.json"]


def test_the_temporary_name_keeps_the_suffix(tmp_path):
    with artefact.atomic(tmp_path / "model.keras") as temporary:
        assert temporary.suffix == ".keras"
        temporary.write_bytes(b"")


def test_nan_never_reaches_a_json_file(tmp_path):
    with pytest.raises(ValueError, match="[Oo]ut of range"):
        artefact.write_json(tmp_path / "x.json", {"loss": float("nan")})
    assert not list(tmp_path.iterdir())


def test_a_manifest_lists_bytes_and_sha256(tmp_path):
    manifest = make(tmp_path)
    assert list(manifest["files"]) == ["a.bin", "b.bin"]
    assert manifest["files"]["a.bin"] == {
        "bytes": 3,
        "sha256": "ba7816bf8f01cfea414140de5dae2223"
        "b00361a396177a9cb410ff61f20015ad",
    }
    assert artefact.read_manifest(tmp_path, "run") == manifest


def touch(path):
    os.utime(path, ns=(1, 1))


@pytest.mark.parametrize(
    "change",
    [
        lambda path: path.write_bytes(b"abcd"),
        touch,
        lambda path: path.rename(path.with_name("c")).rename(path),
    ],
)
def test_a_hash_is_taken_over_while_size_and_times_are_the_same(
    tmp_path, change
):
    path = tmp_path / "a.bin"
    path.write_bytes(b"abc")
    time.sleep(0.02)  # a tick of the clock
    hashed = {"a.bin": (artefact.file_stamp(path), "as told")}
    found = artefact.describe_files(tmp_path, ["a.bin"], hashed)
    assert found == {"a.bin": {"bytes": 3, "sha256": "as told"}}
    change(path)
    found = artefact.describe_files(tmp_path, ["a.bin"], hashed)
    assert found == artefact.describe_files(tmp_path, ["a.bin"])


@pytest.mark.parametrize(
    "damage, message",
    [
        (lambda d: (d / "a.bin").write_bytes(b"abd"), "a.bin.*sha256"),
        (lambda d: (d / "a.bin").write_bytes(b"ab"), "a.bin.*3 bytes.*2 bytes"),
        (lambda d: (d / "a.bin").unlink(), "a.bin.*nothing there"),
        (
            lambda d: [
                (d / "a.bin").unlink(),
                (d / "a.bin").symlink_to(d / "b.bin"),
            ],
            "a.bin.*a link",
        ),
        (lambda d: (d / "manifest.json").unlink(), "written last"),
        (lambda d: (d / "manifest.json").write_text("{"), "JSONDecodeError"),
        (lambda d: (d / "manifest.json").write_text("[]"), "a table.*list"),
    ],
    ids=["flip", "cut", "gone", "link", "none", "torn", "list"],
)
def test_every_damage_is_named(tmp_path, damage, message):
    make(tmp_path)
    damage(tmp_path)
    with pytest.raises(ValueError, match=f"(?s){message}"):
        artefact.read_manifest(tmp_path, "run")


def test_another_kind_is_refused(tmp_path):
    make(tmp_path)
    with pytest.raises(ValueError, match="of kind 'bundle'.*kind 'run'"):
        artefact.read_manifest(tmp_path, "bundle")


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd"])
def test_a_manifest_cannot_point_outside(tmp_path, name):
    make(tmp_path)
    path = tmp_path / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["files"] = {name: {"bytes": 0, "sha256": "0" * 64}}
    artefact.write_hashed(path, manifest)
    with pytest.raises(ValueError, match="stay inside the folder"):
        artefact.read_manifest(tmp_path, "run")


def test_what_lies_in_a_folder_may_only_be_replaced_by_its_like(tmp_path):
    artefact.check_out(tmp_path / "new", "run", [tmp_path])
    artefact.write_manifest(tmp_path, "run", [])
    artefact.check_out(tmp_path, "run")
    with pytest.raises(ValueError, match="of kind 'index'.*of kind 'run'"):
        artefact.check_out(tmp_path, "index")
    with pytest.raises(ValueError, match="which is read for it"):
        artefact.check_out(tmp_path, "run", [tmp_path / "." / ""])
    artefact.write_manifest(tmp_path, "run", [], ensemble="soup")
    artefact.check_out(tmp_path, "ensemble")
    with pytest.raises(ValueError, match="of kind 'run'.*of kind 'ensemble'"):
        artefact.check_out(tmp_path, "run")
    # The manifest of a web page, say.
    (tmp_path / artefact.MANIFEST).write_text('{"name": "app"}')
    with pytest.raises(ValueError, match="without a manifest or marker"):
        artefact.check_out(tmp_path, "index")


def test_rows_become_csv_whatever_they_lack(tmp_path):
    path = tmp_path / "history.csv"
    artefact.write_csv(path, iter([{"epoch": 1}, {"epoch": 2, "loss": "a,b"}]))
    assert path.read_text() == 'epoch,loss\n1,\n2,"a,b"\n'
    artefact.write_csv(path, [{"a": "line\r\nbreak"}], start="\ufeff")
    # What steers a terminal is spelled out.
    assert path.read_bytes() == b"\xef\xbb\xbfa\nline\\r\\nbreak\n"


def test_files_are_copied_whole(tmp_path):
    artefact.write_bytes(tmp_path / "a.bin", b"abc")
    artefact.copy_file(tmp_path / "a.bin", tmp_path / "b.bin")
    assert (tmp_path / "b.bin").read_bytes() == b"abc"
    with pytest.raises(FileNotFoundError):
        artefact.copy_file(tmp_path / "none", tmp_path / "b.bin")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.bin", "b.bin"]


def test_the_folder_is_flushed_after_the_file_has_its_name(
    tmp_path, monkeypatch
):
    flushed = []
    monkeypatch.setattr("os.fsync", lambda number: flushed.append(
        (Path(f"/proc/self/fd/{number}").resolve(), (tmp_path / "x").exists())
    ))  # fmt: skip
    artefact.write_text(tmp_path / "x", "")
    (temporary, before), (folder, after) = flushed
    assert temporary.name.startswith(artefact.TEMPORARY) and not before
    assert folder == tmp_path and after


def test_too_little_room_is_told(tmp_path, monkeypatch):
    usage = SimpleNamespace(free=1000)
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage)
    out = tmp_path / "not" / "there"
    artefact.check_room(out, "the shards", 1000)
    with pytest.raises(OSError) as error:
        artefact.check_room(out, "the shards", 1001, "; make some")
    assert str(error.value) == (
        f"`{out}` must have room for the shards. Received: 1,001 bytes "
        "needed, 1,000 bytes available; make some"
    )
    with pytest.raises(OSError, match="^`run` must have room for the model"):
        with artefact.writing("run", "the model"):
            artefact.check_room(tmp_path, "a part of it", 1001)
    with pytest.raises(OSError, match="No space left.*1,000 bytes are free"):
        with artefact.writing(out, "the model"):
            raise OSError(errno.ENOSPC, "No space left on device")


def test_no_other_module_asks_for_room_or_names_temporary_files():
    package = Path(artefact.__file__).parents[1]
    for path in package.rglob("*.py"):
        if path.parent.name != "artefact":
            text = path.read_text(encoding="utf-8")
            for word in ("disk_usage", "statvfs", "fsync", "ENOSPC", '".tmp'):
                assert word not in text, path


# On a device, where files were compared with the manifest; tokenizers, whose
# library writes them; a pipe of ours.
OTHER_READERS = {
    "kinds/text/__init__.py", "kinds/vector/device.py",
    "kinds/written_text/device.py", "studies/tune/workers.py",
}  # fmt: skip


def test_files_of_ours_have_one_reader():
    package = Path(artefact.__file__).parents[1]
    reading = re.compile(r"json\.(load\(|loads\([^\n]*read_(text|bytes)\()")
    found = {
        str(path.relative_to(package))
        for path in package.rglob("*.py")
        if reading.search(path.read_text("utf-8"))
    }
    assert found == OTHER_READERS
