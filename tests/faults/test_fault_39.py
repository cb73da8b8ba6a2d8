"""Fault 39: OUT is a link: its target is filled, and it stays a link."""

import pytest
from data.data_toys import make_spec, write_set

from mmkeras import artefact
from mmkeras.data import backup_data, prepare, restore_data, write_demo


@pytest.fixture
def link(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "out").symlink_to(tmp_path / "disk")
    yield tmp_path / "out"
    assert (tmp_path / "out").is_symlink()


@pytest.fixture
def spec(tmp_path):
    write_set(tmp_path / "root", 12)
    return make_spec(tmp_path / "root")


def test_prepare_fills_the_target(link, spec):
    for restart in (False, True):
        prepare(spec, link, workers=1, restart=restart)
        artefact.read_manifest(link.parent / "disk", "data")


def test_restore_fills_the_target(link, spec, tmp_path):
    prepare(spec, tmp_path / "data", workers=1)
    backup_data(tmp_path / "data", tmp_path / "data.tar")
    restore_data(tmp_path / "data.tar", link)
    artefact.read_manifest(tmp_path / "disk", "data")


def test_the_demo_fills_the_target(link):
    write_demo(link, samples=100)
    assert (link.parent / "disk" / "demo.toml").is_file()


@pytest.mark.parametrize("to", ["nowhere", "file"])
def test_a_link_to_no_folder_is_refused(spec, tmp_path, to):
    (tmp_path / "file").write_text("mine")
    (tmp_path / "out").symlink_to(tmp_path / to)
    with pytest.raises(ValueError, match="out.*, a link to "):
        prepare(spec, tmp_path / "out", workers=1)
    assert (tmp_path / "out").is_symlink()
    assert (tmp_path / "file").read_text() == "mine"
    assert not (tmp_path / "nowhere").exists()
