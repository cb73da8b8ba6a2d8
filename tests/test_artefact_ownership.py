"""Whose a folder is, what replaces what, and who may write."""

import errno
import json
import os
import signal
import subprocess
import sys
import threading

import pytest

from mmkeras import artefact, stopping

HOLD = """
import sys
from mmkeras import artefact, stopping
with artefact.lock(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.readline()
"""


def content(folder):
    return {
        str(p.relative_to(folder)): p.read_bytes()
        for p in sorted(folder.rglob("*"))
        if p.is_file()
    }


def listed(folder):
    return sorted(set(os.listdir(folder)) - {artefact.MARKER})


def write(out, text="new", names=("a.txt", "b.txt"), kind="run"):
    with artefact.replacing(out, kind, names) as new:
        for name in names:
            artefact.write_text(new / name, text)
        artefact.write_manifest(new, kind, list(names))


def test_new_content_takes_the_place_of_the_old(tmp_path):
    out = tmp_path / "deep" / "out"
    write(out)
    assert listed(out) == ["a.txt", "b.txt", "manifest.json"]
    (out / "mine.txt").write_text("mine")
    write(out, "newer", ["b.txt", "c.txt"])
    artefact.read_manifest(out, "run")
    assert listed(out) == ["b.txt", "c.txt", "manifest.json", "mine.txt"]
    assert (out / "b.txt").read_text() == "newer"


def test_a_torn_manifest_blocks_nobody(tmp_path):
    write(tmp_path)
    path = tmp_path / "manifest.json"
    path.write_text(path.read_text()[:40])
    write(tmp_path, "newer")
    artefact.read_manifest(tmp_path, "run")


@pytest.mark.parametrize("new", [True, False])
def test_a_body_that_fails_changes_nothing(tmp_path, new):
    out = tmp_path / "made" / "out"
    if not new:
        write(out, "old")
        (out / "mine").write_text("mine")
    before = content(tmp_path)
    with pytest.raises(OSError, match="no"):
        with artefact.replacing(out, "run", ["a.txt"]) as stage:
            artefact.write_text(stage / "a.txt", "half")
            raise OSError("no")
    assert content(tmp_path) == before
    assert (tmp_path / "made").exists() != new


@pytest.mark.parametrize("moment", range(1, 6))
def test_a_swap_that_fails_puts_the_old_back(tmp_path, monkeypatch, moment):
    write(tmp_path, "old", ["a.txt", "b.txt", "gone.txt"])
    before, replace, calls = content(tmp_path), os.replace, []

    def fails(source, place):
        # The rollback works again.
        if os.path.dirname(source) in (
            str(tmp_path), str(tmp_path / ".partial"),
        ) and "tmp" not in os.path.basename(source):  # fmt: skip
            calls.append(source)
            if len(calls) == moment:
                raise OSError(errno.EIO, os.strerror(errno.EIO))
        return replace(source, place)

    monkeypatch.setattr(os, "replace", fails)
    with pytest.raises(OSError, match=os.strerror(errno.EIO)):
        write(tmp_path, "new")
    monkeypatch.undo()
    left = content(tmp_path)
    assert {n: left[n] for n in before} == before
    artefact.read_manifest(tmp_path, "run")


STOPPED = """
import os, sys
from mmkeras import artefact, stopping
staging = artefact.staging
out, moment = sys.argv[1], int(sys.argv[2])
calls, move = [], os.replace
def dying(source, place):
    if staging.is_moving(staging.Path(out)):
        calls.append(source)
        if len(calls) == moment:
            os._exit(9)
    move(source, place)
staging.os = type("os", (), {**vars(os), "replace": staticmethod(dying)})
with artefact.replacing(out, "run", ["a.txt", "b.txt"]) as new:
    artefact.write_text(new / "a.txt", "new")
    artefact.write_text(new / "b.txt", "new")
    artefact.write_manifest(new, "run", ["a.txt", "b.txt"])
"""


@pytest.mark.parametrize("moment", range(1, 7))
def test_a_swap_that_was_killed_is_ended_by_the_next(tmp_path, moment):
    write(tmp_path, "old", ["a.txt", "b.txt", "gone.txt"])
    done = subprocess.run(
        [sys.executable, "-c", STOPPED, tmp_path, str(moment)]
    )
    assert done.returncode == 9
    with artefact.open_out(tmp_path, "run"):
        pass
    found = artefact.read_manifest(tmp_path, "run")
    assert sorted(found["files"]) == ["a.txt", "b.txt"]
    assert (tmp_path / "a.txt").read_text() == "new"
    assert not (tmp_path / "gone.txt").exists()
    assert not (tmp_path / ".partial").exists()


