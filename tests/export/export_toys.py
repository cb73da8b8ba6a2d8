"""A toy model with every kind of input and target, its run, its bundle.

`toy_export()` converts once a test session; TensorFlow takes seconds to start.
"""

import atexit
import dataclasses
import functools
import importlib.util
import shutil
import tempfile
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import numpy as np
from manifest_toys import DATA

from mmkeras import artefact
from mmkeras.export import export, run_child, scenarios, worker
from mmkeras.spec import MODALITIES, DataSpec

EXPORT = Path(__file__).parents[2] / "export"
WORDS = "a good bad film was it very not the plot acting great dull".split()
SPEC = {
    "name": "toy",
    "modalities": {
        "image": {"kind": "image", "column": "image", "height": 16,
                  "width": 16, "channels": 1},
        "audio": {"kind": "audio", "column": "audio", "optional": True,
                  "sample_rate_hz": 8000, "duration_sec": 0.1},
        "text": {"kind": "text", "column": "text", "optional": True,
                 "max_tokens": 12, "vocabulary_size": 100},
        "table": {"kind": "vector", "columns": ["a", "b", "c"]},
    },
    "targets": {
        "digit": {"kind": "category", "column": "digit",
                  "classes": ["zero", "one", "two", "three"]},
        "tags": {"kind": "categories", "column": "tags",
                 "classes": ["red", "green", "blue"]},
        "rating": {"kind": "number", "column": "rating", "unit": "stars"},
    },
}  # fmt: skip


def toy_spec() -> DataSpec:
    return DataSpec.from_dict(SPEC)


def toy_model():
    """Convolution, spectral front end, recurrence, attention, a gate."""
    import keras
    from keras import layers, ops

    keras.utils.set_random_seed(7)
    inputs = {
        "image": keras.Input((16, 16, 1), dtype="uint8", name="image"),
        "audio": keras.Input((800,), name="audio"),
        "text": keras.Input((12,), dtype="int32", name="text"),
        "table": keras.Input((3,), name="table"),
        "present": keras.Input((2,), name="present"),
    }

    x = layers.Rescaling(1 / 255)(inputs["image"])
    x = layers.Conv2D(32, 3, padding="same", use_bias=False)(x)
    x = layers.ReLU()(layers.BatchNormalization()(x))
    wide = layers.Conv2D(64, 3, padding="same", activation="relu", name="wide")
    x = wide(x)
    image = layers.Dense(32)(layers.Flatten()(layers.MaxPooling2D(4)(x)))

    x = layers.Reshape((800, 1))(inputs["audio"])
    x = layers.STFTSpectrogram(
        mode="log", frame_length=64, frame_step=32, fft_length=64,
        name="audio_logmel",
    )(x)  # fmt: skip
    audio = layers.Dense(32)(layers.GRU(16, name="gru")(x))

    x = layers.Embedding(100, 16)(inputs["text"])
    hide = ops.cast(ops.equal(inputs["text"], 0), "float32") * -30
    query, key, value = (layers.Dense(16)(x) for _ in range(3))
    scores = ops.matmul(query, ops.transpose(key, (0, 2, 1)))
    weights = ops.softmax(scores + ops.expand_dims(hide, 1))
    x = layers.LayerNormalization()(ops.matmul(weights, value) + x)
    text = layers.Dense(32, activation="gelu")(ops.mean(x, axis=1))

    table = layers.Dense(32, activation="relu")(inputs["table"])
    audio_there, text_there = ops.split(inputs["present"], 2, axis=1)
    x = ops.concatenate(
        [image, audio * audio_there, text * text_there, table], axis=1
    )
    x = layers.Dense(64, activation="relu")(x)
    return keras.Model(inputs, {
        "digit": layers.Dense(4, activation="softmax", name="digit")(x),
        "tags": layers.Dense(3, activation="sigmoid", name="tags")(x),
        "rating": layers.Dense(1, name="rating")(x),
    })  # fmt: skip


def toy_inputs(count: int, seed: int) -> dict[str, np.ndarray]:
    """Random inputs; some rows lack the audio, some the text."""
    rng = np.random.default_rng(seed)
    x = {
        "image": rng.integers(0, 256, (count, 16, 16, 1), dtype=np.uint8),
        "audio": rng.uniform(-1, 1, (count, 800)).astype("float32"),
        "text": rng.integers(2, 20, (count, 12)).astype("int32"),
        "table": rng.normal(size=(count, 3)).astype("float32"),
        "present": (rng.random((count, 2)) < 0.9).astype("float32"),
    }
    x["audio"] *= x["present"][:, :1]
    x["text"] *= x["present"][:, 1:].astype("int32")
    return x


class ToyData:
    """Batches of dicts, as `load_data` gives them, labelled by the model.

    A sample that the model is not sure of has no label, so that the metrics
    of Keras are 1.0, and those of a good conversion nearly so.
    """

    def __init__(self, model, folder: Path, test: int = 200):
        self.folder = folder
        self.counts = {"train": 128, "test": test}
        self.train = self._batches(model, 128, seed=1)
        self.test = self._batches(model, test, seed=2)

    def tokenizer_path(self, name: str) -> Path:
        return self.folder / f"tokenizer_{name}.json"

    @staticmethod
    def _batches(model, count: int, seed: int) -> list:
        x = toy_inputs(count, seed)
        output = model.predict(x, verbose=0)
        y = {
            "digit": output["digit"].argmax(axis=1).astype("int32"),
            "tags": (output["tags"] >= 0.5).astype("float32"),
            "rating": output["rating"][:, 0],
        }
        first, second = np.sort(output["digit"], axis=1)[:, :-3:-1].T
        sure = {
            "digit": first - second > 0.05,
            "tags": (np.abs(output["tags"] - 0.5) > 0.03).all(axis=1),
            "rating": np.arange(count) % 5 > 0,
        }
        weight = {name: sure[name].astype("float32") for name in y}
        y["rating"] = np.where(sure["rating"], y["rating"], 1e6)
        return [
            tuple({k: v[i : i + 32] for k, v in part.items()}
                  for part in (x, y, weight))
            for i in range(0, count, 32)
        ]  # fmt: skip


