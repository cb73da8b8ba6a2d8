"""Makes the golden fixtures: what mmkeras wrote at commit 34124d9.

    git worktree add ../golden 34124d9
    cd ../golden && python .../tests/golden/make.py FOLDER

The files of FOLDER were then committed here, and are not made again: they are
what people have on their disks, and `test_golden.py` holds that they still
work. A figure that a later commit corrects is not edited either; it gets an
entry in `corrected` of `figures.json`: `{path: {"value": ..., "why": ...}}`.

    raw.tar.xz        60 samples of every kind of modality, and their spec
    data.tar.xz       what `prepare` made of them
    full.tar.xz       a run of the strategy full, a recipe of rare keys
    component.tar.xz  a run of the strategy component, a recipe as usual
    half.tar.xz       the same training, killed in its last epoch
    bundle.tar.xz     the second run, exported to int8, with its runner
    figures.json      specs, statistics, shards, evaluations, answers
    arrays.npz        predictions, and what they were made from
    layers.json       every registered name, and a configuration of each layer
"""

import csv
import hashlib
import importlib
import io
import json
import os
import pkgutil
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import tomllib
import wave
from pathlib import Path

import numpy as np

SPEC = """\
name = "golden"

[data]
root = "."
id_column = "id"

[split]
method = "column"
column = "split"

[modalities.photo]
kind = "image"
column = "photo"
height = 16
width = 16

[modalities.sound]
kind = "audio"
column = "sound"
optional = true
sample_rate_hz = 4000
duration_sec = 0.2

[modalities.note]
kind = "text"
column = "note"
max_tokens = 8
vocabulary_size = 80

[modalities.table]
kind = "vector"
columns = ["age", "mass"]
categorical = ["colour"]

[modalities.motion]
kind = "series"
column = "motion"
optional = true
channels = ["x", "y"]
sample_rate_hz = 25
file_rate_hz = 50
duration_sec = 1.28

[modalities.film]
kind = "video"
column = "film"
height = 16
width = 16
channels = 1
frames = 4

[modalities.scan]
kind = "volume"
column = "scan"
depth = 8
height = 8
width = 8
spacing_mm = [2, 2, 2]
window_low = -100
window_high = 900

[targets.side]
kind = "category"
column = "side"
classes = ["left", "right"]

[targets.tags]
kind = "categories"
column = "tags"
classes = ["big", "red", "old"]

[targets.grade]
kind = "ordinal"
column = "grade"
classes = ["low", "mid", "high"]
weight = 0.5

[targets.moves]
kind = "sequence"
column = "moves"
steps = 4
modality = "note"
classes = ["rest", "walk", "run"]

[targets.size]
kind = "number"
column = "size"
unit = "mm"

[targets.who]
kind = "embedding"
column = "who"
"""
# Keys that few recipes have, each other than its default.
FULL = """\
modality_dropout = 0.2

[towers.photo]
variant = "vit"
units = 8
filters = 4
depth = 1
patch = 4
heads = 2

[towers.sound]
units = 8
width = 4
depth = 2
mel_bands = 12
features = "mfcc"
coefficients = 8

[towers.note]
variant = "gru"
units = 8
bidirectional = false

[towers.table]
variant = "ft_transformer"
units = 8
heads = 2

[towers.motion]
variant = "tcn"
units = 8
width = 4
depth = 2
stride = 2

[towers.film]
variant = "attention"
units = 8
frame_tower = { filters = 4, depth = 2 }

[towers.scan]
variant = "resnet"
units = 8
filters = 4
stages = 2

[fusion]
method = "bottleneck"
units = 8

[heads.side]
class_weights = "balanced"
focal_gamma = 2.0
dropout = 0.1

[heads.tags]
label_smoothing = 0.05

[heads.moves]
units = 4

[heads.size]
huber_delta = 1.0

[heads.who]
units = 4
objective = "siglip"

[augment.photo]
translation = 0.1
rotation_degrees = 5

[augment.sound]
shift_sec = 0.02
gain_db = 3

[training]
batch_size = 12
learning_rate = 0.003
weight_decay = 0.02
balance = "uncertainty"
tensorboard = false
ema_momentum = 0.9
accumulate_steps = 2
layer_decay = 0.9

[training.full]
epochs = 2
freeze = ["film_tower/*"]
"""
# As in data_specs/recipes.
COMPONENT = """\
modality_dropout = 0.15

[towers.photo]
filters = 4
depth = 2
units = 8

[towers.sound]
units = 8
mel_bands = 12
width = 4
depth = 2
dropout = 0.1

[towers.note]
units = 8
depth = 1

[towers.table]
units = 8

[towers.motion]
units = 8
width = 4
depth = 2

[towers.film]
units = 8
frame_tower = { filters = 4, depth = 2 }

[towers.scan]
units = 8
filters = 4
stages = 2

[fusion]
method = "gated"
units = 8

[heads.side]
label_smoothing = 0.05

[heads.who]
units = 4

[augment.photo]
translation = 0.07

[augment.sound]
gain_db = 3

[training]
batch_size = 12
learning_rate = 0.003
warmup_epochs = 1
tensorboard = false
checkpoint_share = 1.0

[training.full]
epochs = 2

[training.component]
tower_epochs = 1
fusion_epochs = 1
epochs = 2
fine_tune_learning_rate = 0.001
"""
RECIPES = {"full": FULL, "component": COMPONENT}
SAMPLES = 60
WORDS = {"rest": "calm", "walk": "left", "run": "fast"}


