"""Points lost by rounding after training, and by training with the rounding.

    python benchmarks/qat.py RUN --epochs 2 --seed 0

`RUN` is a folder that `mmkeras train` wrote; its data must still be there.
Each row is a `.tflite` file run on the whole test split: float32, then for 8
and for 4 bits of weights (activations have 8) the file whose ranges were
found with training samples, and the one of the model that trained on for a
few epochs with the rounding in place. Both take their ranges from the same
256 training samples: dropout and batch statistics widen what training learns.
"""

import argparse
import os
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

SHARED = ("FULLY_CONNECTED", "CONV_2D")
HEAVY = (*SHARED, "DEPTHWISE_CONV_2D", "GATHER")


def write_file(aware, path: Path, weight_bits: int) -> int:
    """Writes the integer file of an aware model; returns its bytes."""
    from ai_edge_quantizer import (
        algorithm_manager,
        qtyping,
        quantizer,
        recipe_manager,
    )

    from mmkeras.compress import file_ranges, strip_quantization
    from mmkeras.export import to_tflite

    source = path.with_suffix(".float.tflite")
    to_tflite(strip_quantization(aware), source)
    ranges, unknown = file_ranges(aware, source)
    if unknown:
        raise SystemExit(f"no range was learned for {unknown}")
    names = qtyping.TFLOperationName
    keep = algorithm_manager.AlgorithmName.NO_QUANTIZE
    recipe = recipe_manager.RecipeManager()
    for name in HEAVY:
        bits = weight_bits if name in SHARED else 8
        recipe.add_static_config(".*", names[name], 8, bits)
    loops = ".*(while|TensorList|TensorArray).*"
    recipe.add_quantization_config(loops, names.GATHER, algorithm_key=keep)
    recipe.add_quantization_config(
        ".*logmel.*", names.ALL_SUPPORTED, algorithm_key=keep
    )
    tool = quantizer.Quantizer(str(source))
    tool.load_quantization_recipe(recipe.get_quantization_recipe())
    result = tool.quantize(ranges, enable_progress_report=False)
    result.export_model(str(path), overwrite=True)
    return path.stat().st_size


def accuracies(path: Path, x: dict, y: dict) -> dict[str, float]:
    """Returns the share of right answers of each category, in percent."""
    from mmkeras.export import open_file, run_all

    found = run_all(open_file(path), x)
    return {
        name: 100 * float((found[name].argmax(-1) == labels).mean())
        for name, labels in y.items()
        if found[name].shape[-1] > 1
    }


def tune(aware, heads, data, epochs: int, rate: float) -> float:
    """Trains on with the rounding in place; returns the seconds it took."""
    import keras

    from mmkeras.heads import loss_weights, losses

    steps = epochs * -(-data.counts["train"] // data.batch_size)
    schedule = keras.optimizers.schedules.CosineDecay(rate, steps)
    aware.compile(
        optimizer=keras.optimizers.Adam(schedule),
        loss=losses(heads),
        loss_weights=loss_weights(heads),
        jit_compile=False,
    )
    start = time.perf_counter()
    aware.fit(data.train, epochs=epochs, verbose=2)
    return time.perf_counter() - start


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("run", type=Path)
    options.add_argument("--epochs", type=int, default=2)
    options.add_argument("--rate", type=float, default=2e-4)
    options.add_argument("--bits", type=int, nargs="+", default=[8, 4])
    options.add_argument("--seed", type=int, default=0)
    options = options.parse_args()

    import keras

    from mmkeras import artefact
    from mmkeras.compress import calibrate, quantize_aware
    from mmkeras.export import calibration, take, to_tflite
    from mmkeras.model import load_model
    from mmkeras.runs import heads_of, open_data, recipe_of

    manifest = artefact.read_manifest(options.run, "run")
    plain = open_data(manifest, augment=False)
    data = open_data(manifest)
    recipe = recipe_of(manifest, data.spec)
    data.batch_size = recipe.training.batch_size
    x, y, *_ = take(plain.test, plain.spec, plain.counts["test"])
    samples = calibration(plain.train, plain.spec, 256)
    heads = heads_of(data.spec, data.statistics, recipe)

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.tflite"
        to_tflite(load_model(options.run), path)
        floats = accuracies(path, x, y)
        size = path.stat().st_size
        print(f"float32: {floats}, {size / 1e3:.0f} kB", flush=True)
        for bits in options.bits:
            keras.utils.set_random_seed(options.seed)
            aware = quantize_aware(load_model(options.run), bits)
            calibrate(aware, samples)
            size = write_file(aware, path, bits)
            report(f"{bits} bits, after training", path, x, y, floats, size)
            seconds = tune(aware, heads, data, options.epochs, options.rate)
            calibrate(aware, samples)
            size = write_file(aware, path, bits)
            name = f"{bits} bits, in training ({seconds:.0f} s)"
            report(name, path, x, y, floats, size)


def report(name, path, x, y, floats, size) -> None:
    """Prints a row: accuracy, and points lost against float32."""
    for target, found in accuracies(path, x, y).items():
        lost = floats[target] - found
        print(
            f"{name}: {target} {found:.2f} %, {lost:+.2f} points lost, "
            f"{size / 1e3:.0f} kB",
            flush=True,
        )


if __name__ == "__main__":
    main()
