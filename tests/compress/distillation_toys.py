"""Models of ours with three heads, and samples for them."""

import keras
import numpy as np
from compiling import compiled

from mmkeras.fusion import Concat
from mmkeras.heads import Categories, Category, Number, losses, metrics
from mmkeras.model import build_model
from mmkeras.spec import DataSpec
from mmkeras.towers import vector_tower

HEADS = {"digit": Category(4), "tags": Categories(3), "size": Number(1.0, 2.0)}
TARGETS = {
    "digit": {"kind": "category", "column": "d", "classes": list("abcd")},
    "tags": {"kind": "categories", "column": "t", "classes": list("xyz")},
    "size": {"kind": "number", "column": "s", "unit": "m"},
}
SIZES = {"sight": 5, "sound": 6}


def spec(optional=("sound",)):
    modalities = {
        name: {
            "kind": "vector",
            "columns": [f"{name}{i}" for i in range(size)],
            "optional": name in optional,
        }
        for name, size in SIZES.items()
    }
    return DataSpec.from_dict(
        {"name": "toy", "modalities": modalities, "targets": TARGETS}
    )


def network(names=("sight", "sound"), units=16, seed=0, optional=("sound",)):
    """A model of ours that takes the named modalities."""
    keras.utils.set_random_seed(seed)
    chosen = spec(optional)
    if len(names) == 1:
        chosen = chosen.only(names[0])
    towers = {n: vector_tower(SIZES[n], n, units=units) for n in names}
    return build_model(chosen, towers, Concat(units, name="fusion"), HEADS)


def samples(count=40, seed=0):
    draw = np.random.default_rng(seed)
    x = {
        name: draw.normal(size=(count, size)).astype("float32")
        for name, size in SIZES.items()
    }
    x["present"] = np.ones((count, 1), "float32")
    x["present"][::5] = 0
    y = {
        "digit": draw.integers(0, 4, count).astype("int32"),
        "tags": draw.integers(0, 2, (count, 3)).astype("float32"),
        "size": draw.normal(size=count).astype("float32"),
    }
    return x, y


def ready(distiller, batch=None, **options):
    return compiled(
        distiller,
        batch or samples(),
        keras.optimizers.Adam(0.01),
        losses(HEADS),
        weighted_metrics=metrics(HEADS),
        **options,
    )