def write_raw(folder: Path) -> Path:
    """Writes files, manifest, spec and recipes; returns the spec's path."""
    import nibabel
    from PIL import Image

    folder.mkdir(parents=True)
    rows = []
    for i in range(SAMPLES):
        rng = np.random.default_rng([7, i])
        a, b, c = rng.uniform(-1, 1, 3)
        pixels = rng.integers(0, 24, (16, 16, 3)) + int(90 * (a + 1))
        pixels[4:12, 4:12, 0] += int(20 * (b + 1))
        photo = Image.fromarray(pixels.astype(np.uint8))
        photo.save(folder / f"p{i:02}.png")
        if i % 8:
            _write_wav(folder / f"s{i:02}.wav", 400 + 300 * b, rng)
        t = np.arange(64) / 50
        motion = np.stack([np.sin(2 * np.pi * (2 + c) * t), a + 0 * t], 1)
        motion += rng.normal(0, 0.05, motion.shape)
        motion[10 : 10 + i % 5] = np.nan
        if i % 7:
            np.save(folder / f"m{i:02}.npy", motion.astype("float32"))
        (folder / f"f{i:02}.avi").write_bytes(_film(100 + 40 * a, 10 * b))
        z, y, x = np.ogrid[:8, :8, :8]
        body = 300 + 40 * (a * z + b * y + c * x) + 0 * (z + y + x)
        sides = np.diag([2.0, 2.0, 2.0, 1.0])
        scan = nibabel.Nifti1Image(body.astype(np.int16).T, sides)
        scan.header.set_xyzt_units("mm")
        (folder / f"v{i:02}.nii").write_bytes(scan.to_bytes())
        rows.append(_row(i, a, b, c, rng))
    with open(folder / "manifest.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    (folder / "spec.toml").write_text(SPEC)
    for name, text in RECIPES.items():
        (folder / f"{name}.toml").write_text(text)
    return folder / "spec.toml"


def _row(i: int, a: float, b: float, c: float, rng) -> dict:
    moves = rng.choice(list(WORDS), 4)
    row = {
        "id": f"g{i:02}",
        "photo": f"p{i:02}.png",
        "sound": f"s{i:02}.wav" if i % 8 else "",
        "note": " ".join(WORDS[move] for move in moves) + " again",
        "age": f"{40 + 20 * a:.2f}" if i % 11 else "",
        "mass": f"{70 + 9 * c:.2f}",
        "colour": ["red", "green", "blue", ""][i % 4] if i != 9 else "once",
        "motion": f"m{i:02}.npy" if i % 7 else "",
        "film": f"f{i:02}.avi",
        "scan": f"v{i:02}.nii",
        "side": "left" if a < 0 else "right",
        "tags": "|".join(
            n for n, v in zip(("big", "red", "old"), (a, b, c)) if v > 0
        ),
        "grade": "low" if b < -0.4 else "mid" if b < 0.4 else "high",
        "moves": "|".join(moves),
        "size": f"{10 + 4 * c:.3f}",
        "who": f"person {int(4 * (a + 1))}",
        "split": "validation" if i % 5 == 3 else "test" if i % 5 == 4
        else "train",
    }  # fmt: skip
    # One label in twelve is missing, another one for each target.
    for place, name in enumerate(("side", "tags", "grade", "size", "who")):
        if i % 12 == place:
            row[name] = ""
    if i % 6 == 0:
        row["moves"] = "|" + row["moves"].split("|", 1)[1]
    return row


def _write_wav(path: Path, hz: float, rng) -> None:
    t = np.arange(700) / 4000
    sound = 0.5 * np.sin(2 * np.pi * hz * t) + rng.normal(0, 0.05, 700)
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 4000, 0, "NONE", "not compressed"))
        file.writeframes((sound * 20000).astype("<i2").tobytes())


