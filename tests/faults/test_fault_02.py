"""Fault 2: SIGKILL at a random moment of training, then the same command.

Every sample is seen once an epoch, as often as without the interruption, and
the weights become the same bits.
"""

import csv
import os
import random
import signal
import subprocess
import sys
import time

import forking
import numpy as np
import pytest
from test_cli import run

RECIPE = """
modality_dropout = 0.1
[towers.image]
filters = 4
depth = 1
units = 8
dropout = 0.2
[towers.audio]
units = 8
mel_bands = 16
width = 8
depth = 1
[towers.text]
variant = "bag"
units = 8
[fusion]
method = "concat"
units = 8
[training]
batch_size = 16
tensorboard = false
[training.component]
tower_epochs = 2
fusion_epochs = 2
epochs = 2
"""


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    from mmkeras.data import prepare, write_demo
    from mmkeras.spec import load_spec

    folder = tmp_path_factory.mktemp("killed")
    spec = write_demo(folder / "raw", samples=120, seed=0)
    prepare(load_spec(spec), folder / "data", workers=1)
    (folder / "recipe.toml").write_text(RECIPE)
    return folder


def command(folder, out):
    return [
        "train", folder / "data", "--model", folder / "recipe.toml",
        "--strategy", "component", "--out", folder / out, "--verbose", "0",
    ]  # fmt: skip


def history(folder):
    with open(folder / "history.csv", newline="") as file:
        return list(csv.DictReader(file))


def kill_while_training(folder, out, draw):
    """Starts the command, and kills it in a stage that is drawn."""
    place, epoch = folder / out / "checkpoints", draw.randint(1, 7)
    print(f"killed after epoch {epoch}")
    with forking.forked_commands():
        process = subprocess.Popen(
            [sys.executable, "-m", "mmkeras.cli", *command(folder, out)],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        )  # fmt: skip
    until = time.monotonic() + 300
    while not any(
        int(manifest.parent.name.removeprefix("epoch-")) >= epoch
        for manifest in place.glob("epoch-*/manifest.json")
    ):
        assert process.poll() is None, process.stderr.read().decode()
        assert time.monotonic() < until
        time.sleep(0.01)
    time.sleep(draw.uniform(0, 0.5))
    process.send_signal(signal.SIGKILL)
    return process.wait()


def test_the_same_command_after_sigkill_ends_with_the_same_bits(prepared):
    from mmkeras.model import load_model

    draw = random.Random(os.urandom(4))
    assert run(*command(prepared, "whole")) == 0
    assert kill_while_training(prepared, "killed", draw) == -signal.SIGKILL
    # It was another process that was killed.
    assert run(*command(prepared, "killed")) == 0

    rows = {name: history(prepared / name) for name in ("whole", "killed")}
    for one, other in zip(*rows.values(), strict=True):
        one.pop("seconds"), other.pop("seconds")
        assert one == other
    pairs = zip(
        load_model(prepared / "whole").weights,
        load_model(prepared / "killed").weights,
        strict=True,
    )
    for one, other in pairs:
        np.testing.assert_array_equal(one.numpy(), other.numpy(), one.path)
