"""A study begun anew: the old one is whole until the new one is."""

import os

import pytest

from mmkeras import artefact
from mmkeras.studies import study

RUNS = 2


def make_of(text, stop_at=None):
    """Returns what makes a study of three runs, and counts what it made."""
    made = []

    def make(folder):
        with artefact.open_out(folder, "comparison"):
            for number in range(RUNS):
                if number == stop_at:
                    raise KeyboardInterrupt
                run = folder / "runs" / str(number)
                if not (run / "manifest.json").is_file():
                    written(run, "run", "model.txt", text)
                    made.append(number)
            written(folder, "comparison", "report.txt", text)
        return text

    make.made = made
    return make


def written(folder, kind, name, text):
    with artefact.replacing(folder, kind, [name]) as new:
        artefact.write_text(new / name, text)
        artefact.write_manifest(new, kind, [name])


def forget(folder):
    artefact.clear_inside(folder, "runs/*")


def call(out, make, restart=False):
    with artefact.open_out(out, "comparison"):
        return study(out, "comparison", make, forget, restart)


def said(out):
    """The texts of all runs and of the report."""
    places = [*(f"runs/{n}/model.txt" for n in range(RUNS)), "report.txt"]
    return {(out / place).read_text() for place in places}


def left(out):
    return {p.name for p in out.iterdir()} - {".mmkeras", artefact.MARKER}


def test_begun_anew_it_takes_the_place_of_the_old_one(tmp_path):
    out = tmp_path / "out"
    assert call(out, make_of("old"), restart=True) == "old"
    new = make_of("new")
    assert call(out, new) == "new" and new.made == []
    new = make_of("new")
    assert call(out, new, restart=True) == "new" and new.made == [0, 1]
    assert said(out) == {"new"}
    assert left(out) == {"runs", "report.txt", "manifest.json"}
    for run in (out / "runs").iterdir():
        artefact.read_manifest(run, "run")


def test_stopped_it_leaves_the_old_one_and_goes_on(tmp_path, capsys):
    out = tmp_path / "out"
    call(out, make_of("old"))
    with pytest.raises(KeyboardInterrupt):
        call(out, make_of("new", stop_at=1), restart=True)
    assert said(out) == {"old"}
    artefact.read_manifest(out, "comparison")
    rest = make_of("new")
    call(out, rest, restart=True)
    assert rest.made == [1] and said(out) == {"new"}
    assert f"goes on in {out / '.anew'}" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["replace", "unlink", "rmdir"])
def test_a_swap_that_is_cut_is_ended_by_any_call(tmp_path, monkeypatch, name):
    """Cut at each change of a name in turn, as a kill would."""
    real, place = getattr(os, name), 0
    while True:
        out = tmp_path / f"{name}{place}"
        call(out, make_of("old"))
        (out / "runs" / "0" / "mine.txt").write_text("mine")
        with pytest.raises(KeyboardInterrupt):
            call(out, make_of("new", stop_at=RUNS - 1), restart=True)
        calls = []

        def cut(*arguments, calls=calls, at=place, **options):
            # A kill lets go of a lock.
            if artefact.LOCK not in str(arguments[0]):
                calls.append(arguments)
                if len(calls) > at:
                    raise SystemExit
            return real(*arguments, **options)

        monkeypatch.setattr(os, name, cut)
        try:
            call(out, make_of("new"), restart=True)
            done = True
        except SystemExit:
            done = False
        monkeypatch.undo()
        stage = out / ".anew"
        if stage.is_dir() and not (stage / ".whole").is_file():
            # Not whole yet, or moved: the old one or the new one is.
            assert said(out) in ({"old"}, {"new"})
        call(out, make_of("new"), restart=said_is_old(out))
        assert said(out) == {"new"}
        assert (out / "runs" / "0" / "mine.txt").read_text() == "mine"
        if done:
            break
        place += 1
    assert place > 3


def said_is_old(out):
    try:
        return said(out) == {"old"}
    except FileNotFoundError:
        # In the middle of the swap: any call ends it.
        return False


def test_a_file_of_somebody_else_is_not_written_over(tmp_path):
    out = tmp_path / "out"
    call(out, make_of("old"))
    artefact.clear(out / "runs" / "1")
    (out / "runs" / "1").mkdir()
    (out / "runs" / "1" / "model.txt").write_text("mine")
    with pytest.raises(ValueError, match="model.txt` must not be there"):
        call(out, make_of("new"), restart=True)
    assert (out / "runs" / "1" / "model.txt").read_text() == "mine"
    (out / "runs" / "1" / "model.txt").unlink()
    # What was made waits for it.
    rest = make_of("new")
    assert call(out, rest) == "new" and rest.made == []
    assert said(out) == {"new"}
