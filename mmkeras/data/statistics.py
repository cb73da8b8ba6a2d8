"""Statistics that add up: a shard at a time, in any number of processes.

Pictures and sound are counted in whole numbers, so the sum is exact; vectors
are merged with Chan's formula, in the order of the shards.
"""

import math

import numpy as np

from mmkeras.spec import ModalitySpec


def of_sample(kind: str, value: np.ndarray) -> dict | None:
    """Returns the sums of one decoded sample; None for a kind without."""
    if kind == "image":
        flat = value.reshape(-1, value.shape[-1]).astype(np.int64)
    elif kind == "audio":
        flat = value.reshape(-1, 1).astype(np.int64)
    elif kind == "vector":
        flat = value.astype(np.float64)[None]
        return {"n": 1, "mean": flat[0].tolist(), "m2": [0.0] * flat.shape[1]}
    else:
        return None
    return {
        "n": len(flat),
        "sum": flat.sum(axis=0).tolist(),
        "squares": (flat * flat).sum(axis=0).tolist(),
    }


def merge(left: dict | None, right: dict | None) -> dict | None:
    """Adds two of the above; None stands for nothing yet."""
    if left is None or right is None:
        return left or right
    if "sum" in left:
        return {
            "n": left["n"] + right["n"],
            "sum": _add(left["sum"], right["sum"]),
            "squares": _add(left["squares"], right["squares"]),
        }
    n = left["n"] + right["n"]
    step = np.subtract(right["mean"], left["mean"])
    mean = left["mean"] + step * (right["n"] / n)
    m2 = np.add(left["m2"], right["m2"])
    m2 = m2 + step * step * (left["n"] * right["n"] / n)
    return {"n": n, "mean": mean.tolist(), "m2": m2.tolist()}


def finish(modality: ModalitySpec, sums: dict | None) -> dict:
    """Turns sums into what the manifest holds.

    Image: `mean` and `std` a channel, of x / 255. Audio: `mean` and `std` of
    samples in [-1, 1]. Vector: `mean` and `variance` a column, in raw units.
    Where the training split never has the modality, means are 0 and
    deviations 1.
    """
    width = {"image": modality.shape[-1], "audio": 1}
    size = width.get(modality.kind, modality.shape[0])
    mean, spread = [0.0] * size, [1.0] * size
    if modality.kind == "vector":
        if sums:
            mean = sums["mean"]
            spread = [m2 / sums["n"] for m2 in sums["m2"]]
        return {"mean": mean, "variance": spread}
    if sums:
        n, scale = sums["n"], 255 if modality.kind == "image" else 32768
        pairs = list(zip(sums["sum"], sums["squares"], strict=True))
        mean = [total / n / scale for total, _ in pairs]
        # Exact: whole numbers up to the root.
        spread = [
            math.sqrt(squares * n - total * total) / n / scale
            for total, squares in pairs
        ]
    if modality.kind == "audio":
        return {"mean": mean[0], "std": spread[0]}
    return {"mean": mean, "std": spread}


def of_targets(targets: dict, values: dict, weights: dict) -> dict:
    """Returns class counts, or mean and std, of the labelled samples.

    Args:
        targets: Target specs by name.
        values: Target arrays by name, first axis samples.
        weights: `(samples,)` a target; 0 where the label is missing.
    """
    found = {}
    for name, target in targets.items():
        there = np.asarray(values[name])[np.asarray(weights[name]) > 0]
        if target.kind == "number":
            found[name] = {
                "mean": float(there.mean()) if len(there) else 0.0,
                "std": float(there.std()) if len(there) else 1.0,
            }
            continue
        if target.kind == "category":
            counts = np.bincount(there, minlength=len(target.classes))
        else:
            counts = there.reshape(-1, len(target.classes)).sum(axis=0)
        found[name] = {
            "counts": {
                label: int(count)
                for label, count in zip(target.classes, counts, strict=True)
            }
        }
    return found


def _add(left: list[int], right: list[int]) -> list[int]:
    return [a + b for a, b in zip(left, right, strict=True)]
