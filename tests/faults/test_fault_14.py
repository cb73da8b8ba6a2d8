"""The runner refuses what the model was not trained on, side by side."""

import json
import shutil
import wave

import numpy as np
import pytest
from export.export_toys import runner, toy_export, toy_inputs
from PIL import Image

from mmkeras import artefact


@pytest.fixture(scope="module")
def toy():
    return runner().Runner(toy_export().bundle)


@pytest.fixture
def sample():
    x = toy_inputs(1, seed=0)
    del x["present"]
    return {name: array[0] for name, array in x.items()}


@pytest.mark.parametrize(
    "name, change, message",
    [
        ("image", lambda x: x[:8], "uint8 of shape .16, 16, 1.*.8, 16, 1"),
        ("image", lambda x: x.astype("float32"), "uint8.*Received: float32"),
        ("image", lambda x: x / 255, "uint8.*Received: float64"),
        ("image", lambda x: x[None], "Received: uint8 of shape .1, 16, 16, 1"),
        ("audio", lambda x: x[:400], "of shape .800.*of shape .400"),
        ("audio", lambda x: (x * 32767).astype("int16"), "Received: int16"),
        ("audio", lambda x: x * np.float32("nan"), "finite"),
        ("text", lambda x: x.astype("int64"), "int32.*Received: int64"),
        ("text", lambda x: x * 0 + 66, "token ids below 66"),
        ("text", lambda x: x * 0 - 1, "token ids below 66"),
        ("table", lambda x: x[:2], "of shape .3.*of shape .2"),
    ],
)
def test_a_wrong_array_is_refused(toy, sample, name, change, message):
    sample[name] = change(sample[name])
    with pytest.raises(ValueError, match=f"`{name}` must be .*{message}"):
        toy.predict(sample)


def test_an_unknown_modality_is_refused(toy, sample):
    with pytest.raises(ValueError, match="audio.*Received.*video"):
        toy.predict({**sample, "video": np.zeros(3)})


def write_wav(path, rate=8000, channels=1):
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(bytes(2 * 800 * channels))


def wrong_files(folder):
    Image.new("L", (16, 16)).save(folder / "right.png")
    Image.new("L", (28, 28)).save(folder / "large.png")
    Image.new("RGB", (16, 16)).save(folder / "colour.png")
    Image.new("L", (16, 16)).save(folder / "picture.gif")
    write_wav(folder / "fast.wav", rate=44100)
    write_wav(folder / "stereo.wav", channels=2)


def test_a_picture_of_another_size_is_fitted(tmp_path):
    wrong_files(tmp_path)
    loaded = runner().Runner(toy_export().bundle)
    found = loaded.read("image", str(tmp_path / "large.png"))
    assert found.shape == (16, 16, 1) and found.dtype == np.uint8


@pytest.mark.parametrize(
    "options, message",
    [
        (["--image", "colour.png"], r"[16, 16, 1]. Received: [16, 16, 3]"),
        (["--image", "picture.gif"], "a PNG or JPEG file"),
        (["--image", "fast.wav"], "a PNG or JPEG file"),
        (["--image", "none.png"], "a regular file"),
        (["--audio", "fast.wav"], "8000 Hz. Received: 1 channel(s) at 44100"),
        (["--audio", "stereo.wav"], "1 channel at 8000 Hz. Received: 2 chan"),
        (["--audio", "large.png"], "a PCM WAV file"),
        (["--text", "  "], "leave it out if there is none"),
        (["--table", "1,2"], "of shape [3]. Received: float32 of shape [2]"),
        (["--table", "1,two,3"], "numbers with commas. Received: 1,two,3"),
        (["--table", "1,inf,3"], "finite"),
    ],
)
def test_a_wrong_file_is_refused(
    tmp_path, monkeypatch, capsys, options, message
):
    wrong_files(tmp_path)
    monkeypatch.chdir(tmp_path)
    bundle = str(toy_export().bundle)
    options = ["--bundle", bundle, "--image", "right.png", *options]
    assert runner().main(options) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error: ") and message in captured.err


@pytest.fixture
def changed(tmp_path):
    """A bundle whose manifest was made to fit a changed file."""
    folder = shutil.copytree(toy_export().bundle, tmp_path / "bundle")
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())

    def seal():
        manifest["files"] = artefact.describe_files(folder, manifest["files"])
        artefact.write_hashed(path, manifest)
        return runner().Runner(folder)

    return folder, manifest, seal


def test_a_wrong_class_list_is_refused(changed):
    folder, _, seal = changed
    labels = json.loads((folder / "labels.json").read_text())
    labels["digit"].reverse()
    (folder / "labels.json").write_text(json.dumps(labels))
    with pytest.raises(ValueError, match="labels.json.*zero.*Received.*three"):
        seal()


def test_too_many_classes_are_refused(changed):
    folder, manifest, seal = changed
    labels = json.loads((folder / "labels.json").read_text())
    labels["digit"].append("four")
    manifest["outputs"]["digit"]["classes"].append("four")
    (folder / "labels.json").write_text(json.dumps(labels))
    with pytest.raises(ValueError, match=r"signature.*\[1, 5\].*\[1, 4\]"):
        seal()


@pytest.mark.parametrize(
    "change",
    [
        lambda m: m["inputs"]["image"].update(shape=[8, 8, 1]),
        lambda m: m["inputs"]["image"].update(dtype="float32"),
        lambda m: m["inputs"].pop("audio"),
        lambda m: m["outputs"].pop("rating"),
        lambda m: m["present"].pop(),
    ],
)
def test_the_model_of_another_spec_is_refused(changed, change):
    _, manifest, seal = changed
    change(manifest)
    with pytest.raises(ValueError, match="signature.*model.tflite.*Received"):
        seal()


def test_a_file_the_manifest_does_not_name_is_refused(changed):
    _, manifest, seal = changed
    del manifest["files"]["tokenizer_text.json"]
    with pytest.raises(ValueError, match="tokenizer_text.json.*fewer"):
        seal()
