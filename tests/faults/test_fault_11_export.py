"""A target that cannot be written: one line, and the older bundle stays."""

import errno
import os
import resource
from collections import namedtuple

import pytest
from export.export_toys import ready_files, toy_export, toy_run

from mmkeras import artefact
from mmkeras.export import main

Usage = namedtuple("Usage", "total used free")


@pytest.fixture(autouse=True)
def toy_data(monkeypatch):
    toy_export()
    monkeypatch.setattr(
        "mmkeras.runs.setup.load_data", lambda *a, **k: toy_run().data
    )
    monkeypatch.setattr("mmkeras.export.exporter.run_child", ready_files)


def run(out, *options):
    return main(
        [str(toy_run().run), "--out", str(out), "--samples", "20",
         "--max-drop", "0.2", *options]
    )  # fmt: skip


@pytest.fixture
def older(tmp_path):
    """A bundle that must survive, and what it was."""
    out = tmp_path / "bundle"
    assert run(out) == 0
    content = {p.name: p.read_bytes() for p in out.iterdir()}
    yield out
    assert {p.name: p.read_bytes() for p in out.iterdir()} == content
    artefact.read_manifest(out, "bundle")
    assert os.listdir(tmp_path) == ["bundle"]


def one_line(capsys, *parts):
    message = capsys.readouterr().err
    assert message.startswith("error: ") and message.count("\n") == 1
    for part in parts:
        assert str(part) in message


def test_too_little_room_is_told_before_writing(older, capsys, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda path: Usage(9, 9, 12345))
    assert run(older) == 2
    one_line(capsys, older, "bytes needed", "12,345 bytes available")


def test_a_disk_that_fills_up_while_writing(older, capsys, monkeypatch):
    def ready_then_full(request, report, debug, children):
        made = ready_files(request, report, debug)
        # A file system that takes no file above 20 kB, for root as well.
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
        return made

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    monkeypatch.setattr("mmkeras.export.exporter.run_child", ready_then_full)
    try:
        assert run(older) == 2
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    one_line(capsys, older, os.strerror(errno.EFBIG), "bytes are free there")


def test_a_target_that_is_read_only(older, capsys, monkeypatch):
    def refuse(*_args, **_options):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), "somewhere")

    # Permissions do not bind root, as which tests may run.
    monkeypatch.setattr("tempfile.mkdtemp", refuse)
    assert run(older) == 2
    one_line(capsys, older, "Read-only file system", "bytes are free there")


def test_a_swap_that_fails_puts_the_older_bundle_back(
    older, capsys, monkeypatch
):
    replace = os.replace

    def fails(source, place):
        if source.name == "card.json" and source.parent.name == ".partial":
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return replace(source, place)

    monkeypatch.setattr(os, "replace", fails)
    assert run(older) == 2
    one_line(capsys, older, os.strerror(errno.EIO))


def test_a_file_where_the_folder_should_be(tmp_path, capsys):
    (tmp_path / "file").write_text("mine")
    assert run(tmp_path / "file") == 2
    one_line(capsys, "--force", tmp_path / "file")
    assert run(tmp_path / "file" / "bundle") == 2
    one_line(capsys, "must lie in a folder that exists")
    assert (tmp_path / "file").read_text() == "mine"
    assert os.listdir(tmp_path) == ["file"]
