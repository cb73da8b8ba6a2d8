"""Fault 33: two processes, one OUT; the second is told who holds it."""

import subprocess
import sys

import pytest

from mmkeras import artefact, cli
from mmkeras.data import prepare, write_demo

HOLD = """
import sys
from mmkeras import artefact
with artefact.open_out(sys.argv[1], sys.argv[2]):
    print("held", flush=True)
    sys.stdin.readline()
"""
# What a command writes, and what there has to be for it.
COMMANDS = {
    "prepare": ("data", "prepare {demo}/demo.toml --out {out}"),
    "train": ("run", "train {data} --out {out}"),
    "compare": ("comparison", "compare {data} --out {out} --budget-steps 2"),
    "tune": ("tune", "tune {data} --space {space} --method grid --out {out}"),
    "average": ("ensemble", "ensemble average {data} {data} --out {out}"),
    "demo": ("demo", "demo --samples 100 --out {out}"),
}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    place = tmp_path_factory.mktemp("place")
    write_demo(place / "demo", samples=100)
    prepare(None, place / "demo" / "demo.toml", place / "data", workers=1)
    (place / "space.toml").write_text(
        "[fusion]\nmethod = {choices = ['concat', 'gated']}\n"
    )
    return place


@pytest.mark.parametrize("command", COMMANDS)
def test_the_second_is_told_at_once(place, tmp_path, capsys, command):
    kind, words = COMMANDS[command]
    words = words.format(
        demo=place / "demo", data=place / "data", out=tmp_path / "out",
        space=place / "space.toml",
    )  # fmt: skip
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, tmp_path / "out", kind],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as holder:  # fmt: skip
        assert holder.stdout.readline() == "held\n"
        try:
            assert cli.main(words.split()) == 2
        finally:
            holder.kill()
    said = capsys.readouterr().err
    assert f"Received: process {holder.pid} on " in said
    assert "one writer at a time" in said and "Traceback" not in said


def test_readers_need_no_lock(place):
    with artefact.lock(place / "data"):
        assert cli.main(["data", "show", str(place / "data")]) == 0


def test_one_of_many_at_the_same_moment_wins(tmp_path):
    """Each writes its own number; the folder is whole, and of one of them."""
    code = (
        "import sys; from mmkeras import artefact\n"
        "out, number = sys.argv[1:]\n"
        "with artefact.replacing(out, 'run', ['a', 'b']) as new:\n"
        "    for name in 'ab':\n"
        "        artefact.write_text(new / name, number)\n"
        "    artefact.write_manifest(new, 'run', ['a', 'b'])\n"
    )
    started = [
        subprocess.Popen(
            [sys.executable, "-c", code, tmp_path / "out", str(number)],
            stderr=subprocess.PIPE,
            text=True,
        )  # fmt: skip
        for number in range(4)
    ]
    ended = [(child.communicate()[1], child.returncode) for child in started]
    assert any(code == 0 for _, code in ended)
    for said, code in ended:
        assert code == 0 or "one writer at a time" in said
    artefact.read_manifest(tmp_path / "out", "run")
    texts = {(tmp_path / "out" / name).read_text() for name in "ab"}
    assert len(texts) == 1


def test_a_file_that_two_would_write_is_written_by_one(tmp_path):
    path = tmp_path / "labels.csv"
    with artefact.new_file(path) as temporary:
        temporary.write_text("one")
        path.write_text("mine")
        with pytest.raises(ValueError, match="must not exist"):
            with artefact.new_file(path):
                pass
        path.unlink()
    assert path.read_text() == "one"
    with pytest.raises(ValueError, match="stays"):
        with artefact.new_file(tmp_path / "other") as temporary:
            temporary.write_text("two")
            (tmp_path / "other").write_text("mine")
    assert (tmp_path / "other").read_text() == "mine"
