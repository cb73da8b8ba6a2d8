"""How much of the bare training step `model.fit(data.train)` keeps.

    python benchmarks/fit_speed.py DATA --model RECIPE.toml [--callbacks]

Same model, same process, in turns: an epoch of `model.fit` on the real
pipeline (read, shuffled, batched, augmented) against the same number of steps
of the compiled train step on one batch that lies in memory. Prints the median
ratio. With `--callbacks`, `fit` too has the batch in memory, for `--epochs`
epochs of `--steps` steps, and the ratio is printed under each callback that a
strategy uses and under all of them, beside what the callback costs an epoch.
"""

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("data", help="folder of `mmkeras prepare`")
    options.add_argument("--model", required=True, help="TOML recipe")
    options.add_argument("--turns", type=int, default=7)
    options.add_argument("--no-augment", action="store_true")
    options.add_argument("--callbacks", action="store_true")
    options.add_argument("--steps", type=int, default=100)
    options.add_argument("--epochs", type=int, default=5)
    options = options.parse_args()
    epochs = options.epochs if options.callbacks else 1

    import tensorflow as tf

    model, data = compiled_model(options)
    # Whole batches only, so that both sides do the same work a step.
    train = data.train.take(data.counts["train"] // data.batch_size)
    batch = tf.data.Dataset.from_tensors(next(iter(train))).repeat()
    if options.callbacks:
        train = batch.take(options.steps)
    steps = int(train.reduce(0, lambda n, _: n + 1))
    model.fit(train, epochs=1, shuffle=False, verbose=0)
    step, cached = model.train_function, iter(batch)
    step(cached)

    with tempfile.TemporaryDirectory() as folder:
        given = {"fit": []}
        if options.callbacks:
            given |= our_callbacks(model, Path(folder))
        times = {name: [] for name in ("bare", *given)}
        for _ in range(options.turns):
            start = time.perf_counter()
            for _ in range(epochs * steps):
                step(cached)
            times["bare"].append(time.perf_counter() - start)
            for name, callbacks in given.items():
                start = time.perf_counter()
                model.fit(
                    train,
                    epochs=epochs,
                    callbacks=callbacks,
                    shuffle=False,
                    verbose=0,
                )
                times[name].append(time.perf_counter() - start)
    report(times, epochs, steps, data.batch_size)


def report(
    times: dict[str, list[float]], epochs: int, steps: int, batch_size: int
) -> None:
    """Prints the ratios, each of a turn's figures."""
    bare = times.pop("bare")
    print(
        f"{epochs} epochs of {steps} steps of {batch_size} samples a turn, "
        f"bare {epochs * steps / statistics.median(bare):.1f} steps/s"
    )
    for name, found in times.items():
        ratios = [b / f for b, f in zip(bare, found, strict=True)]
        more = [f - b for b, f in zip(bare, found, strict=True)]
        print(
            f"{name}: median ratio {statistics.median(ratios):.3f} "
            f"({min(ratios):.3f} to {max(ratios):.3f}), "
            f"{1000 * statistics.median(more) / epochs:.0f} ms more an epoch"
        )


def compiled_model(options: argparse.Namespace) -> tuple:
    """Returns the recipe's model, compiled, and its data."""
    import keras

    import mmkeras
    from mmkeras import heads as head_kinds
    from mmkeras.spec import read_toml

    recipe = read_toml(options.model)
    data = mmkeras.load_data(
        options.data,
        batch_size=recipe["training"]["batch_size"],
        augment=not options.no_augment and recipe.get("augment", True),
    )
    model, heads = mmkeras.build_from_recipe(data.spec, data.statistics, recipe)
    model.compile(
        keras.optimizers.AdamW(use_ema=options.callbacks),
        loss=head_kinds.losses(heads),
        loss_weights=head_kinds.loss_weights(heads),
        weighted_metrics=head_kinds.metrics(heads),
    )
    return model, data


def our_callbacks(model, folder: Path) -> dict[str, list]:
    """Returns every callback that a strategy uses, and all of them."""
    import keras

    from mmkeras.training import (
        AtomicCheckpoint,
        AveragedWeights,
        CsvHistory,
        Strategy,
    )
    from mmkeras.training.stages import Patience, Spent, arrays_of, variables_of
    from mmkeras.training.strategies import BlendWeights
    from mmkeras.training.trainable import Unfreezing

    def state():
        return arrays_of(variables_of(model, model.optimizer)), {}

    made = [
        lambda place: Spent(),
        lambda place: keras.callbacks.TerminateOnNaN(),
        lambda place: AveragedWeights(),
        lambda place: Unfreezing({}),
        lambda place: BlendWeights({"fused": 1.0}),
        lambda place: keras.callbacks.TensorBoard(
            str(place), write_graph=False, update_freq="epoch"
        ),
        lambda place: Patience("loss", patience=1000),
        lambda place: CsvHistory(place / "history.csv"),
        lambda place: AtomicCheckpoint(
            place, 2, model, state, Strategy.checkpoint_share
        ),
    ]
    alone = [make(folder / str(n)) for n, make in enumerate(made)]
    for n in range(len(made)):
        (folder / str(n)).mkdir()
    (folder / "all").mkdir()
    given = {type(each).__name__: [each] for each in alone}
    whole = [make(folder / "all") for make in made]
    return {**given, "all": whole, "all, by steps": [by_steps(made, folder)]}


def by_steps(made: list, folder: Path):
    """Returns all of them as a stage calls them, saving within epochs too.

    Every half second, which the share of the time that saving may take makes
    rarer: a training saves every few minutes.
    """
    from mmkeras import stopping
    from mmkeras.training.stages import Hooks

    class Turn(Hooks):
        def on_train_begin(self, logs=None):
            self.begin_again()
            super().on_train_begin(logs)

    place = folder / "steps"
    place.mkdir()
    hooks = Turn(10**9, 10**9, stopping.Request())
    hooks.callbacks = [make(place) for make in made]
    hooks.saver = hooks.callbacks[-1]
    hooks.saver.every_sec, hooks.within = 0.5, True
    return hooks


if __name__ == "__main__":
    main()
