"""Every tower with every fusion in every format, beside Keras' own export.

    python benchmarks/export_matrix.py [--models PART ...] [--all]

Says of each file whether it was written, whether plain LiteRT or ONNX Runtime
runs it, whether it decides as Keras does (float32: equal within 1e-4), its
size, and the median latency of one sample on one thread. Float32 is compared
with `model.export(format="litert")` and `model.export(format="onnx")` on the
same models. Each exporter runs in a process of its own, for at most 60 s a
file; what a crash leaves unsaid counts as not converted. The weights are
random, so `agrees` of int8 is a signal-to-noise ratio of 20 dB or more.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

# Format and recipe of a file.
KINDS = (
    ("tflite", "float32"), ("tflite", "float16"), ("tflite", "dynamic"),
    ("tflite", "int8-heavy"), ("tflite", "int8-full"), ("tflite", "int16x8"),
    ("onnx", "float32"), ("onnx", "int8"),
)  # fmt: skip
# By exporter, what Keras calls the format, and what is made.
EXPORTERS = {
    "mmkeras": (None, KINDS),
    "keras litert": ("litert", (("tflite", "float32"),)),
    "keras onnx": ("onnx", (("onnx", "float32"),)),
}
LIMIT_SEC = 60
TOWERS = (
    "image cnn", "image resnet18", "audio cnn", "audio gru",
    "text transformer", "text phrases", "text gru", "text gru one way",
    "vector",
)  # fmt: skip
FUSIONS = ("concat", "gated", "cross_attention")


def build(name: str):
    """A tower that may be absent, a small table beside it, and a fusion."""
    import keras

    from mmkeras import fusion, towers

    tower, _, method = name.partition(" + ")
    made = {
        "image cnn": lambda: towers.image_tower(28, 28, 1),
        "image resnet18": lambda: towers.image_tower(
            64, 64, 3, variant="resnet18"
        ),
        "audio cnn": lambda: towers.audio_tower(16000, 16000),
        "audio gru": lambda: towers.audio_tower(16000, 16000, variant="gru"),
        "text transformer": lambda: towers.text_tower(64, 8000),
        "text phrases": lambda: towers.text_tower(64, 8000, phrase=3, stride=2),
        "text gru": lambda: towers.text_tower(64, 8000, variant="gru"),
        "text gru one way": lambda: towers.text_tower(
            64, 8000, variant="gru", bidirectional=False
        ),
        "vector": lambda: towers.vector_tower(8),
    }
    join = {
        "concat": fusion.Concat,
        "gated": fusion.Gated,
        "cross_attention": fusion.CrossAttention,
    }
    keras.utils.set_random_seed(0)
    parts = {"table": towers.vector_tower(4, name="table")}
    one = made[tower]()
    parts[one.inputs[0].name] = one
    inputs = {
        key: keras.Input(
            part.inputs[0].shape[1:], dtype=part.inputs[0].dtype, name=key
        )
        for key, part in sorted(parts.items())
    }
    features = {key: parts[key](inputs[key]) for key in inputs}
    present = keras.Input((1,), name="present")
    x = join[method](64)(features, present={one.inputs[0].name: present})
    y = keras.layers.Dense(10, "softmax", name="label")(x)
    return keras.Model({**inputs, "present": present}, {"label": y})


def samples(model, count: int = 32) -> dict:
    """Random inputs of the right kind."""
    import numpy as np

    rng, found = np.random.default_rng(0), {}
    for tensor in model.inputs:
        shape = (count, *tensor.shape[1:])
        if tensor.name == "present":
            found[tensor.name] = (rng.random(shape) < 0.9).astype("float32")
        elif tensor.dtype == "float32":
            found[tensor.name] = rng.normal(0, 0.3, shape).astype("float32")
        else:
            top = 256 if tensor.dtype == "uint8" else 8000
            found[tensor.name] = rng.integers(1, top, shape, tensor.dtype)
    return found


def writer(model, x: dict, folder: Path) -> Callable[[str, str], Path]:
    """Returns what writes each of our files."""
    from mmkeras.export import FORMATS, ConversionContext

    made, floats = ConversionContext(folder, model, x), {}

    def write(format: str, recipe: str) -> Path:
        form = FORMATS[format]
        if format not in floats:
            floats[format] = form.convert(made)
        if recipe == floats[format].recipe:
            return floats[format].path
        return form.quantize(floats[format], recipe, made).path

    return write


def work(exporter: str, name: str) -> Iterator[dict]:
    """Writes, runs and compares the files of one exporter, one by one."""
    model = build(name)
    x = samples(model)
    wanted = model.predict(x, verbose=0)["label"]
    theirs, kinds = EXPORTERS[exporter]
    with tempfile.TemporaryDirectory() as folder:
        write = writer(model, x, Path(folder))
        if theirs is not None:

            def write(format: str, recipe: str) -> Path:
                path = Path(folder) / f"{recipe}.{format}"
                model.export(str(path), format=theirs, verbose=False)
                return path

        for kind in kinds:
            start = time.perf_counter()
            entry = {"kind": kind}
            try:
                path = write(*kind)
                entry |= {"seconds": time.perf_counter() - start,
                          "bytes": path.stat().st_size}  # fmt: skip
                entry |= compare(path, x, wanted, kind[1] == "float32")
            except Exception as error:  # each exporter has its own
                entry["error"] = " ".join(str(error).split())[:300]
            yield entry


def compare(path: Path, x: dict, wanted, exact: bool) -> dict:
    """Runs a file over the samples; returns agreement and latency."""
    import numpy as np

    from mmkeras.export import (
        decibels,
        latencies_ms,
        noise_ratio,
        open_file,
        run_all,
    )

    run = open_file(path)
    # Keras' own exporters number the outputs.
    found = next(iter(run_all(run, x).values()))
    if exact:
        agrees = bool(np.abs(found - wanted).max() <= 1e-4)
    else:
        ratio = noise_ratio({"y": wanted}, {"y": found})
        agrees = decibels(ratio) >= 20
    return {"agrees": agrees, "ms": latencies_ms({"it": run}, x, 1.0)["it"]}


def measure(exporter: str, name: str) -> list[dict]:
    """Runs `work` in a process of its own; returns what it said."""
    command = [sys.executable, __file__, "--work", exporter, name]
    _, kinds = EXPORTERS[exporter]
    limit = LIMIT_SEC * len(kinds)
    how = "wrote nothing"
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=limit
        )
        said = done.stdout
        if done.returncode:
            how = f"the process ended with {done.returncode}"
    except subprocess.TimeoutExpired as error:
        said, how = (error.stdout or b"").decode(), f"took over {limit} s"
    lines = [x for x in said.splitlines() if x.startswith('{"kind"')]
    entries = {tuple(e["kind"]): e for e in map(json.loads, lines)}
    return [entries.get(kind, {"kind": kind, "error": how}) for kind in kinds]


def row(name: str, exporter: str, entry: dict) -> str:
    """Returns a line of the table."""
    converts, runs = "bytes" in entry, "ms" in entry
    cells = [
        "yes" if converts else "no",
        "yes" if runs else "no",
        ("yes" if entry["agrees"] else "NO") if runs else "-",
        f"{entry['bytes'] / 1000:,.0f}" if converts else "-",
        f"{entry['ms']:.3f}" if runs else "-",
        f"{entry['seconds']:.1f}" if converts else "-",
    ]
    return (
        f"{name:35}{exporter:14}{' '.join(entry['kind']):19}"
        + "".join(f"{cell:>9}" for cell in cells)
        + (f"  {entry['error'][:150]}" if "error" in entry else "")
    )


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--models", nargs="+", help="parts of names")
    options.add_argument(
        "--all", action="store_true", help="every pair, not each tower once"
    )
    options.add_argument("--work", nargs=2, help=argparse.SUPPRESS)
    options = options.parse_args()
    if options.work:
        for entry in work(*options.work):
            print(json.dumps(entry), flush=True)
        return

    pairs = [(tower, method) for tower in TOWERS for method in FUSIONS]
    once = set(zip(TOWERS, FUSIONS * len(TOWERS)))
    names = [
        f"{tower} + {method}"
        for tower, method in pairs
        if options.all or options.models or (tower, method) in once
    ]
    if options.models:
        names = [n for n in names if any(part in n for part in options.models)]
    heads = ("converts", "runs", "agrees", "kB", "ms", "sec")
    print(
        f"{'model':35}{'exporter':14}{'format':19}"
        + "".join(f"{head:>9}" for head in heads)
    )
    for name in names:
        for exporter in EXPORTERS:
            for entry in measure(exporter, name):
                print(row(name, exporter, entry), flush=True)


if __name__ == "__main__":
    main()
