"""How often a comparison calls equal arms different, at 5 %.

Two arms of the same skill, many times. A run's figure is the mean of its test
samples, and three things vary: the skill of a seed, what makes a sample (or a
whole group of them) hard for one arm more than for the other, and the rest.
All are drawn from normal distributions over a range of spreads; what is
counted is how often 0 is outside of the 95 % interval of `paired`, as
`mmkeras compare` calls it with two arms.

    python benchmarks/false_positives.py

prints a row for each number of seeds and of groups.
"""

import argparse
import itertools

import numpy as np

from mmkeras.metrics import draws, paired

# Deviations between seeds, and between samples or groups, of a figure whose
# samples deviate by 1 from each other.
OF_SEEDS = (0.0, 0.02, 0.1, 0.5)
OF_UNITS = (0.0, 0.1, 0.3, 1.0)
SAMPLES = 200
RESAMPLES = 200


def count(seeds: int, groups: int | None, repeats: int, draw) -> float:
    """Returns the largest share of false positives over the spreads.

    Args:
        seeds: Of each arm.
        groups: That the samples fall into; None for single samples.
        repeats: For each pair of spreads.
        draw: NumPy's generator.
    """
    units = groups or SAMPLES
    of = None if groups is None else np.arange(SAMPLES) % groups
    counts = np.concatenate(list(draws(SAMPLES, RESAMPLES, 0, of)))
    shares = counts / counts.sum(axis=1, keepdims=True)
    found = []
    for of_seeds, of_units in itertools.product(OF_SEEDS, OF_UNITS):
        wrong = 0
        for _ in range(repeats):
            hard = draw.normal(0, of_units, (2, 1, units))
            hard = hard if of is None else hard[..., of]
            runs = draw.normal(0, of_seeds, (2, seeds, 1)) + hard
            runs = runs + draw.normal(0, 1, (2, seeds, SAMPLES))
            first, second = runs.mean(axis=2)
            row = paired(first, second, *(runs @ shares.T), units)
            wrong += not row["low"] <= 0 <= row["high"]
        found.append(wrong / repeats)
    return max(found)


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--repeats", type=int, default=4000)
    options = parser.parse_args()
    draw = np.random.default_rng(0)
    error = 1.96 * np.sqrt(0.05 * 0.95 / options.repeats)
    pairs = len(OF_SEEDS) * len(OF_UNITS)
    print(f"largest share over {pairs} pairs of spreads, {options.repeats}")
    print(f"repeats each (+- {error:.3f}), of single samples and of groups")
    print("seeds  samples  8 groups  12 groups  30 groups")
    for seeds in (2, 3, 4, 5, 10):
        one, *others = [
            count(seeds, groups, options.repeats, draw)
            for groups in (None, 8, 12, 30)
        ]
        rest = "  ".join(f"{each:9.3f}" for each in others)
        print(f"{seeds:5d}  {one:7.3f} {rest}", flush=True)


if __name__ == "__main__":
    main()
