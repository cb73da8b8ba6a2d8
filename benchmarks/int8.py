"""Size and speed of int8 against float32, on models of real sizes.

    python benchmarks/int8.py [--models NAME ...]

The weights are random: neither size nor speed depends on them, and what int8
costs in accuracy is on the card of every bundle. Both files of a model take
turns on one thread. The last column is what a convolution tower reaches of
the multiply-adds a second of one large convolution in the same runtime.
"""

import argparse
import os
import tempfile
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

from mmkeras import fusion, towers
from mmkeras.compress import multiply_adds
from mmkeras.export import latencies_ms, open_file, quantize_tflite, to_tflite


def joined(**parts) -> keras.Model:
    """Towers, a gate where there are several, and ten classes."""
    inputs = {
        name: keras.Input(
            part.input_shape[1:], dtype=part.inputs[0].dtype, name=name
        )
        for name, part in parts.items()
    }
    features = {name: parts[name](inputs[name]) for name in parts}
    if len(features) > 1:
        x = fusion.Gated(128)(features)
    else:
        x = next(iter(features.values()))["vector"]
    return keras.Model(
        inputs, {"label": keras.layers.Dense(10, "softmax", name="label")(x)}
    )


def one_convolution() -> keras.Model:
    x = keras.Input((56, 56, 128), name="image")
    y = keras.layers.Conv2D(128, 3, padding="same", use_bias=False)(x)
    return keras.Model({"image": x}, {"label": y})


def words(**arguments) -> keras.Model:
    return towers.text_tower(64, 8000, units=128, **arguments)


MODELS = {
    "one convolution": one_convolution,
    "image cnn": lambda: joined(
        image=towers.image_tower(96, 96, 3, filters=32, depth=4)
    ),
    "image resnet18": lambda: joined(
        image=towers.image_tower(128, 128, 3, variant="resnet18")
    ),
    "audio cnn": lambda: joined(audio=towers.audio_tower(32000, 16000)),
    "text transformer": lambda: joined(text=words(depth=2)),
    "text gru": lambda: joined(text=words(variant="gru")),
    "audio gru": lambda: joined(
        audio=towers.audio_tower(32000, 16000, variant="gru")
    ),
    "resnet18 + transformer": lambda: joined(
        image=towers.image_tower(128, 128, 3, variant="resnet18"),
        text=words(depth=2),
    ),
}
CONVOLUTIONS = ("one convolution", "image cnn", "image resnet18")


def samples(model: keras.Model, count: int) -> dict[str, np.ndarray]:
    """Random inputs of the right kind."""
    rng = np.random.default_rng(0)
    found = {}
    for tensor in model.inputs:
        shape = (count, *tensor.shape[1:])
        if tensor.dtype == "float32":
            found[tensor.name] = rng.normal(0, 0.2, shape).astype("float32")
        else:
            top = 256 if tensor.dtype == "uint8" else 8000
            found[tensor.name] = rng.integers(1, top, shape, tensor.dtype)
    return found


def measure(name: str, folder: Path, budget_sec: float) -> dict[str, float]:
    """Converts a model both ways; returns bytes, milliseconds and GMAC/s."""
    keras.utils.set_random_seed(0)
    model = MODELS[name]()
    x = samples(model, 16)
    source, target = folder / "float.tflite", folder / "int8.tflite"
    to_tflite(model, source)
    quantize_tflite(source, target, x)
    runs = {"float32": open_file(source), "int8": open_file(target)}
    times = latencies_ms(runs, x, budget_sec)
    work = multiply_adds(model) / 1e6
    return {
        "float32_kb": source.stat().st_size / 1000,
        "size": target.stat().st_size / source.stat().st_size,
        "float32_ms": times["float32"],
        "speed": times["float32"] / times["int8"],
        "gmacs": work / times["int8"],
    }


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument(
        "--models", nargs="+", choices=MODELS, default=list(MODELS)
    )
    options.add_argument("--seconds", type=float, default=8.0)
    options = options.parse_args()
    names = dict.fromkeys(["one convolution", *options.models])

    print(
        f"{'model':24}{'float32 kB':>12}{'int8 size':>11}{'float32 ms':>12}"
        f"{'int8 speed':>12}{'GMAC/s':>9}{'of bare':>9}"
    )
    bare = None
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            found = measure(name, Path(folder), options.seconds)
        bare = bare or found["gmacs"]
        share = f"{found['gmacs'] / bare:.2f}" if name in CONVOLUTIONS else ""
        print(
            f"{name:24}{found['float32_kb']:12,.0f}{found['size']:11.3f}"
            f"{found['float32_ms']:12.2f}{found['speed']:11.2f}x"
            f"{found['gmacs']:9.1f}{share:>9}",
            flush=True,
        )


if __name__ == "__main__":
    main()
