"""How much faster an epoch of stage 2 is when the towers' words are cached.

    python benchmarks/embedding_cache.py DATA --model RECIPE.toml

`DATA` is a prepared folder. The recipe's model, its towers as they are made,
goes through the stage "fusion" of `ComponentPretrain` twice: with the towers
in every step, and from a cache. Both are timed by the epoch, validation
included and the first epoch left out, which traces the graph. Also printed:
what writing the cache costs, and after how many epochs it has paid.
"""

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras

import mmkeras
from mmkeras.spec import read_toml
from mmkeras.training import cache_embeddings


class Epochs(keras.callbacks.Callback):
    """Times each epoch, its validation included."""

    def on_train_begin(self, logs=None):
        self.seconds = []

    def on_epoch_begin(self, epoch, logs=None):
        self.start = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        self.seconds.append(time.perf_counter() - self.start)


def epoch_sec(data, recipe: dict, cache: bool, epochs: int) -> float:
    """Returns the median time of an epoch of stage 2."""
    keras.utils.set_random_seed(0)
    model, heads = mmkeras.build_from_recipe(data.spec, data.statistics, recipe)
    times = Epochs()
    mmkeras.ComponentPretrain(
        pretrain="none", fusion_epochs=1 + epochs, epochs=0, cache=cache
    ).fit(model, data, heads, callbacks=[times], verbose=0)
    return statistics.median(times.seconds[1:])


def writing_sec(data, recipe: dict, passes: int) -> tuple[float, float]:
    """Returns the time to write a cache, and its size in MB."""
    model, _ = mmkeras.build_from_recipe(data.spec, data.statistics, recipe)
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        cache_embeddings(model, data, folder, passes)
        took = time.perf_counter() - start
        size = sum(path.stat().st_size for path in Path(folder).iterdir())
    return took, size / 1e6


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("data", type=Path, help="prepared folder")
    options.add_argument("--model", type=Path, required=True)
    options.add_argument("--epochs", type=int, default=3)
    options.add_argument("--passes", type=int, default=2)
    options.add_argument("--fusions", nargs="+", default=["gated"])
    options = options.parse_args()
    recipe = read_toml(options.model)
    batch_size = recipe.get("training", {}).get("batch_size", 32)
    data = mmkeras.load_data(options.data, batch_size=batch_size)
    names = (
        "fusion",
        "towers run, s/epoch",
        "cached, s/epoch",
        "times as fast",
        f"writing {options.passes} passes, s",
        "MB",
        "pays after epochs",
    )
    print("| " + " | ".join(names) + " |\n" + "| --- " * len(names) + "|")
    for method in options.fusions:
        fused = {**recipe, "fusion": {**recipe["fusion"], "method": method}}
        slow, fast = (
            epoch_sec(data, fused, cache, options.epochs)
            for cache in (False, True)
        )
        took, size = writing_sec(data, fused, options.passes)
        print(
            f"| {method} | {slow:.2f} | {fast:.3f} | {slow / fast:.1f} | "
            f"{took:.1f} | {size:.1f} | {took / (slow - fast):.1f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