def _film(grey: float, change: float) -> bytes:
    import av

    file = io.BytesIO()
    with av.open(file, "w", format="avi") as container:
        stream = container.add_stream("mjpeg", rate=10)
        stream.width, stream.height, stream.pix_fmt = 16, 16, "yuvj420p"
        for i in range(6):
            pixels = np.full((16, 16, 3), grey + i * change, np.uint8)
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts = i
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return file.getvalue()


def then(module: str, name: str):
    """Returns what had this name at that commit; it may have moved since."""
    return getattr(importlib.import_module(f"mmkeras.{module}"), name)


def hashes(data) -> dict:
    """Returns SHA-256 of all batches by split and name; `train` shuffled."""
    parts = {split: data.ordered(split) for split in data.counts}
    found = {}
    for split, batches in {**parts, "shuffled": data.train}.items():
        digests = {}
        for x, y, weights in batches:
            named = {f"x/{k}": v for k, v in x.items()}
            named |= {f"y/{k}": v for k, v in y.items()}
            named |= {f"weight/{k}": v for k, v in weights.items()}
            for name, values in named.items():
                values = np.asarray(values)
                digest = digests.setdefault(name, hashlib.sha256())
                digest.update(f"{values.dtype}{values.shape}".encode())
                # A NaN has many patterns of bits.
                still = np.where(values == values, values, values.dtype.type(0))
                digest.update(still.tobytes() + (values != values).tobytes())
        found[split] = {n: d.hexdigest() for n, d in sorted(digests.items())}
    return found


def flat(value, name: str = "") -> dict:
    """Returns the figures of an evaluation by path, without samples."""
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        items = [(e.get("name", e.get("class", i)), e)
                 for i, e in enumerate(value)]  # fmt: skip
    else:
        return {name: value}
    found = {}
    for key, inner in items:
        if key not in ("worst", "points"):
            found |= flat(inner, f"{name}/{key}" if name else str(key))
    return found


def inputs_of(data, split: str = "test") -> dict[str, np.ndarray]:
    """Returns all inputs of a split, stacked."""
    parts = [x for x, _, _ in data.ordered(split)]
    return {k: np.concatenate([np.asarray(p[k]) for p in parts])
            for k in parts[0]}  # fmt: skip


def samples_of(x: dict, rows) -> dict:
    """Returns rows of the inputs as `run.py --samples` takes them."""
    return {k: v[rows] for k, v in x.items()}


def specs(root: Path) -> list[dict]:
    """Returns what the specs of the repository are read as."""
    DataSpec = then("spec", "DataSpec")
    sys.path[:0] = [str(root / "tests" / part)
                    for part in ("", "data", "heads", "export")]  # fmt: skip
    sys.path[:0] = [str(root / "tests")]
    import test_spec
    from data_toys import make_spec
    from export_toys import SPEC as exported
    from heads_toys import SPEC as headed
    from signal_toys import signals_spec

    given = [
        tomllib.loads(path.read_text())
        for path in sorted((root / "data_specs").glob("*.toml"))
    ]
    given += [tomllib.loads(SPEC), test_spec.values(), exported, headed]
    given += [make_spec().to_dict(), signals_spec().to_dict()]
    found = []
    for values in given:
        spec = DataSpec.from_dict(values)
        found.append({"given": values, "read": spec.to_dict(),
                      "sha256": spec.sha256})  # fmt: skip
    return found


