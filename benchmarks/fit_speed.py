"""How much of the bare training step `model.fit(data.train)` keeps.

    python benchmarks/fit_speed.py DATA --model RECIPE.toml [--callbacks]

Same model, same process, in turns: an epoch of `model.fit` on the real
pipeline (read, shuffled, batched, augmented) against the same number of steps
of the compiled train step on one batch that lies in memory. Prints the median
ratio.

With `--callbacks`, a strategy's `fit` into a folder, which too has the batch
in memory, is stopped every few steps for as many bare ones: what starting a
`fit` costs is in neither. Its epochs are so short that their ends, with
history, logs and checkpoint, are seen; then one epoch without an end, saved
within every `--every-sec` seconds. Wall and processor time, for whoever shares
the machine: the median of the turns without a save, what a save costs, all of
it together, and what that makes where it is saved as often as by default.
"""

import argparse
import os
import statistics
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras  # noqa: E402

# What a strategy saves after, unless told otherwise.
DEFAULT_SEC = 300
CLOCKS = {"wall": time.perf_counter, "processor": time.process_time}


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("data", help="folder of `mmkeras prepare`")
    options.add_argument("--model", required=True, help="TOML recipe")
    options.add_argument("--turns", type=int, default=7)
    options.add_argument("--no-augment", action="store_true")
    options.add_argument("--callbacks", action="store_true")
    options.add_argument("--steps", type=int, default=8, help="of a turn")
    options.add_argument("--seconds", type=float, default=75, help="at most")
    options.add_argument("--every-sec", type=float, default=10)
    options = options.parse_args()
    (under_callbacks if options.callbacks else pipeline)(options)


