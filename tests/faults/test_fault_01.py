"""Fault 1: SIGKILL while a checkpoint is saved.

This file is also the program that is killed: it forks a process that saves
one checkpoint after the other, ends it at a random moment, and looks at what
is left. It imports TensorFlow once and never uses it, so that each fork
starts a TensorFlow of its own.
"""

import json
import os
import random
import signal
import subprocess
import sys
import time
import traceback
from pathlib import Path

KILLS = 20


def model_of(value):
    """A model of 0.6 MB whose weights all are `value`."""
    import keras
    import numpy as np

    model = keras.Sequential(
        [keras.Input((300,)), keras.layers.Dense(500, "relu", name="dense")]
    )
    model.set_weights([np.full(w.shape, value) for w in model.get_weights()])
    return model


def save_forever(folder, say, first):
    """Saves epoch after epoch, as training does; says before and after."""
    from mmkeras.training import AtomicCheckpoint

    callback = AtomicCheckpoint(folder, keep=2)
    callback.on_train_begin()
    for epoch in range(first, first + 1000):
        callback.set_model(model_of(epoch))
        say(f"begin {epoch}")
        callback.on_epoch_end(epoch - 1)
        say(f"end {epoch}")


def look(folder, say):
    """Loads the newest checkpoint; says its epoch and its weights."""
    import keras
    import numpy as np

    from mmkeras.training import latest_checkpoint

    place = latest_checkpoint(folder)
    if place is None:
        return say(json.dumps([0, [0]]))
    loaded = keras.saving.load_model(place / "model.keras")
    values = np.concatenate([w.ravel() for w in loaded.get_weights()])
    epoch = int(place.name.removeprefix("epoch-"))
    say(json.dumps([epoch, np.unique(values).tolist()]))


def fork(function, *arguments):
    """Runs `function` in a fork; returns its id and the file it says to."""
    read, write = os.pipe()
    child = os.fork()
    if child:
        os.close(write)
        return child, os.fdopen(read, "r")
    try:
        function(*arguments[:1], lambda text: _say(write, text), *arguments[1:])
        os._exit(0)
    except BaseException:
        traceback.print_exc()
        os._exit(1)


def _say(pipe, text):
    os.write(pipe, (text + "\n").encode())


def kill_once(folder, first, delay):
    """Returns what the saver said, and what can be loaded afterwards."""
    child, said = fork(save_forever, folder, first)
    lines = [said.readline()]
    time.sleep(delay)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    lines += said.readlines()

    child, seen = fork(look, folder)
    loaded, values = json.loads(seen.readline())
    os.waitpid(child, 0)
    said = [line.split() for line in lines]
    return {
        "first": first,
        "begun": [int(epoch) for verb, epoch in said if verb == "begin"],
        "ended": [int(epoch) for verb, epoch in said if verb == "end"],
        "loaded": loaded,
        "values": values,
    }


def main(folder):
    import keras  # noqa: F401

    import mmkeras.training  # noqa: F401

    draw = random.Random(1)
    results, first = [], 1
    for _ in range(KILLS):
        results.append(kill_once(folder, first, draw.uniform(0, 0.2)))
        first = results[-1]["loaded"] + 1
    print(json.dumps(results))


def test_a_checkpoint_can_be_loaded_after_a_kill_at_any_moment(tmp_path):
    done = subprocess.run(
        [sys.executable, __file__, str(tmp_path)],
        env={
            **os.environ,
            "TF_NUM_INTRAOP_THREADS": "1",
            "PYTHONPATH": os.pathsep.join(sys.path),
        },
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    results = json.loads(done.stdout.splitlines()[-1])
    assert len(results) == KILLS
    for result in results:
        newest = max(result["ended"], default=result["first"] - 1)
        # The newest finished save, or the one that was cut off at its end.
        assert newest <= result["loaded"] <= max(result["begun"]), result
        assert result["values"] == [result["loaded"]], result
    cut_off = [r for r in results if len(r["begun"]) > len(r["ended"])]
    assert len(cut_off) >= KILLS // 4, "the kills missed the saving"
    # Nothing piles up, and nothing blocks the next run.
    assert results[-1]["loaded"] > 1
    assert len(list(tmp_path.iterdir())) <= 4


if __name__ == "__main__":
    main(Path(sys.argv[1]))
