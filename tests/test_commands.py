"""The command line itself: what every command takes, and how it starts."""

import os
import subprocess
import sys

import pytest
import typer

import mmkeras
from mmkeras import cli, processes
from mmkeras.export import main as export_main

# What no command needs in order to say what it takes. Typer reads arguments
# by pydantic.
HEAVY = {"keras", "numpy", "pandas", "tensorflow", "tokenizers"}
KINDS = """
from typing import Literal
import mmkeras

@mmkeras.register_target
class Stars(mmkeras.Target):
    kind: Literal["stars_of_mine"]
    column: str
"""
SPEC = """
name = "photos"

[data]
manifest = "photos.csv"

[modalities.photo]
kind = "image"
column = "photo"
height = 8
width = 8

[targets.rating]
kind = "stars_of_mine"
column = "rating"
"""


def commands(group=None, path=()):
    """Every command there is, and the words that start it."""
    group = group or typer.main.get_command(cli.app)
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name), command


COMMANDS = dict(commands())


def options_of(command) -> set[str]:
    return {each for option in command.params for each in option.opts}


def test_every_command_that_reads_takes_modules_of_the_user():
    assert {("export",), ("spec", "check"), ("ensemble", "soup")} < set(
        COMMANDS
    )
    without = {
        words
        for words, command in COMMANDS.items()
        if "--import" not in options_of(command)
    }
    # It generates what it needs.
    assert without == {("demo",)}


def test_help_starts_without_what_the_commands_need():
    code = (
        "import contextlib, io, sys\n"
        "from mmkeras import cli\n"
        "with contextlib.redirect_stdout(io.StringIO()):\n"
        "    for words in sys.argv[1].split(','):\n"
        "        assert cli.main([*words.split(), '--help']) == 0\n"
        f"print(sorted(set(sys.modules) & {HEAVY}))"
    )
    words = ",".join(" ".join(words) for words in COMMANDS)
    done = subprocess.run(
        [sys.executable, "-c", code, words], capture_output=True, text=True
    )
    assert done.stdout.strip() == "[]", done.stderr


def test_export_is_one_command(capsys):
    texts = []
    for main, words in ((cli.main, ["export"]), (export_main, [])):
        assert main([*words, "--help"]) == 0
        texts.append(capsys.readouterr().out)
    assert texts[0] == texts[1] and "--budget-kb" in texts[0]
    assert export_main(["run", "--out", "x", "--quantise", "int8"]) == 2
    assert "No such option" in capsys.readouterr().err


def test_the_version_is_told(capsys):
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out == f"mmkeras {mmkeras.__version__}\n"


def test_the_shell_can_complete_commands():
    done = subprocess.run(
        [sys.executable, "-m", "mmkeras.cli"],
        env={**os.environ, "_MMKERAS_COMPLETE": "complete_bash",
             "COMP_WORDS": "mmkeras exp", "COMP_CWORD": "1"},
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.stdout.split() == ["export"], done.stderr


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "kinds_of_mine.py").write_text(KINDS)
    (tmp_path / "spec.toml").write_text(SPEC)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    with mmkeras.registrations():
        yield tmp_path
    sys.modules.pop("kinds_of_mine", None)


def test_a_module_of_the_user_is_imported_before_the_spec_is_read(
    folder, capsys
):
    assert cli.main(["spec", "check", "spec.toml"]) == 2
    assert "`targets.rating.kind` must be one of" in capsys.readouterr().err
    # What lies in the current folder hides nothing.
    (folder / "json.py").write_text("raise SystemExit(9)")
    words = ["spec", "check", "spec.toml", "--import", "kinds_of_mine"]
    assert cli.main(words) == 0
    assert cli.main([*words[3:], *words[:3]]) == 0
    assert "target rating: stars_of_mine" in capsys.readouterr().out
    assert sys.path[-1] == str(folder)
    # Children import it too.
    assert "kinds_of_mine" in processes.adopted()


@pytest.mark.parametrize(
    "text, message",
    [
        (None, "'broken_of_mine', and there is none"),
        ("1 / 0", "'broken_of_mine', ZeroDivisionError: division by zero"),
    ],
)
def test_a_module_that_cannot_be_imported_is_named(
    folder, capsys, text, message
):
    if text:
        (folder / "broken_of_mine.py").write_text(text)
    words = ["spec", "check", "nowhere.toml", "--import", "broken_of_mine"]
    assert cli.main(words) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
    with pytest.raises(ValueError, match="`--import` must name a module"):
        cli.main(["--debug", *words])
