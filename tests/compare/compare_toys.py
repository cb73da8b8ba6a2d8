"""Comparisons that were never trained: answers of which the truth is known."""

import numpy as np
from target_toys import target_of

from mmkeras.kinds import Audio, Image
from mmkeras.studies.compare import classes_of, figures_of, headlines_of

CLASSES = ["ant", "bee", "cat"]
TARGETS = {"animal": target_of("category", classes=CLASSES)}
MODALITIES = {
    "image": Image(kind="image", column="i", height=8, width=8),
    "sound": Audio(
        kind="audio", column="s", sample_rate_hz=8000, duration_sec=1
    ),
}
NOISE = {name: each.corruption() for name, each in MODALITIES.items()}
COUNTS = {"counts": {"ant": 60, "bee": 30, "cat": 10}}


def arm(name, modality=None):
    return {
        "name": name,
        "strategy": name if name in ("full", "component") else "full",
        "settings": {"epochs": 3},
        "modality": modality,
        "init": {},
    }


def toy(skills, seeds=5, fractions=(1.0,), samples=200, spread=0.0, draw=0):
    """Returns header, results and answers of a made-up comparison.

    Args:
        skills: Chance of a right answer by arm; an arm `x_alone` sees the
            modality x alone.
        seeds: How many seeds.
        fractions: Shares of labels; fewer lower every skill.
        samples: Test samples.
        spread: Deviation of a seed's skill.
        draw: Seed of the answers.
    """
    random = np.random.default_rng(draw)
    labels = random.integers(0, 3, samples)
    weights = np.ones(samples, "float32")
    # What makes a sample hard is the same for every run.
    hard = random.random(samples)
    results, outputs = [], {}
    for fraction in fractions:
        for name, skill in skills.items():
            for seed in range(seeds):
                chance = skill - 0.2 * (1 - fraction)
                chance += spread * random.normal()
                mixed = 0.5 * hard + 0.5 * random.random(samples)
                right = np.argsort(np.argsort(mixed)) < chance * samples
                said = np.eye(3)[np.where(right, labels, (labels + 1) % 3)]
                result = run_of(name, fraction, seed, said, labels, weights)
                outputs[fraction, name, seed] = said
                results.append(result)
    header = {
        "data": "zoo",
        "data_sha256": "0" * 64,
        "counts": {"train": 100, "validation": 50, "test": samples},
        "group": None,
        "groups": None,
        "kinds": {name: each.kind for name, each in MODALITIES.items()},
        "noise_units": {name: each.unit for name, each in NOISE.items()},
        "labels": [round(100 * fraction) for fraction in fractions],
        "batch_size": 10,
        "resamples": 200,
        "budget": {"kind": "steps", "value": 60},
        "seeds": list(range(seeds)),
        "fractions": list(fractions),
        "arms": [
            arm(n, n.removesuffix("_alone") if "_alone" in n else None)
            for n in skills
        ],
    }

    def answers(result, target):
        key = result["fraction"], result["arm"], result["seed"]
        return labels, outputs[key], weights

    return header, results, answers


def run_of(name, fraction, seed, said, labels, weights):
    """Returns what `train_arm` would have measured."""
    found = tuple({"animal": part} for part in (said, labels, weights))
    clean = headlines_of(found, TARGETS)
    value = clean["animal"]
    worse = [
        ({"absent": ["sound"], "name": "only image"}, {"animal": value - 0.1}),
        ({"absent": ["image"], "name": "only sound"}, {"animal": value - 0.3}),
    ]
    for modality, corruption in NOISE.items():
        for place, level in enumerate(corruption.levels):
            lower = {"animal": value - 0.05 * (place + 1)}
            worse.append(({"noise": modality, "level": level}, lower))
    late = 30 if name == "component" else 10
    return {
        "arm": name,
        "fraction": fraction,
        "seed": seed,
        "folder": f"runs/{fraction:g}/{name}/{seed}",
        "labels": round(100 * fraction),
        "spent": {
            "steps": 60,
            "samples": 600,
            "seconds": 12.0 if name == "component" else 8.0,
            "wall_seconds": 20.0,
            "longest_step_sec": 0.5,
            "multiply_adds": 3_000_000_000,
        },
        "curve": {
            "animal": [
                [steps, steps / 5, value * (1 - 5 / steps)]
                for steps in range(late, 61, 10)
            ]
        },
        "metrics": figures_of(found, TARGETS),
        "clean": clean,
        "classes": classes_of(found, TARGETS),
        "harder": worse,
    }