def pipeline(options: argparse.Namespace) -> None:
    """Compares an epoch of the pipeline with as many bare steps."""
    import tensorflow as tf

    model, heads, data = model_and_data(options)
    compile_model(model, heads)
    # Whole batches only, so that both sides do the same work a step.
    train = data.train.take(data.counts["train"] // data.batch_size)
    batch = tf.data.Dataset.from_tensors(next(iter(train))).repeat()
    steps = int(train.reduce(0, lambda n, _: n + 1))
    model.fit(train, epochs=1, shuffle=False, verbose=0)
    step, cached = model.train_function, iter(batch)
    step(cached)
    bare, found = [], []
    for _ in range(options.turns):
        start = time.perf_counter()
        for _ in range(steps):
            step(cached)
        bare.append(time.perf_counter() - start)
        start = time.perf_counter()
        model.fit(train, epochs=1, shuffle=False, verbose=0)
        found.append(time.perf_counter() - start)
    ratios = [b / f for b, f in zip(bare, found, strict=True)]
    print(
        f"{steps} steps of {data.batch_size} samples a turn, "
        f"bare {steps / statistics.median(bare):.1f} steps/s: "
        f"median ratio {statistics.median(ratios):.3f} "
        f"({min(ratios):.3f} to {max(ratios):.3f})"
    )


def under_callbacks(options: argparse.Namespace) -> None:
    """Compares `fit` under all callbacks with bare steps, in turns."""
    import tensorflow as tf

    for name, epoch, every_sec in (
        ("epochs of 5 turns", 5 * options.steps, None),
        ("one epoch, by steps", 10**7, options.every_sec),
    ):
        model, heads, data = model_and_data(options)
        batch = tf.data.Dataset.from_tensors(next(iter(data.train)))
        turns = Turns(options.steps, options.seconds, batch)
        train_on(model, heads, batch, epoch, every_sec, turns)
        turns.report(f"{name} (`checkpoint_every_sec={every_sec}`)")


def train_on(model, heads, batch, steps, every_sec, turns) -> None:
    """Trains as a strategy does, with every callback that it may have."""
    from mmkeras.training import FullFineTune

    train = batch.repeat(steps)
    strategy = FullFineTune(
        epochs=10**6,
        warmup_epochs=0.0,
        schedule="constant",
        ema_momentum=0.99,
        patience=10**6,
        monitor="loss",
        checkpoint_every_sec=every_sec,
    )
    with tempfile.TemporaryDirectory() as folder:
        strategy.fit(
            model,
            SimpleNamespace(train=train, validation=None),
            heads,
            out=Path(folder) / "run",
            callbacks=[turns],
            seed=0,
            verbose=0,
        )


@dataclass
class Turn:
    """So many steps of `fit`, then as many bare ones, by clock."""

    fit: dict[str, float]
    bare: dict[str, float]
    saves: int


@dataclass
class Turns(keras.callbacks.Callback):
    """Stops `fit` every few steps, for bare ones.

    Args:
        steps: Steps of a turn.
        seconds: When to end.
        batch: The data set of one batch.
    """

    steps: int
    seconds: float
    batch: object
    turns: list[Turn] = field(default_factory=list)
    saves: list[dict] = field(default_factory=list)

    def __post_init__(self):
        super().__init__()
        self._cached = iter(self.batch.repeat())
        self._left, self._since, self._begin = 2 * self.steps, None, None
        self._seen = 0

    def on_train_begin(self, logs=None):
        self._watch_saves()

    def on_train_batch_end(self, batch, logs=None):
        self._left -= 1
        if self._left:
            return
        fitted = passed(self._since)
        start = now()
        for _ in range(self.steps):
            self.model.train_function(self._cached)
        bare = passed(start)
        if self._since is None:
            # Traced and warm.
            self._begin = time.monotonic()
            self.saves.clear()
        else:
            new = len(self.saves) - self._seen
            self.turns.append(Turn(fitted, bare, new))
        self._seen = len(self.saves)
        if time.monotonic() - self._begin > self.seconds:
            self.model.stop_training = True
        self._left, self._since = self.steps, now()

    def _watch_saves(self):
        """Measures each save of a checkpoint, which stands behind this."""
        from mmkeras.training import AtomicCheckpoint

        save, saves = AtomicCheckpoint.save, self.saves
        self._unwatched = save

        def measured(saver, epoch, step=0):
            start = now()
            save(saver, epoch, step)
            saves.append(passed(start))

        AtomicCheckpoint.save = measured

    def on_train_end(self, logs=None):
        from mmkeras.training import AtomicCheckpoint

        AtomicCheckpoint.save = self._unwatched

    def report(self, name: str) -> None:
        """Prints the ratios."""
        count = sum(turn.saves for turn in self.turns)
        bare = statistics.median(turn.bare["wall"] for turn in self.turns)
        print(
            f"{name}: {len(self.turns)} turns of {self.steps} steps, bare "
            f"{self.steps / bare:.1f} steps/s, {count} saves"
        )
        for clock in CLOCKS:
            plain = [
                turn.bare[clock] / turn.fit[clock]
                for turn in self.turns
                if not turn.saves
            ]
            spent = [each[clock] for each in self.saves]
            save, ratio = statistics.median(spent), statistics.median(plain)
            bare, fitted = self.total("bare", clock), self.total("fit", clock)
            by_default = ratio / (1 + save / DEFAULT_SEC)
            print(
                f"  {clock}: without a save {ratio:.3f} (quartiles "
                f"{quartiles(plain)}), a save {1000 * save:.0f} ms; "
                f"{bare:.0f} of {fitted:.0f} s in all, {bare / fitted:.3f}; "
                f"saved every {DEFAULT_SEC} s {by_default:.3f}"
            )

    def total(self, what: str, clock: str) -> float:
        return sum(getattr(turn, what)[clock] for turn in self.turns)


def quartiles(values: list[float]) -> str:
    low, _, high = statistics.quantiles(values, n=4)
    return f"{low:.3f} to {high:.3f}"


def now() -> dict[str, float]:
    return {name: clock() for name, clock in CLOCKS.items()}


def passed(since: dict[str, float] | None) -> dict[str, float]:
    if since is None:
        return {}
    return {name: clock() - since[name] for name, clock in CLOCKS.items()}


def model_and_data(options: argparse.Namespace) -> tuple:
    """Returns the recipe's model, its heads, and its data."""
    import mmkeras
    from mmkeras.spec import read_toml

    recipe = read_toml(options.model)
    data = mmkeras.load_data(
        options.data,
        batch_size=recipe["training"]["batch_size"],
        augment=not options.no_augment and recipe.get("augment", True),
    )
    model, heads = mmkeras.build_from_recipe(data.spec, data.statistics, recipe)
    return model, heads, data


def compile_model(model, heads) -> None:
    from mmkeras import heads as head_kinds

    model.compile(
        keras.optimizers.AdamW(),
        loss=head_kinds.losses(heads),
        loss_weights=head_kinds.loss_weights(heads),
        weighted_metrics=head_kinds.metrics(heads),
    )


if __name__ == "__main__":
    main()
