"""What the child process does, done here."""

import json
import subprocess
import sys

import keras
import numpy as np
import pytest
from export.export_toys import toy_inputs, toy_run, write_run

from mmkeras.export import open_file, to_tflite
from mmkeras.export.worker import child


def small_model():
    keras.utils.set_random_seed(0)
    x = keras.Input((32,), name="x")
    h = keras.layers.Dense(128, "relu", name="wide")(x)
    y = keras.layers.Dense(4, name="y")(h)
    return keras.Model({"x": x}, {"y": y})


@pytest.mark.parametrize("quantize", ["none", "float16", "dynamic"])
def test_each_kind_of_file_is_made(tmp_path, capsys, quantize):
    child.make_tflite(small_model(), quantize, tmp_path)
    files = sorted(path.name for path in tmp_path.glob("*.tflite"))
    wanted = {"float.tflite", f"{quantize}.tflite"} - {"none.tflite"}
    assert files == sorted(wanted)
    x = np.random.default_rng(0).normal(size=(1, 32)).astype("float32")
    found = [open_file(tmp_path / name)({"x": x})["y"] for name in files]
    np.testing.assert_allclose(found[0], found[-1], atol=0.05)
    steps = capsys.readouterr().out
    assert steps.count("step: ") == len(files)


@pytest.mark.filterwarnings("ignore")  # of tf2onnx
@pytest.mark.parametrize("quantize", ["float16", "dynamic"])
def test_each_kind_of_onnx_file_is_made(tmp_path, quantize):
    child.make_onnx(small_model(), quantize, {}, tmp_path)
    x = np.random.default_rng(0).normal(size=(3, 32)).astype("float32")
    found = [
        open_file(tmp_path / f"{name}.onnx")({"x": x})["y"]
        for name in ("float", quantize)
    ]
    np.testing.assert_allclose(*found, atol=0.1)
    sizes = [
        (tmp_path / f"{n}.onnx").stat().st_size for n in ("float", quantize)
    ]
    assert sizes[1] < 0.8 * sizes[0]


def job_for(tmp_path, run, **changes):
    np.savez(tmp_path / "test.npz", **toy_inputs(4, 0))
    job = {
        "model": str(run), "folder": str(tmp_path), "quantize": "none",
        "formats": [], "optional": ["audio", "text"], "debug": False,
    }  # fmt: skip
    (tmp_path / "job.json").write_text(json.dumps({**job, **changes}))
    return str(tmp_path / "job.json")


def test_keras_answers_every_scenario(tmp_path):
    assert child.main(job_for(tmp_path, toy_run().run)) == 0
    with np.load(tmp_path / "keras.npz") as file:
        assert set(file.files) == {
            f"{scenario}/{target}"
            for scenario in ("all", "without audio", "without text")
            for target in ("digit", "rating", "tags")
        }
        whole = toy_run().model.predict(toy_inputs(4, 0), verbose=0)
        np.testing.assert_allclose(file["all/digit"], whole["digit"], atol=1e-6)
        assert (file["without audio/digit"] != file["all/digit"]).any()


def test_weights_that_are_not_finite_are_refused(tmp_path):
    model = small_model()
    kernel = model.get_layer("wide").kernel
    kernel.assign(kernel * np.inf)
    run = write_run(tmp_path / "run", model)
    assert child.main(job_for(tmp_path, run)) == 2
    message = (tmp_path / child.ERROR).read_text()
    assert "must be finite" in message and "wide/kernel" in message


def test_debug_shows_the_traceback(tmp_path):
    with pytest.raises(ValueError, match="nowhere"):
        child.main(job_for(tmp_path, tmp_path / "nowhere", debug=True))


def test_the_parent_starts_without_keras():
    code = (
        "import sys, mmkeras.export\n"
        "heavy = {'keras', 'tensorflow', 'onnxruntime', 'ai_edge_litert'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True
    )
    assert done.stdout.strip() == "[]", done.stderr


def test_the_layer_that_departs_is_looked_for(tmp_path):
    model = small_model()
    to_tflite(model, tmp_path / "float.tflite")
    x = np.random.default_rng(0).normal(size=(1, 32)).astype("float32")
    np.savez(tmp_path / "departing.npz", x=x)
    expected = [None, {"layer": "wide", "type": "Dense"}]
    for factor, entry in zip((1, 2), expected):
        kernel = model.get_layer("wide").kernel
        kernel.assign(kernel * factor)
        run = write_run(tmp_path / f"run-{factor}", model)
        job = job_for(tmp_path, run, task="depart", file="float.tflite")
        assert child.main(job) == 0
        found = json.loads((tmp_path / child.DEPARTURE).read_text())
        assert entry is found is None or entry.items() <= found.items()


def test_a_model_trained_with_rounding_keeps_its_ranges(tmp_path):
    from mmkeras.compress import calibrate, quantize_aware

    rng = np.random.default_rng(1)
    aware = quantize_aware(small_model())
    calibrate(aware, {"x": rng.normal(size=(64, 32)).astype("float32")})
    aware.save(tmp_path / "m.keras")
    few = {"x": 0.1 * rng.normal(size=(4, 32)).astype("float32")}
    for name in ("test", "calibration"):
        np.savez(tmp_path / f"{name}.npz", **few)
    job = {
        "model": str(tmp_path / "m.keras"), "folder": str(tmp_path),
        "quantize": "int8-heavy", "formats": ["tflite"], "optional": [],
        "debug": True, "task": "convert",
    }  # fmt: skip
    for task in ("convert", "int8-heavy"):
        job["task"] = task
        (tmp_path / "job.json").write_text(json.dumps(job))
        assert child.main(str(tmp_path / "job.json")) == 0
    # The samples at hand reach a tenth of the learned range: not theirs.
    x = {"x": rng.normal(size=(1, 32)).astype("float32")}
    wanted = np.asarray(aware(x)["y"])
    found = open_file(tmp_path / "int8-heavy.tflite")(x)["y"]
    np.testing.assert_allclose(found, wanted, atol=np.ptp(wanted) / 50)