@pytest.mark.parametrize(
    "names", [["notes.txt"], ["a.txt"], ["manifest.json"], ["deep/x"]]
)
def test_a_foreign_folder_is_refused_and_named(tmp_path, names):
    for name in names:
        path = tmp_path / "out" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text('{"name": "app"}')
    before = content(tmp_path)
    with pytest.raises(ValueError, match=f"out.*holds {names[0][:4]}"):
        write(tmp_path / "out")
    assert content(tmp_path) == before


def test_a_marker_that_was_half_written_blocks_nobody(tmp_path):
    (tmp_path / f".tmp-77-{artefact.MARKER}").write_text("{")
    write(tmp_path)
    artefact.read_manifest(tmp_path, "run")
    assert listed(tmp_path) == ["a.txt", "b.txt", "manifest.json"]


def test_a_foreign_file_in_a_folder_of_ours_stays(tmp_path):
    write(tmp_path, names=["a.txt"])
    (tmp_path / "b.txt").write_text("mine")
    before = content(tmp_path)
    with pytest.raises(ValueError, match=r"b\.txt.*did not write"):
        write(tmp_path)
    assert content(tmp_path) == before
    assert not artefact.clear(tmp_path, "index")
    assert content(tmp_path) == before
    assert not artefact.clear(tmp_path, "run")
    assert listed(tmp_path) == ["b.txt"]
    # It is ours still.
    assert artefact.kind_of(tmp_path) == "run"


def test_a_manifest_cannot_name_what_lies_elsewhere(tmp_path):
    out = tmp_path / "out"
    write(out)
    (tmp_path / "secret").write_text("mine")
    manifest = json.loads((out / "manifest.json").read_text())
    for name in ("../secret", str(tmp_path / "secret")):
        manifest["files"][name] = {"bytes": 4, "sha256": ""}
    (out / "manifest.json").write_text(json.dumps(manifest))
    assert artefact.clear(out)
    assert (tmp_path / "secret").read_text() == "mine"


def test_a_link_to_a_folder_is_filled_and_others_are_refused(tmp_path):
    target, link = tmp_path / "target", tmp_path / "link"
    target.mkdir()
    link.symlink_to(target)
    write(link)
    assert link.is_symlink() and (target / "a.txt").read_text() == "new"
    assert not artefact.clear(link) and link.is_symlink()
    target.rmdir()
    with pytest.raises(ValueError, match="a link to"):
        write(link)
    file = tmp_path / "file"
    file.write_text("mine")
    link.unlink()
    link.symlink_to(file)
    with pytest.raises(ValueError, match="a link to"):
        write(link)
    assert file.read_text() == "mine"


def test_a_link_in_the_place_of_a_file_is_not_replaced(tmp_path):
    write(tmp_path / "out")
    (tmp_path / "mine").write_text("mine")
    (tmp_path / "out" / "a.txt").unlink()
    (tmp_path / "out" / "a.txt").symlink_to(tmp_path / "mine")
    with pytest.raises(ValueError, match="a link, which would be replaced"):
        write(tmp_path / "out")
    assert (tmp_path / "mine").read_text() == "mine"
    assert (tmp_path / "out" / "a.txt").is_symlink()


def test_a_second_process_is_told_who_writes(tmp_path):
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, tmp_path],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as holder:  # fmt: skip
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(artefact.Held, match=f"process {holder.pid} on "):
            with artefact.lock(tmp_path):
                pass
        holder.kill()
        holder.wait()
    # Its note is still there, and it holds nothing any more.
    assert (tmp_path / artefact.LOCK).exists()
    with artefact.lock(tmp_path), artefact.lock(tmp_path):
        pass
    assert not (tmp_path / artefact.LOCK).exists()


def test_a_second_thread_is_told_too(tmp_path):
    found = []

    def other():
        try:
            with artefact.lock(tmp_path):
                found.append("held")
        except artefact.Held as error:
            found.append(str(error))

    with artefact.lock(tmp_path):
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
    assert len(found) == 1 and f"process {os.getpid()}" in found[0]