def layers(root: Path) -> dict:
    """Returns every registered name, and a configuration of each layer."""
    import keras

    package = importlib.import_module("mmkeras")
    for module in pkgutil.walk_packages(package.__path__, "mmkeras."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    known = keras.saving.get_custom_objects()
    names = sorted(n for n in known if n.startswith("mmkeras>"))
    import zoo

    found = {}

    def note(layer):
        text = keras.saving.serialize_keras_object(layer)
        if "mmkeras" in str(text.get("registered_name")):
            found.setdefault(text["registered_name"], text)
        for inner in getattr(layer, "layers", ()):
            note(inner)

    for name, make in zoo.TOWERS.items():
        if name not in zoo.UNTRAINED:
            note(make())
    for make in zoo.FUSIONS.values():
        note(make())
    return {"names": names, "layers": found}


def archive(folder: Path, out: Path, name: str) -> None:
    """Writes a folder as an archive whose bytes follow from its files."""

    def plain(info):
        info.uid = info.gid = 0
        info.uname = info.gname = ""
        info.mtime = 1_700_000_000
        return info

    with tarfile.open(out / f"{name}.tar.xz", "w:xz", preset=9) as file:
        file.add(folder, name, filter=plain)


def write_figures(path: Path, figures: dict) -> None:
    """Writes JSON with a line for each figure of an evaluation."""
    parts = []
    for key, value in figures.items():
        text = json.dumps(value)
        if key == "evaluation":
            text = json.dumps(value, indent=0)
            text = re.sub(r"\[\n[^]]*\]", lambda m: " ".join(
                m[0].split()), text)  # fmt: skip
        parts.append(f'"{key}": {text}')
    path.write_text("{\n" + ",\n".join(parts) + "\n}\n")


def train_and_die(work: Path, steps: int) -> None:
    """Trains `component` once more, and is killed at an optimizer step."""
    import keras

    class Kill(keras.callbacks.Callback):
        left = steps

        def on_train_batch_end(self, batch, logs=None):
            self.left -= 1
            if self.left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    recipe = tomllib.loads(COMPONENT)
    begun = then("begin", "begin")(work / "data", recipe, "component", 3)
    begun.strategy.fit(
        begun.model, begun.data, begun.heads, out=work / "half", seed=3,
        verbose=0, resume=True, callbacks=[Kill()],
        identity={"recipe": recipe, "strategy": "component",
                  "init": begun.init},
    )  # fmt: skip


def make(out: Path) -> None:
    """Makes everything; `out/work` keeps what the archives hold."""
    read_manifest = then("artefact", "read_manifest")
    prepare, load_data = then("data", "prepare"), then("data", "load_data")
    open_file = then("export.runtimes", "open_file")
    load_model = then("model", "load_model")
    train_run, evaluate_run = (
        then("runs", name) for name in ("train_run", "evaluate_run")
    )
    root = Path(__file__).parents[2]
    work = out / "work"
    spec = write_raw(work / "raw")
    manifest = prepare(spec, work / "data", workers=1, seed=5)
    data = load_data(work / "data", 12, seed=3, augment=False)
    figures = {
        "commit": "34124d9",
        "corrected": {},
        "specs": specs(root),
        "statistics": manifest["statistics"],
        "splits": manifest["splits"],
        "vocabularies": data.vocabularies,
        "batches": hashes(data),
        "evaluation": {},
    }
    x, arrays = inputs_of(data), {}
    steps = 0
    for name, recipe in RECIPES.items():
        run = work / name
        train_run(work / "data", tomllib.loads(recipe), name, run, 3, 0,
                  work / "raw" / f"{name}.toml")  # fmt: skip
        for target, values in load_model(run).predict(x, verbose=0).items():
            arrays[f"{name}/{target}"] = values
        result = evaluate_run(run, baselines=False)
        figures["evaluation"][name] = flat(result)
        history = (run / "history.csv").read_text()
        figures[f"history_{name}"] = history
        steps = int(float(list(csv.DictReader(io.StringIO(history)))[-1]
                          ["steps"]))  # fmt: skip
    subprocess.run([sys.executable, __file__, "--die", work, str(steps - 1)])
    checkpoints = sorted((work / "half" / "checkpoints").iterdir())
    figures["fingerprint"] = read_manifest(
        checkpoints[-1], "checkpoint")["fingerprint"]  # fmt: skip
    subprocess.run(
        [sys.executable, "-m", "mmkeras.export", work / "component",
         "--quantize", "int8", "--max-drop", "1", "--out", work / "bundle"],
        check=True,
    )  # fmt: skip
    answer = open_file(work / "bundle" / "model.tflite")
    outputs = [answer(samples_of(x, slice(i, i + 1)))
               for i in range(len(x["photo"]))]  # fmt: skip
    for target in outputs[0]:
        arrays[f"tflite/{target}"] = np.concatenate(
            [output[target] for output in outputs])  # fmt: skip
    np.savez(work / "samples.npz", **x)
    figures["answers"] = [json.loads(line) for line in subprocess.run(
        [sys.executable, work / "bundle" / "run.py", "--samples",
         work / "samples.npz"], check=True, capture_output=True, text=True,
    ).stdout.splitlines()]  # fmt: skip
    figures["card"] = json.loads((work / "bundle/card.json").read_text())
    arrays |= {f"x/{name}": values for name, values in x.items()}
    np.savez_compressed(out / "arrays.npz", **arrays)
    write_figures(out / "figures.json", figures)
    (out / "layers.json").write_text(json.dumps(layers(root)) + "\n")
    # What a run's manifest does not name can be made from the rest.
    for name in RECIPES:
        for part in ("checkpoints", "evaluation", "stages", "logs"):
            shutil.rmtree(work / name / part, ignore_errors=True)
    for folder in checkpoints[:-1]:
        shutil.rmtree(folder)
    for name in ("raw", "data", "full", "component", "half", "bundle"):
        archive(work / name, out, name)


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if sys.argv[1] == "--die":
        train_and_die(Path(sys.argv[2]), int(sys.argv[3]))
    else:
        make(Path(sys.argv[1]).resolve())
