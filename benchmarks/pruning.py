"""What zeros buy: download size, and no speed.

    python benchmarks/pruning.py RUN

`RUN` is a run's folder (`mmkeras train`). Its model is pruned without
structure while it is trained on, then its kernels are clustered and it is
trained a little more. Prints, for the int8 file of each: gzip size, test
accuracy of the file, and the time of one sample on one thread.
"""

import argparse
import gzip
import os
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def tune(model, data, heads, options, epochs: int, *callbacks) -> None:
    """Trains on, with what the callbacks hold."""
    from mmkeras.training import FullFineTune

    strategy = FullFineTune(
        epochs=epochs, learning_rate=options.learning_rate, tensorboard=False
    )
    start = time.perf_counter()
    strategy.fit(
        model, data, heads, callbacks=callbacks, seed=options.seed, verbose=2
    )
    print(f"{epochs} epochs in {time.perf_counter() - start:.0f} s")


def schedule_of(options, data):
    """Sparsity that has grown to its end after two thirds of the epochs."""
    from mmkeras.compress import PolynomialDecay
    from mmkeras.training.stages import count_batches

    frequency = 20
    turns = options.epochs * count_batches(data.train) * 2 // 3 // frequency
    return PolynomialDecay(
        0.0, options.sparsity, 0, max(turns, 1) * frequency, frequency=frequency
    )


def write_int8(model, samples, path: Path) -> Path:
    from mmkeras.export import quantize_tflite, to_tflite

    to_tflite(model, path.with_suffix(".float.tflite"))
    quantize_tflite(path.with_suffix(".float.tflite"), path, samples)
    return path


def accuracies(run, x: dict, y: dict, targets: dict) -> dict[str, float]:
    """Returns the accuracy of each category of a file."""
    from mmkeras.export import run_all

    output = run_all(run, x)
    return {
        name: float((output[name].argmax(-1) == y[name]).mean())
        for name, target in targets.items()
        if target.kind == "category"
    }


def compressed(options, data, heads):
    """Yields each step's name and model."""
    from mmkeras.compress import KeepClusters, Prune, cluster, sparsity
    from mmkeras.model import load_model

    model = load_model(options.run)
    yield "dense", model
    tune(
        model, data, heads, options, options.epochs,
        Prune(schedule_of(options, data), scope=options.scope),
    )  # fmt: skip
    print(f"zeros: {sparsity(model)['all']:.4f}")
    yield f"{options.sparsity:.0%} zeros", model
    model = cluster(model, options.clusters)
    tune(model, data, heads, options, options.last_epochs, KeepClusters())
    print(f"zeros: {sparsity(model)['all']:.4f}")
    yield f"and {options.clusters} clusters", model


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("run", type=Path)
    options.add_argument("--sparsity", type=float, default=0.8)
    options.add_argument("--scope", default="global")
    options.add_argument("--clusters", type=int, default=16)
    options.add_argument("--epochs", type=int, default=6)
    options.add_argument("--last-epochs", type=int, default=2)
    options.add_argument("--learning-rate", type=float, default=1e-3)
    options.add_argument("--seed", type=int, default=0)
    measure(options.parse_args())


def measure(options: argparse.Namespace) -> None:
    from mmkeras import artefact
    from mmkeras.compress import Changes
    from mmkeras.export import calibration, latencies_ms, open_file, take
    from mmkeras.runs import heads_of, open_data, recipe_of

    manifest = artefact.read_manifest(options.run, "run")
    data = open_data(manifest)
    plain = open_data(manifest, augment=False)
    recipe = recipe_of(manifest, data.spec)
    heads = heads_of(data.spec, data.statistics, recipe)
    samples = calibration(plain.train, data.spec)
    x, y, *_ = take(plain.test, data.spec, 2000)

    rows, runs, changes = {}, {}, None
    with tempfile.TemporaryDirectory() as folder:
        for step, model in compressed(options, data, heads):
            path = Path(folder, f"{len(rows)}.tflite")
            runs[step] = open_file(write_int8(model, samples, path))
            size = len(gzip.compress(path.read_bytes()))
            accuracy = accuracies(runs[step], x, y, data.spec.targets)
            rows[step] = {"bytes": size, **accuracy}
            print(step, rows[step], flush=True)
            if changes is None:
                changes = Changes(model, **accuracy)
            else:
                changes.add(step, model, **accuracy)
        times = latencies_ms(runs, x)
    print(changes.table())
    print_rows(rows, times, len(next(iter(y.values()))))


def print_rows(rows: dict, times: dict, count: int) -> None:
    """Prints the files side by side; the first is what they are held to."""
    first = next(iter(rows))
    print(f"\nint8 files, {count} test samples, one thread:")
    for step, row in rows.items():
        figures = [
            f"gzip {row['bytes'] / 1000:.1f} KB "
            f"({row['bytes'] / rows[first]['bytes']:.3f} of dense)",
            *(
                f"{name} {value:.4f} ({(value - rows[first][name]) * 100:+.2f})"
                for name, value in row.items()
                if name != "bytes"
            ),
            f"{times[step]:.3f} ms ({times[step] / times[first]:.2f})",
        ]
        print(f"  {step:18} {', '.join(figures)}")
    print("Zeros and clusters make the download smaller, and nothing faster.")


if __name__ == "__main__":
    main()