def write_tokenizer(path: Path, lowercase: bool = True) -> None:
    """Writes a small WordPiece tokenizer, as the first `prepare` built them."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

    letters = [chr(c) for c in range(ord("a"), ord("z") + 1)]
    pieces = ["[PAD]", "[UNK]", *WORDS, *letters, *(f"##{c}" for c in letters)]
    table = {piece: i for i, piece in enumerate(dict.fromkeys(pieces))}
    tokenizer = Tokenizer(models.WordPiece(table, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFD(), normalizers.StripAccents(),
         normalizers.Lowercase()]
        if lowercase else [normalizers.NFC()]
    )  # fmt: skip
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Punctuation()]
    )
    tokenizer.save(str(path))


def write_run(folder: Path, model) -> Path:
    """Writes what `mmkeras train` leaves."""
    (folder / "data").mkdir(parents=True)
    with artefact.atomic(folder / "model.keras") as temporary:
        model.save(temporary)
    artefact.write_manifest(folder / "data", "data", [], **DATA)
    artefact.write_manifest(
        folder, "run", ["model.keras"], spec=SPEC, data=str(folder / "data"),
        data_sha256=artefact.sha256_of(folder / "data" / artefact.MANIFEST),
        recipe={}, seed=0, strategy="full",
    )  # fmt: skip
    return folder


def load_run(folder: Path):
    """The module `run.py` of a folder, imported here."""
    path = folder / "run.py"
    spec = importlib.util.spec_from_file_location("mmkeras_runner", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@functools.cache
def runner():
    """The module `run.py` of the toy bundle."""
    return load_run(toy_export().bundle)


@functools.cache
def device_code():
    """The files of `export/`, which import each other as on a device."""
    return load_run(EXPORT).Code([EXPORT, *shared_folders()], None)


def shared_folders() -> set[Path]:
    """Folders of the files that kinds share with the device."""
    kinds = MODALITIES.known.values()
    return {p.parent for kind in kinds for p in kind.device_shared().values()}


@functools.cache
def reader(kind):
    """The file of a class of kind that travels to the device."""
    path = kind.device_path()
    shared = {file.parent for file in kind.device_shared().values()}
    code = load_run(EXPORT).Code([EXPORT, path.parent, *shared], None)
    return code.load(path.stem)


@functools.cache
def scratch() -> Path:
    """A folder that goes away with the process."""
    folder = Path(tempfile.mkdtemp(prefix="mmkeras-export-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


@functools.cache
def toy_run() -> SimpleNamespace:
    """The toy model, saved as a run, and its data."""
    folder = scratch()
    model = toy_model()
    run = write_run(folder / "run", model)
    write_tokenizer(folder / "tokenizer_text.json")
    return SimpleNamespace(
        model=model, run=run, spec=toy_spec(), data=ToyData(model, folder)
    )


def ready_files(request, report=print, debug=False, children=None):
    """Takes the place of `run_child`: hands out what was converted before."""
    done = toy_export()
    if isinstance(request, worker.Convert):
        names = {f"{name} float32" for name in request.formats}
        if "onnx" in request.formats:
            names.add("onnx int8")
        files = tuple(done.kept[name] for name in sorted(names))
        if request.quantize == "none":
            files = tuple(file for file in files if file.is_float)
        return worker.Converted(
            tuple(_copied(file, request.folder) for file in files),
            dict(_keras_answers(done, request)),
        )
    if isinstance(request, worker.Quantize) and request.recipe != "int8-full":
        file = done.kept["tflite int8-heavy"]
        made = _copied(file, request.folder)
        return dataclasses.replace(made, recipe=request.recipe)
    raise ValueError(f"{request.task} {request.purpose} is not for toys")


def _copied(file, folder: Path):
    path = shutil.copy(file.path, folder / f"{file.name.replace(' ', '-')}")
    path = path.rename(path.with_suffix(file.path.suffix))
    return dataclasses.replace(file, path=path)


def _keras_answers(done: SimpleNamespace, request):
    for name, path in request.answer.items():
        files = {}
        for scenario, inputs in scenarios(
            worker.load_arrays(path), done.spec.optional
        ):
            outputs = done.model.predict(inputs, verbose=0)
            file = request.folder / f"{name}-{len(files)}.npz"
            files[scenario] = worker.save_arrays(file, outputs)
        yield name, worker.Answers(files)


@functools.cache
def toy_export() -> SimpleNamespace:
    """The toy run, exported to int8 as TFLite and ONNX."""
    toy = toy_run()
    lines: list[str] = []
    out, kept = scratch() / "bundle", {}

    def run_and_keep(request, report, debug, children):
        result = run_child(request, report, debug, children)
        if isinstance(request, worker.Convert | worker.Quantize):
            made = getattr(result, "files", (result,))
            kept.update({file.name: _copied(file, scratch()) for file in made})
        return result

    with mock.patch("mmkeras.export.exporter.run_child", run_and_keep):
        card = export(
            toy.run, toy.spec, toy.data, out, "int8", ("tflite", "onnx"),
            max_drop=0.05, report=lines.append,
        )  # fmt: skip
    return SimpleNamespace(
        **vars(toy), bundle=out, card=card, report="\n".join(lines), kept=kept,
        lines=lines,
    )  # fmt: skip
