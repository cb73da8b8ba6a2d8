"""Fault 6: SIGTERM or Ctrl-C in a command, or in Python.

What can be saved is saved, what goes on is printed, and the result is that of
a training that nobody stopped: no step is done twice.
"""

import contextlib
import csv
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import forking
import numpy as np
import pytest
from demo_recipe import RECIPE
from faults.stopped_toys import (
    STEPS,
    STRATEGIES,
    Moment,
    Stop,
    assert_same,
    fit,
    whole,
)
from test_cli import run

from mmkeras import artefact, stopping
from mmkeras.checks import BACKENDS
from mmkeras.training import latest_checkpoint

# Within an epoch, in a validation, at the last step of an epoch.
MOMENTS = [
    Moment("train", 2),
    Moment("test", 2),
    Moment("train", STEPS + 2),
    Moment("train", STEPS - 2),
]


# One of each way to count steps; the others take minutes in all.
IN_EACH_RUN = ("full", "accumulating", "component")


@pytest.mark.parametrize(
    "name",
    [
        name
        if name in IN_EACH_RUN
        else pytest.param(name, marks=pytest.mark.slow)
        for name in STRATEGIES
    ],
)
def test_a_training_goes_on_at_its_step(name, tmp_path, capsys):
    steps = whole(name)[2]["train"]
    done = 0
    for moment in MOMENTS:
        stop = Stop(moment)
        with pytest.raises(stopping.Stopped, match="is saved in") as error:
            fit(name, tmp_path, stop)
        assert stopping.exit_code(error.value) == 130
        done += stop.seen["train"]
    rest = Stop(None)
    found = fit(name, tmp_path, rest)
    # Each step once.
    assert done + rest.seen["train"] == steps
    assert_same(name, found)
    said = capsys.readouterr().out
    assert f"goes on at epoch 1, step 3 of {STEPS}" in said
    assert "goes on at the validation of epoch" in said


ON_A_BACKEND = """
import pathlib, sys
from faults.stopped_toys import STEPS, Moment, Stop, assert_same, fit, whole
from mmkeras import stopping
out, done = pathlib.Path(sys.argv[1]), 0
for moment in (
    Moment("train", 2), Moment("test", 2), Moment("train", STEPS + 2)
):
    stop = Stop(moment)
    try:
        fit("batches", out, stop)
    except stopping.Stopped as stopped:
        assert "is saved in" in stopped.kept
    else:
        raise AssertionError("it was not stopped")
    done += stop.seen["train"]
rest = Stop(None)
assert_same("batches", fit("batches", out, rest))
assert done + rest.seen["train"] == whole("batches")[2]["train"]
"""


@pytest.mark.slow
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_training_on_another_backend_goes_on_at_its_step(backend, tmp_path):
    pytest.importorskip(backend)
    done = subprocess.run(
        [sys.executable, "-c", ON_A_BACKEND, tmp_path / "run"],
        cwd=Path(__file__).parents[1], capture_output=True, text=True,
        env={**os.environ, "KERAS_BACKEND": backend},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]


def test_a_kill_loses_as_much_as_was_said(tmp_path):
    """As SIGKILL does: nothing is saved at the end."""

    def crash():
        raise MemoryError

    stop = Stop(Moment("train", STEPS + 4), crash)
    with pytest.raises(MemoryError):
        fit("full", tmp_path, stop, checkpoint_every_sec=1e-9)
    # Of the step that crashed, callbacks had not all been called.
    kept = latest_checkpoint(tmp_path / "checkpoints")
    assert kept.name == "epoch-0002-step-000003"
    assert len(list(kept.parent.iterdir())) == 2
    rest = Stop(None)
    found = fit("full", tmp_path, rest, checkpoint_every_sec=1e-9)
    assert rest.seen["train"] == 2 * STEPS - 3
    assert_same("full", found)


def test_a_signal_before_the_first_step_raises_at_once(tmp_path):
    with pytest.raises(stopping.Stopped) as error:
        fit("full", tmp_path, Stop(Moment("train", 1)))
    assert error.value.kept is None
    assert latest_checkpoint(tmp_path / "checkpoints") is None


def test_handlers_of_others_stay(tmp_path):
    came = []
    before = signal.signal(signal.SIGINT, lambda *_: came.append(1))
    try:
        fit("full", tmp_path, Stop(Moment("train", 2)))
        assert came == [1]
    finally:
        signal.signal(signal.SIGINT, before)
    assert signal.getsignal(signal.SIGINT) is before


FAST = 2


@pytest.fixture(scope="module")
def road(tmp_path_factory):
    """Raw and prepared data, and a recipe that trains for long."""
    folder = tmp_path_factory.mktemp("stopped")
    run("demo", "--out", folder / "raw", "--samples", "120")
    run("prepare", folder / "raw/demo.toml", "--out", folder / "data",
        "--workers", "1")  # fmt: skip
    (folder / "long.toml").write_text(RECIPE.format(epochs=10_000))
    space = RECIPE.replace(
        'method = "concat"', 'method = { choices = ["concat", "gated"] }'
    )
    (folder / "space.toml").write_text(space.replace("{epochs}", "10000"))
    (folder / "short.toml").write_text(RECIPE.format(epochs=FAST))
    return folder


