"""Faults 11, 26, 33 and 39: folders that hold what is not ours."""

import contextlib
import json
import os
import resource
import string
from pathlib import Path

from faults.fuzz import fault

from mmkeras import artefact

OURS = ["model.keras", "history.csv", "deep/x.txt"]
# Names that a program might take for its own.
TEMPTING = [
    *OURS, "manifest.json", artefact.MARKER, artefact.LOCK, "notes.txt",
    ".partial/notes.txt", ".partial/model.keras", ".partial/manifest.json",
    ".tmp-12-thesis.txt", ".tmp-x-model.keras", ".tmp-mmkeras-12-x/mine",
    "old/model.keras",
    "checkpoints/best.pt", "stages/1-mine/model.keras", ".hashes.json",
]  # fmt: skip
TEXTS = [
    "mine", "", "{", "[]", '{"kind": "run"}', '{"files": {}}', "null",
    '{"kind": "app", "files": []}', '{"kind": 3, "files": ["notes.txt"]}',
]  # fmt: skip


def content(folder: Path) -> dict[str, str]:
    """What is where: bytes of files, and where links lead."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_symlink():
            found[name] = f"-> {os.readlink(path)}"
        elif path.is_file():
            found[name] = path.read_bytes().decode("latin-1")
    return found


def write(out: Path, text: str, names=("model.keras", "history.csv")) -> None:
    with artefact.replacing(out, "run", names) as new:
        for name in names:
            artefact.write_text(new / name, text)
        artefact.write_manifest(new, "run", list(names))


def strangers(draw):
    """Foreign files, some of them links, with or without a run of ours."""
    names = draw.sample(TEMPTING, draw.randint(1, 6))
    names += ["".join(draw.choices(string.printable[:62] + " ._-", k=6))]
    kinds = [draw.choice(["file"] * 5 + ["link", "folder"]) for _ in names]
    texts = [draw.choice(TEXTS) for _ in names]
    acts = draw.choices(["write", "fail", "clear", "sweep", "other"], k=3)
    return draw.random() < 0.6, list(zip(names, kinds, texts)), acts


def nothing_of_theirs_changes(case, folder):
    with_run, theirs, acts = case
    out = folder / "out"
    out.mkdir()
    (folder / "elsewhere").write_text("elsewhere")
    if with_run:
        write(out, "old")
    ours = set(content(out))
    for name, kind, text in theirs:
        path = out / name.strip("/")
        if os.path.lexists(path) or name.strip(". ") == "":
            continue
        with contextlib.suppress(FileExistsError, NotADirectoryError):
            path.parent.mkdir(parents=True, exist_ok=True)
            if kind == "link":
                path.symlink_to(folder / "elsewhere")
            elif kind == "folder":
                path.mkdir()
                (path / "mine").write_text(text)
            else:
                path.write_text(text)
    before = {n: c for n, c in content(folder).items()
              if n.removeprefix("out/") not in ours}  # fmt: skip
    for act in acts:
        with contextlib.suppress(ValueError, OSError):
            if act == "write":
                write(out, "new")
            elif act == "other":
                write(out, "other", ["history.csv", "notes.txt"])
            elif act == "clear":
                artefact.clear(out)
            elif act == "sweep":
                artefact.sweep(out)
            else:
                with artefact.replacing(out, "run", ["model.keras"]) as new:
                    artefact.write_text(new / "model.keras", "half")
                    raise OSError("the disk is full")
    after = content(folder)
    changed = {n: c for n, c in before.items() if after.get(n) != c}
    # What lies under a name that we write always, in a folder of ours.
    always = {f"out/{n}" for n in (artefact.LOCK, ".hashes.json")}
    assert not {*changed} - always, changed


def notes(draw):
    """A lock file, as a process or a stranger may have left it."""
    note = dict(artefact.this_process())
    for _ in range(draw.randint(1, 3)):
        key = draw.choice([*note])
        value = draw.choice([None, 0, -1, 1, 2**40, "x", [], {}, True, 1.5])
        if draw.random() < 0.3:
            note.pop(key)
        else:
            note[key] = value
        if not note:
            break
    raw = json.dumps(note).encode()
    if draw.random() < 0.3:
        raw = raw[: draw.randrange(len(raw))]
    if draw.random() < 0.2:
        raw = draw.randbytes(draw.randrange(200))
    return raw


def a_lock_is_taken_or_refused_in_one_message(raw, folder):
    path = folder / artefact.LOCK
    path.write_bytes(raw)
    try:
        with artefact.lock(folder):
            assert json.loads(path.read_text())["pid"] == os.getpid()
        assert not path.exists()
    except ValueError as error:
        assert str(folder) in str(error) and "\n" not in str(error)
        assert path.read_bytes() == raw


def limits(draw):
    """The largest file that the disk takes, and sizes of old and new."""
    return draw.randrange(20, 6000), draw.randrange(5000), draw.randrange(5000)


def old_content_stays_where_new_does_not_fit(case, folder):
    limit, old, new = case
    out = folder / "out"
    write(out, "o" * old)
    before = content(out)
    known = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, known[1]))
    try:
        write(out, "n" * new)
    except OSError as error:
        text = str(error)
        assert str(out) in text and "bytes needed" in text, text
        assert "bytes available" in text
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, known)
    found = artefact.read_manifest(out, "run")
    text = (out / "model.keras").read_text()
    assert text == "n" * new or content(out) == before
    assert (out / "history.csv").read_text() == text and found["files"]


def links(draw):
    """Where OUT, or something in it, is a link to."""
    where = draw.choice(["out", "out/model.keras", "out/.partial", "parent"])
    return where, draw.choice(["folder", "file", "nowhere", "itself", "full"])


def a_link_stays_a_link(case, folder):
    where, to = case
    target = folder / "target"
    if to in ("folder", "full"):
        target.mkdir()
    if to == "full":
        (target / "mine").write_text("mine")
    if to == "file":
        target.write_text("mine")
    link = folder / (where if where != "parent" else "above")
    link.parent.mkdir(exist_ok=True)
    if where in ("out/model.keras", "out/.partial"):
        link.parent.rmdir()
        write(folder / "out", "old")
        (folder / where).unlink(missing_ok=True)
    link.symlink_to(link if to == "itself" else target)
    before = content(folder)
    out = folder / "above" / "out" if where == "parent" else folder / "out"
    with contextlib.suppress(ValueError, OSError):
        write(out, "new")
        assert (out / "model.keras").read_text() == "new"
    assert link.is_symlink() and os.readlink(link) == (
        str(link) if to == "itself" else str(target)
    )
    after = content(folder)
    theirs = {n: c for n, c in before.items() if not n.startswith("out/")}
    assert {n: after.get(n) for n in theirs} == theirs


fault(11, limits, old_content_stays_where_new_does_not_fit, tries=400)
fault(26, strangers, nothing_of_theirs_changes, tries=1000)
fault(33, notes, a_lock_is_taken_or_refused_in_one_message, tries=1000)
fault(39, links, a_link_stays_a_link, tries=200)
