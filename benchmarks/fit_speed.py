"""How much of the bare training step `model.fit(data.train)` keeps.

    python benchmarks/fit_speed.py DATA --model RECIPE.toml

Same model, same process, in turns: epochs of `model.fit` on the real pipeline
(read, shuffled, batched, augmented) against the same number of steps of the
compiled train step on one batch that lies in memory. Prints the median ratio.
"""

import argparse
import os
import statistics
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("data", help="folder of `mmkeras prepare`")
    options.add_argument("--model", required=True, help="TOML recipe")
    options.add_argument("--turns", type=int, default=7)
    options.add_argument("--no-augment", action="store_true")
    options = options.parse_args()

    import tensorflow as tf

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
        "adam",
        loss=head_kinds.losses(heads),
        loss_weights=head_kinds.loss_weights(heads),
        weighted_metrics=head_kinds.metrics(heads),
    )
    # Whole batches only, so that both sides do the same work a step.
    train = data.train.take(data.counts["train"] // data.batch_size)
    steps = int(train.reduce(0, lambda n, _: n + 1))
    batch = tf.data.Dataset.from_tensors(next(iter(train))).repeat()
    model.fit(train, epochs=1, shuffle=False, verbose=0)
    step, cached = model.train_function, iter(batch)
    step(cached)

    ratios = []
    for turn in range(options.turns):
        start = time.perf_counter()
        model.fit(train, epochs=1, shuffle=False, verbose=0)
        fit = steps / (time.perf_counter() - start)
        start = time.perf_counter()
        for _ in range(steps):
            step(cached)
        bare = steps / (time.perf_counter() - start)
        ratios.append(fit / bare)
        print(
            f"turn {turn}: fit {fit:.1f} steps/s, bare {bare:.1f} steps/s, "
            f"ratio {fit / bare:.3f}"
        )
    print(
        f"median ratio {statistics.median(ratios):.3f} "
        f"({min(ratios):.3f} to {max(ratios):.3f}), {steps} steps of "
        f"{data.batch_size} samples a turn"
    )


if __name__ == "__main__":
    main()
