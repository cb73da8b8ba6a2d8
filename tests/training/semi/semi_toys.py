"""Pairs of real digits, two pictures of one class: few of them labelled."""

import csv
import zlib

import keras
import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

from mmkeras.data import load_data, prepare
from mmkeras.fusion import Concat
from mmkeras.heads import Category
from mmkeras.spec import DataSpec

CLASSES = 10
HEADS = {"digit": Category(CLASSES)}
NAMES = ("left", "right")
# A dense tower learns little from a picture that is moved about.
MILD = dict.fromkeys(
    NAMES, {"rotation_degrees": 5, "zoom": 0.05, "contrast": 0.1}
)


def write_digits(root, pairs=None, optional=False, only=None):
    """Writes so many pairs a class, or some 90; returns the spec.

    With `optional`, every fifth sample lacks its left picture; with `only`,
    the other training samples lack their label.
    """
    root.mkdir(parents=True)
    digits = load_digits(n_class=CLASSES)
    with open(root / "manifest.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", *NAMES, "digit", "split"])
        for digit in range(CLASSES):
            places = np.flatnonzero(digits.target == digit)
            for number, pair in enumerate(
                zip(places[:-1:2][:pairs], places[1::2][:pairs], strict=True)
            ):
                names = []
                for side, place in zip(NAMES, pair, strict=True):
                    names.append(f"{digit}-{number}-{side}.png")
                    pixels = (digits.images[place] * 15).astype(np.uint8)
                    Image.fromarray(pixels).save(root / names[-1])
                if optional and number % 5 == 0:
                    names[0] = ""
                name = f"{digit}-{number}"
                hidden = only is not None and name not in only
                label = "" if hidden and _trains(name) else digit
                split = "train" if _trains(name) else "test"
                if split == "test" and number % 3 == 0:
                    split = "validation"
                writer.writerow([name, *names, label, split])
    picture = {"kind": "image", "height": 8, "width": 8, "channels": 1}
    return DataSpec.from_dict({
        "name": "digits",
        "data": {"root": str(root), "id_column": "id"},
        "split": {"method": "column", "column": "split"},
        "modalities": {
            "left": {**picture, "column": "left", "optional": optional},
            "right": {**picture, "column": "right"},
        },
        "targets": {
            "digit": {"kind": "category", "column": "digit",
                      "classes": [str(c) for c in range(CLASSES)]},
        },
    })  # fmt: skip


def _trains(name):
    # A split that does not depend on the labels.
    return zlib.crc32(name.encode()) % 10 < 7


def prepared(folder, **arguments):
    """Prepares the pairs in `folder`; returns the folder of the data."""
    spec = write_digits(folder / "root", **arguments)
    prepare(spec, folder / "data", workers=1)
    return folder / "data"


def few_labels(folder, seed, fraction=None, augment=True, times=1):
    """Returns data with two labels a class, each so often an epoch."""
    data = load_data(folder, batch_size=32, seed=seed, augment=augment)
    share = fraction or 2 * CLASSES / data.counts["train"]
    few = data.with_labels(share, seed)
    few.train = few.shuffled(times)
    few.validation = few.everything.validation = None
    return few


def tower(name):
    x = keras.Input((8, 8, 1), name=name)
    y = keras.layers.Rescaling(1 / 255)(keras.layers.Flatten()(x))
    y = keras.layers.Dense(48, activation="relu")(y)
    outputs = {
        "vector": y,
        "tokens": keras.layers.Reshape((1, 48))(y),
        "mask": keras.ops.ones_like(y[:, :1]),
    }
    return keras.Model(x, outputs, name=f"{name}_tower")


def digit_model(seed, optional=False):
    keras.utils.set_random_seed(seed)
    inputs = {name: keras.Input((8, 8, 1), name=name) for name in NAMES}
    features = {name: tower(name)(x) for name, x in inputs.items()}
    present = {}
    if optional:
        inputs["present"] = keras.Input((1,), name="present")
        present = {"left": inputs["present"]}
    fused = Concat(16, name="fusion")(features, present=present)
    return keras.Model(inputs, {"digit": HEADS["digit"](fused, "digit")})


def accuracy(model, data):
    """Returns the share of the test split that `model` gets right."""
    right = count = 0
    for x, y, _ in data.test:
        found = np.asarray(model.predict_on_batch(x)["digit"]).argmax(-1)
        right += (found == y["digit"].numpy()).sum()
        count += len(found)
    return right / count
