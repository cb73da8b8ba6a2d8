"""Fault 20: no path of a manifest leaves the root, hangs or blows up."""

import os
import socket
import time

import pytest
from data.data_toys import make_spec, read_rows, write_rows, write_set

from mmkeras.data import BadSample, open_inside, prepare, read_inside
from mmkeras.data.files import MAX_FOLDERS, Folders


@pytest.fixture
def root(tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.png").write_bytes(b"secret")
    root = tmp_path / "root"
    write_set(root, 40)
    (root / "folder.png").mkdir()
    os.mkfifo(root / "fifo.png")
    os.symlink(outside / "secret.png", root / "link.png")
    os.symlink(outside, root / "linked")
    os.symlink("/dev/zero", root / "zero.png")
    os.symlink("loop.png", root / "loop.png")
    with open(root / "huge.png", "wb") as file:
        file.truncate(10 * 2**30)  # a hole: it takes no space
    with socket.socket(socket.AF_UNIX) as server:
        # A socket's whole path may have 108 characters only.
        here = os.open(root, os.O_RDONLY)
        server.bind(f"/proc/self/fd/{here}/socket.png")
        os.close(here)
    return root


def cases(root) -> list[tuple[str, str]]:
    return [
        (str(root.parent / "outside" / "secret.png"), "path_invalid"),
        ("/dev/zero", "path_invalid"),
        ("../outside/secret.png", "path_outside"),
        ("folder.png/../../outside/secret.png", "path_outside"),
        ("..\\outside\\secret.png", "path_outside"),
        ("C:\\secret.png", "path_invalid"),
        ("link.png", "path_outside"),
        ("linked/secret.png", "path_outside"),
        ("zero.png", "path_outside"),
        ("fifo.png", "not_a_file"),
        ("socket.png", "not_a_file"),
        ("folder.png", "not_a_file"),
        ("0.png/inner.png", "not_a_file"),
        (".", "not_a_file"),
        ("loop.png", "not_a_file"),
        ("http://localhost/0.png", "path_invalid"),
        ("file:///etc/passwd", "path_invalid"),
        ("0\0.png", "path_invalid"),
        ("x" * 5000, "path_invalid"),
        ("x" * 300, "path_invalid"),
        ("huge.png", "too_large"),
        ("nowhere.png", "not_found"),
    ]


def test_each_path_is_refused_with_a_reason_at_once(root, monkeypatch):
    opened = []
    real = os.open

    def watch(path, *arguments, dir_fd=None):
        opened.append((path, dir_fd))
        return real(path, *arguments, dir_fd=dir_fd)

    monkeypatch.setattr(os, "open", watch)
    started = time.monotonic()
    for path, reason in cases(root):
        with pytest.raises(BadSample) as caught:
            read_inside(root, path)
        assert caught.value.reason == reason, path
    assert time.monotonic() - started < 2
    # Nothing but the root itself, and single names inside it, was opened.
    for path, folder in opened:
        assert path == os.path.realpath(root) or (
            folder is not None and "/" not in path
        )


def test_a_link_put_there_in_between_is_not_followed(root, monkeypatch):
    monkeypatch.setattr(os.path, "realpath", os.path.abspath)
    for path in ("link.png", "linked/secret.png", "zero.png"):
        with pytest.raises(BadSample):
            open_inside(root, path)


def test_no_descriptor_is_left_open(root):
    before = len(os.listdir("/proc/self/fd"))
    for path, _ in cases(root):
        with pytest.raises(BadSample):
            read_inside(root, path)
    assert len(os.listdir("/proc/self/fd")) == before


def test_folders_that_stay_open_refuse_the_same(root):
    with Folders() as folders:
        for path, reason in cases(root):
            with pytest.raises(BadSample) as caught:
                read_inside(root, path, folders)
            assert caught.value.reason == reason, path


def test_a_folder_replaced_by_a_link_leads_nowhere(root):
    inside = root / "inside"
    inside.mkdir()
    (inside / "0.png").write_bytes(b"right")
    with Folders() as folders:
        assert read_inside(root, "inside/0.png", folders) == b"right"
        os.rename(inside, root / "moved")
        os.symlink(root.parent / "outside", inside)
        with pytest.raises(BadSample, match="path_outside"):
            read_inside(root, "inside/secret.png", folders)
        # Another folder of the name is read where the first lacks the file.
        inside.unlink()
        inside.mkdir()
        (inside / "1.png").write_bytes(b"new")
        assert read_inside(root, "inside/1.png", folders) == b"new"


def test_few_folders_stay_open(root):
    before = len(os.listdir("/proc/self/fd"))
    with Folders() as folders:
        for number in range(2 * MAX_FOLDERS):
            folder = root / f"many{number}"
            folder.mkdir()
            (folder / "0.png").write_bytes(b"%d" % number)
            found = read_inside(root, f"many{number}/0.png", folders)
            assert found == b"%d" % number
        kept = len(os.listdir("/proc/self/fd")) - before
        assert kept == MAX_FOLDERS
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes devices")
def test_a_device_inside_the_root_is_refused(root):
    try:
        os.mknod(root / "device.png", 0o20666, os.makedev(1, 5))
    except PermissionError:
        pytest.skip("this container makes no devices")
    with pytest.raises(BadSample, match="not_a_file|unreadable"):
        read_inside(root, "device.png")


def test_prepare_rejects_the_rows_and_goes_on(root, tmp_path):
    rows = read_rows(root)
    hostile = cases(root)
    for row, (path, _) in zip(rows, hostile, strict=False):
        row["image"] = path
    write_rows(root, rows)
    spec = make_spec(root, data__max_bad_fraction=0.6)
    started = time.monotonic()
    found = prepare(spec, tmp_path / "out")
    assert time.monotonic() - started < 20
    assert sum(found["quarantined"].values()) == len(hostile)
    reasons = [reason for _, reason in hostile]
    assert found["quarantined"] == {r: reasons.count(r) for r in set(reasons)}