def lock_note(folder, **changes):
    note = {**artefact.this_process(), **changes}
    (folder / artefact.LOCK).write_text(json.dumps(note))


DEAD = {"pid": 2**22 + 1}
OTHER_START = {"started": 1}
REBOOTED = {"boot": "another", "pid": 1}
CONTAINER = {"namespace": "pid:[1]", "pid": 1}
ELSEWHERE = {"host": "elsewhere", "boot": "another", "pid": 1}


@pytest.mark.parametrize("changes, works, shared, held", [
    (DEAD, True, False, False),
    (OTHER_START, True, True, False),
    # The lock of the file system tells, whatever the process ids.
    (CONTAINER, True, True, False),
    (ELSEWHERE, True, False, False),
    # Where it does not reach, the note does.
    (ELSEWHERE, True, True, True),
    (REBOOTED, True, True, False),
    (DEAD, False, True, False),
    (OTHER_START, False, True, False),
    (REBOOTED, False, True, False),
    (CONTAINER, False, True, True),
    (ELSEWHERE, False, True, True),
])  # fmt: skip
def test_stale_locks_are_told_from_others(
    tmp_path, monkeypatch, changes, works, shared, held
):
    monkeypatch.setattr(artefact.locks, "_is_shared", lambda _: shared)
    if not works:
        monkeypatch.setattr(artefact.locks, "_try", lambda *_: False)
    lock_note(tmp_path, **changes)
    if held:
        with pytest.raises(artefact.Held, match="if it is gone, remove"):
            with artefact.lock(tmp_path):
                pass
        assert (tmp_path / artefact.LOCK).exists()
        return
    with artefact.lock(tmp_path):
        note = json.loads((tmp_path / artefact.LOCK).read_text())
        assert note["pid"] == os.getpid()


def test_a_signal_while_a_folder_is_locked_leaves_no_file(
    tmp_path, monkeypatch
):
    """As soon as the file is there: a stop asked for then still comes."""
    done = os.ftruncate

    def stop(descriptor, size):
        done(descriptor, size)
        signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(os, "ftruncate", stop)
    with stopping.watching(), pytest.raises(stopping.Stopped):
        with artefact.lock(tmp_path):
            raise AssertionError("the stop was lost")
    assert os.listdir(tmp_path) == []
    monkeypatch.undo()
    with artefact.lock(tmp_path):
        assert os.listdir(tmp_path)


def test_a_file_that_is_no_lock_of_ours_stays(tmp_path):
    (tmp_path / artefact.LOCK).write_text("mine")
    with pytest.raises(ValueError, match="must be the lock file of mmkeras"):
        with artefact.lock(tmp_path):
            pass
    assert (tmp_path / artefact.LOCK).read_text() == "mine"


def test_scratch_of_dead_processes_is_cleared_and_nothing_else(tmp_path):
    code = (
        "import os, pathlib; from mmkeras import artefact\n"
        f"with artefact.scratch(pathlib.Path({str(tmp_path)!r})) as folder:\n"
        "    (folder / 'x').write_text('x'); os._exit(9)"
    )
    subprocess.run([sys.executable, "-c", code], check=False)
    (left,) = tmp_path.iterdir()
    other = tmp_path / ".tmp-mmkeras-1-notes"
    other.mkdir()
    (other / "mine").write_text("mine")
    with artefact.scratch(tmp_path) as mine:
        assert not left.exists() and mine.is_dir()
        with artefact.scratch(tmp_path):
            assert mine.is_dir()
    assert os.listdir(tmp_path) == [other.name]


def test_a_manifest_of_somebody_else_stays_in_a_folder_of_ours(tmp_path):
    """As of a web app: only the marker says that the folder is ours."""
    out = tmp_path / "out"
    artefact.claim(out, "run", ["model.keras"])
    marker = out / artefact.MARKER
    marker.write_text('{"kind": "run", "files": ["model.keras"]}')
    theirs = out / "manifest.json"
    theirs.write_text('{"name": "app"}')
    with pytest.raises(ValueError, match="manifest.json` must be a file of"):
        artefact.claim(out, "run", ["model.keras"])
    artefact.clear(out)
    assert theirs.read_text() == '{"name": "app"}'