@contextlib.contextmanager
def signalled(number, ready):
    """Sends this process a signal once something is true."""
    over = threading.Event()

    def watch():
        while not over.wait(0.01):
            if ready():
                os.kill(os.getpid(), number)
                return

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def children():
    """Returns the processes that this one has started."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = stat.read_text().rpartition(")")[2].split()
            if int(fields[1]) == os.getpid() and fields[0] != "Z":
                found.append(stat.parent.name)
    return set(found)


def stop_command(road, out, command, number, ready, monkeypatch, capfd):
    """Runs a command, stops it; returns the command that it printed."""
    scratch = out.parent / "scratch"
    scratch.mkdir(exist_ok=True)
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    before = children()
    with signalled(number, ready):
        code = run(*command, "--out", out)
    assert code == {signal.SIGTERM: 143, signal.SIGINT: 130}[number]
    assert children() <= before
    # TensorFlow removes what it writes itself, files, when a process ends.
    assert [path for path in scratch.iterdir() if path.is_dir()] == []
    assert not list(out.rglob(".tmp-*"))
    said = capfd.readouterr().err
    assert "Traceback" not in said
    assert re.search(r"^stopped: .*this command (goes on|starts anew):$",
                     said, re.M)  # fmt: skip
    again = shlex.split(said.splitlines()[-1])
    given = [str(part) for part in command if part != "--restart"]
    assert again[-len(given) - 2 :] == [*given, "--out", str(out)]
    return said


def exists(folder, pattern):
    return lambda: any(folder.glob(pattern))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stopped_train_says_where_it_was(
    number, road, tmp_path, monkeypatch, capfd
):
    out = tmp_path / "a run"
    command = ["train", road / "data", "--model", road / "long.toml",
               "--restart", "--verbose", "0"]  # fmt: skip
    said = stop_command(
        road, out, command, number, exists(out, "logs/history.csv"),
        monkeypatch, capfd,
    )  # fmt: skip
    assert re.search(r"epoch \d+.* is saved in .*a run/checkpoints", said)
    assert "--restart" not in said
    assert latest_checkpoint(out / "checkpoints") is not None


COMMANDS = {
    "prepare": (
        ["prepare", "raw/demo.toml", "--workers", "2"],
        ".partial/*",
    ),
    "compare": (
        ["compare", "data", "--model", "long.toml", "--budget-steps",
         "100000", "--seeds", "2"],
        None,
    ),
    "tune": (
        ["tune", "data", "--space", "space.toml", "--trials", "2"],
        "trials/*/.partial/recipe.toml",
    ),
    "ensemble": (
        ["ensemble", "bagging", "data", "--model", "long.toml"],
        "members/1/logs/history.csv",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_ends_in_order(name, road, tmp_path, monkeypatch, capfd):
    command, sign = COMMANDS[name]
    monkeypatch.chdir(road)
    out = tmp_path / "out"
    ready = _after(3.0) if sign is None else exists(out, sign)
    stop_command(road, out, command, signal.SIGTERM, ready, monkeypatch, capfd)


@pytest.fixture(scope="module")
def trained(road):
    """A training that nobody stopped."""
    command = ["train", road / "data", "--model", road / "short.toml"]
    assert run(*command, "--verbose", "0", "--out", road / "whole") == 0
    return road / "whole"


def test_a_stopped_evaluate_leaves_the_run_as_it_was(
    trained, tmp_path, monkeypatch, capfd
):
    """An older evaluation is whole until the new one is."""
    copy = Path(shutil.copytree(trained, tmp_path / "a run"))
    (copy / "evaluation").mkdir()
    artefact.write_text(copy / "evaluation" / "report.html", "of before")
    artefact.write_manifest(copy / "evaluation", "evaluation", ["report.html"])
    before = content(copy)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    inside = {path.name for path in tmp_path.iterdir()}
    with signalled(signal.SIGTERM, exists(copy, "**/.mmkeras.lock")):
        code = run("evaluate", copy, "--no-baselines")
    said = capfd.readouterr().err
    assert code == 143 and "Traceback" not in said
    again = shlex.split(said.splitlines()[-1])
    assert again[-3:] == ["evaluate", str(copy), "--no-baselines"]
    assert content(copy) == before
    assert {path.name for path in tmp_path.iterdir()} <= inside
    assert run("evaluate", copy, "--no-baselines") == 0
    report = copy / "evaluation" / "report.html"
    assert report.read_text() != "of before"


def content(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != ".hashes.json"
    }


def _after(seconds):
    end = time.monotonic() + seconds
    return lambda: time.monotonic() > end


def history(folder):
    with open(folder / "history.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    return [{k: v for k, v in row.items() if k != "seconds"} for row in rows]


def test_the_printed_command_goes_on_to_the_same_bits(road, trained, tmp_path):
    """Processes of their own, a shell, and names that need quotes."""
    from mmkeras.model import load_model

    command = ["train", str(road / "data"), "--model",
               str(road / "short.toml"), "--verbose", "0"]  # fmt: skip
    out = tmp_path / "it's a run"
    # The second one is started by the shell.
    with forking.forked_commands():
        child = subprocess.Popen(
            [sys.executable, "-m", "mmkeras.cli", *command, "--out", str(out)],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
    end = time.monotonic() + 200
    while not (out / "checkpoints/epoch-0001/manifest.json").is_file():
        assert child.poll() is None and time.monotonic() < end
        time.sleep(0.005)
    child.send_signal(signal.SIGTERM)
    said = child.communicate(timeout=100)[1]
    assert child.returncode == 143, said
    again = subprocess.run(
        said.splitlines()[-1], shell=True, capture_output=True, text=True,
        timeout=200,
    )  # fmt: skip
    assert again.returncode == 0, again.stderr
    assert "goes on at" in again.stdout or "is done already" in again.stdout
    assert history(out) == history(trained)
    pairs = zip(
        load_model(trained).weights, load_model(out).weights,
        strict=True,
    )  # fmt: skip
    for one, other in pairs:
        np.testing.assert_array_equal(one.numpy(), other.numpy(), one.path)
