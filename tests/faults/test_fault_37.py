"""Fault 37: a power cut after a rename; the folder is on the disk too."""

import os

import pytest

from mmkeras import artefact


@pytest.fixture
def seen(monkeypatch):
    """What was renamed and what was synced, in order, by real path."""
    seen, replace, link, sync = [], os.replace, os.link, os.fsync

    def replacing(source, place):
        replace(source, place)
        seen.append(("renamed", os.path.realpath(place)))

    def linking(source, place):
        link(source, place)
        seen.append(("renamed", os.path.realpath(place)))

    def syncing(number):
        sync(number)
        seen.append(("synced", os.readlink(f"/proc/self/fd/{number}")))

    monkeypatch.setattr(os, "replace", replacing)
    monkeypatch.setattr(os, "link", linking)
    monkeypatch.setattr(os, "fsync", syncing)
    return seen


def one_file(out):
    artefact.write_text(out / "a.txt", "a")


def a_new_file(out):
    with artefact.new_file(out / "a.csv") as temporary:
        temporary.write_text("a")


def a_whole_folder(out):
    for text in ("old", "new"):
        with artefact.replacing(out / "run", "run", ["a.txt"]) as new:
            artefact.write_text(new / "a.txt", text)
            artefact.write_manifest(new, "run", ["a.txt"])


@pytest.mark.parametrize("write", [one_file, a_new_file, a_whole_folder])
def test_names_are_synced_after_every_rename(tmp_path, seen, write):
    write(tmp_path)
    final = [
        (number, path)
        for number, (what, path) in enumerate(seen)
        if what == "renamed" and ".partial" not in path
    ]
    assert final
    for number, path in final:
        later = [path for what, path in seen[number:] if what == "synced"]
        assert os.path.dirname(path) in later, path


def test_a_new_folder_is_synced_where_it_lies(tmp_path, seen):
    artefact.make_folder(tmp_path / "one" / "two")
    synced = [path for what, path in seen if what == "synced"]
    assert synced == [str(tmp_path), str(tmp_path / "one")]
