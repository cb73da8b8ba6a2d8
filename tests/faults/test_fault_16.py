"""Files that can run code, or be read in part, are refused by their type."""

import pickle
import shutil

import numpy as np
import pytest
from export.export_toys import runner, toy_export

from mmkeras.model import load_model


class Canary:
    """Leaves a file behind when somebody unpickles it."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


@pytest.fixture
def canary(tmp_path):
    path = tmp_path / "canary"
    yield Canary(path)
    assert not path.exists(), "a pickle was executed"


def fake_model(folder, name, canary):
    path = folder / name
    if name == "saved_model":
        path.mkdir()
        (path / "saved_model.pb").write_bytes(b"\x08\x01")
    elif name == "orbax":
        (path / "d").mkdir(parents=True)
        (path / "_CHECKPOINT_METADATA").write_text("{}")
    elif name == "model.h5":
        path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
    elif name == "model.npy":
        np.save(path, np.array([canary]), allow_pickle=True)
    elif name == "link.keras":
        path.symlink_to(toy_export().run / "model.keras")
    else:
        path.write_bytes(pickle.dumps(canary))
    return path


NAMES = ["model.h5", "saved_model", "orbax", "model.pkl", "model.pt",
         "model.pth", "model.npy", "link.keras", "model"]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_a_model_of_another_type_is_refused(tmp_path, canary, name):
    path = fake_model(tmp_path, name, canary)
    with pytest.raises(ValueError, match="Received: .*Accepted: .keras") as e:
        load_model(path)
    assert str(path) in str(e.value)


def test_a_pickle_named_keras_is_refused(tmp_path, canary):
    path = tmp_path / "model.keras"
    path.write_bytes(pickle.dumps(canary))
    with pytest.raises(ValueError, match="model.keras.*saved by Keras"):
        load_model(path)


def test_a_run_whose_model_is_a_link_is_refused(tmp_path):
    run = shutil.copytree(toy_export().run, tmp_path / "run")
    (run / "model.keras").rename(tmp_path / "elsewhere.keras")
    (run / "model.keras").symlink_to(tmp_path / "elsewhere.keras")
    with pytest.raises(ValueError, match="Received: a link"):
        load_model(run)


def test_a_bundle_whose_model_is_a_link_is_refused(tmp_path):
    bundle = shutil.copytree(toy_export().bundle, tmp_path / "bundle")
    (bundle / "model.tflite").rename(tmp_path / "elsewhere.tflite")
    (bundle / "model.tflite").symlink_to(tmp_path / "elsewhere.tflite")
    with pytest.raises(ValueError, match="model.tflite.*a link"):
        runner().Runner(bundle)


@pytest.mark.parametrize("name", ["samples.npy", "samples.npz"])
def test_samples_with_objects_are_refused(tmp_path, capsys, canary, name):
    path = tmp_path / name
    array = np.array([canary])
    if name.endswith("npy"):
        np.save(path, array, allow_pickle=True)
    else:
        np.savez(path, image=array)
    bundle = str(toy_export().bundle)
    options = ["--bundle", bundle, "--samples", str(path)]
    assert runner().main(options) == 2
    assert capsys.readouterr().err.startswith("error: ")
