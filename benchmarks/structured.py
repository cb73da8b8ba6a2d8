"""What removing channels buys: latency, size and accuracy of a trained run.

    python benchmarks/structured.py RUN --target 0.5 --steps 2 --epochs 2
    python benchmarks/structured.py

Removes channels of the run's model down to a share of its multiply-adds,
fine-tunes after each step, and prints it beside the model it came from: as
float32 and int8 TFLite file, latencies on one thread, measured in turn.
Without a run it takes an untrained ResNet-18 with a text transformer, for
sizes and latencies only.
"""

import argparse
import os
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def fine_tune(options, data, heads):
    """Returns `fit`: a few epochs on the run's own data."""
    from mmkeras.training import FullFineTune

    strategy = FullFineTune(
        epochs=options.epochs,
        learning_rate=options.learning_rate,
        warmup_epochs=0.25,
        tensorboard=False,
    )

    def fit(model):
        start = time.perf_counter()
        strategy.fit(model, data, heads, verbose=2)
        print(f"fine-tuned for {time.perf_counter() - start:.0f} s")

    return fit


def accuracy(predict, x, y) -> float:
    """Returns the share of right answers for the first category target."""
    target = sorted(y)[0]
    return float((predict(x)[target].argmax(-1) == y[target]).mean())


def files_of(name, model, samples, folder: Path) -> dict:
    """Converts a model; returns its files."""
    from mmkeras.export import quantize_tflite, to_tflite

    plain, small = (folder / f"{name}-{k}.tflite" for k in ("float32", "int8"))
    to_tflite(model, plain)
    quantize_tflite(plain, small, samples)
    return {f"{name} float32": plain, f"{name} int8": small}


def table(models, files, x, y, budget_sec) -> None:
    """Prints accuracy, size and latency, and their share of the original."""
    from mmkeras.compress import multiply_adds
    from mmkeras.export import latencies_ms, open_file, run_all

    runs = {name: open_file(path) for name, path in files.items()}
    times = latencies_ms(runs, x, budget_sec)
    size = {name: path.stat().st_size for name, path in files.items()}
    first = next(iter(files))
    print("\n| file | accuracy | KB | share | ms | share |\n|-|-|-|-|-|-|")
    for name, run in runs.items():
        right = accuracy(lambda x, run=run: run_all(run, x), x, y)
        print(
            f"| {name} | {100 * right:.2f} | {size[name] / 1000:.1f} | "
            f"{size[name] / size[first]:.3f} | {times[name]:.4f} | "
            f"{times[name] / times[first]:.3f} |"
        )
    base = multiply_adds(models["original"])
    for name, model in models.items():
        count = multiply_adds(model)
        print(
            f"{name}: {model.count_params():,} parameters, {count:,} "
            f"multiply-adds ({count / base:.3f})"
        )


def large_model():
    """Returns an untrained ResNet-18 beside a text transformer, and a spec."""
    from mmkeras import Category, DataSpec, Gated, build_model
    from mmkeras.towers import image_tower, text_tower

    image = {"kind": "image", "column": "image"}
    image |= {"height": 96, "width": 96, "channels": 3}
    text = {"kind": "text", "column": "text"}
    text |= {"max_tokens": 64, "vocabulary_size": 2000}
    target = {"kind": "category", "column": "c", "classes": list("abcdefghij")}
    spec = DataSpec.from_dict(
        {
            "name": "large",
            "modalities": {"image": image, "text": text},
            "targets": {"c": target},
        }
    )
    towers = {
        "image": image_tower(96, 96, 3, variant="resnet18", units=128),
        "text": text_tower(64, 2000, units=128, depth=2),
    }
    return build_model(spec, towers, Gated(128), {"c": Category(10)})


def measure_untrained(options) -> None:
    """Sizes and latencies only; the labels are what the model says."""
    import numpy as np

    from mmkeras.compress import prune_channels

    rng = np.random.default_rng(0)
    model = large_model()
    x = {
        "image": rng.integers(0, 256, (16, 96, 96, 3)).astype("uint8"),
        "text": rng.integers(1, 2000, (16, 64)).astype("int32"),
    }
    small = prune_channels(
        model, options.target, multiple=options.multiple, report=print
    )
    y = {"c": model.predict(x, verbose=0)["c"].argmax(-1)}
    compare({"original": model, "pruned": small}, x, x, y, options.budget_sec)


def compare(models, samples, x, y, budget_sec) -> None:
    with tempfile.TemporaryDirectory() as folder:
        files = {}
        for name, each in models.items():
            files |= files_of(name, each, samples, Path(folder))
        table(models, files, x, y, budget_sec)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("run", type=Path, nargs="?")
    options.add_argument("--target", type=float, default=0.5)
    options.add_argument("--importance", default="taylor")
    options.add_argument("--steps", type=int, default=2)
    options.add_argument("--epochs", type=int, default=2)
    options.add_argument("--learning-rate", type=float, default=1e-3)
    options.add_argument("--multiple", type=int, default=8)
    options.add_argument("--budget-sec", type=float, default=8.0)
    options = options.parse_args()
    if options.run is None:
        measure_untrained(options)
    else:
        measure_run(options)


def measure_run(options) -> None:
    from mmkeras import artefact, build_from_recipe, load_model
    from mmkeras.compress import prune_channels
    from mmkeras.export import calibration, take
    from mmkeras.heads import losses
    from mmkeras.runs import open_data

    manifest = artefact.read_manifest(options.run, "run")
    model, data = load_model(options.run), open_data(manifest)
    spec = data.spec
    _, heads = build_from_recipe(spec, data.statistics, manifest["recipe"])
    x, y, *_ = take(data.test, spec, 10**6)
    samples = calibration(open_data(manifest, augment=False).train, spec)
    small = prune_channels(
        model,
        options.target,
        importance=options.importance,
        data=data.train.unbatch().batch(16).take(100),
        loss=losses(heads),
        steps=options.steps,
        fit=fine_tune(options, data, heads) if options.epochs else None,
        multiple=options.multiple,
        report=print,
    )
    models = {"original": model, "pruned": small}
    compare(models, samples, x, y, options.budget_sec)


if __name__ == "__main__":
    main()
