"""What a fusion layer costs above its formula written out by hand.

    python benchmarks/fusion_overhead.py
    python benchmarks/fusion_overhead.py --batch 1 --only gated,mlp

Each layer and its formula in `keras.ops`, on the same weights, are compiled
by `tf.function` and called in turn on one thread. Prints the median times of
the processor, which others on the machine do not lengthen, and their ratio;
stops where the two differ by more than 1e-4.
"""

import argparse
import os
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def tower_outputs(batch: int, width: int, tokens: int) -> dict:
    """Returns what three towers would give."""
    import numpy as np
    import tensorflow as tf

    rng = np.random.default_rng(0)

    def draw(*shape):
        return tf.constant(rng.normal(size=shape).astype("float32"))

    return {
        name: {
            "vector": draw(batch, width),
            "tokens": draw(batch, tokens, width),
            "mask": tf.ones((batch, tokens)),
        }
        for name in ("audio", "image", "text")
    }


def compiled(function, *first):
    """Returns `function` of the tower outputs as one graph."""
    import tensorflow as tf

    @tf.function
    def run(f):
        return function(*first, f)

    return run


def medians(calls: list, rounds: int) -> list[float]:
    """Returns the median processor time of each call in us, called in turn."""
    import numpy as np

    times = np.zeros((rounds, len(calls)))
    for turn in range(rounds):
        # Who comes second finds the caches warm.
        for i in (range, lambda n: range(n - 1, -1, -1))[turn % 2](len(calls)):
            start = time.process_time()
            calls[i]()
            times[turn, i] = time.process_time() - start
    return list(np.median(times, axis=0) * 1e6)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--batch", type=int, default=32)
    options.add_argument("--units", type=int, default=64)
    options.add_argument("--rounds", type=int, default=400)
    options.add_argument("--only", help="methods, separated by commas")
    options = options.parse_args()

    import numpy as np
    import tensorflow as tf
    from fusion_formulas import FORMULAS
    from fusion_formulas_tokens import FORMULAS as OF_TOKENS

    from mmkeras.fusion import FUSIONS

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    f = tower_outputs(options.batch, options.units, tokens=8)
    formulas = {**FORMULAS, **OF_TOKENS}
    chosen = options.only.split(",") if options.only else list(formulas)
    print(f"{'fusion':24} {'layer':>8} {'by hand':>8}  ratio")
    for name in chosen:
        layer = FUSIONS.parts[name].build(options.units)
        layer(f)
        by_layer = compiled(layer)
        by_hand = compiled(formulas[name], layer)
        wanted = by_hand(f)
        np.testing.assert_allclose(by_layer(f), wanted, rtol=1e-4, atol=1e-4)
        calls = [lambda g=g: g(f).numpy() for g in (by_layer, by_hand)]
        medians(calls, 20)
        ours, plain = medians(calls, options.rounds)
        print(f"{name:24} {ours:8.0f} {plain:8.0f}  {ours / plain:5.2f}")


if __name__ == "__main__":
    main()
