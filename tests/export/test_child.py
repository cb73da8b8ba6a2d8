"""What the child process does, done here."""

import subprocess
import sys

import keras
import numpy as np
import pytest
from export.export_toys import toy_inputs, toy_run, write_run

from mmkeras.export import (
    FORMATS,
    ConversionContext,
    ProducedFile,
    open_file,
    worker,
)


def small_model():
    keras.utils.set_random_seed(0)
    x = keras.Input((32,), name="x")
    h = keras.layers.Dense(128, "relu", name="wide")(x)
    y = keras.layers.Dense(4, name="y")(h)
    return keras.Model({"x": x}, {"y": y})


def convert_small(name, folder, recipes, said=None):
    """The float file of the small model, and smaller ones."""
    announce = (lambda words: None) if said is None else said.append
    made = ConversionContext(folder, small_model(), announce=announce)
    source = FORMATS[name].convert(made)
    smaller = [FORMATS[name].quantize(source, each, made) for each in recipes]
    return [source, *smaller]


@pytest.mark.parametrize("quantize", ["none", "float16", "dynamic"])
def test_each_kind_of_file_is_made(tmp_path, quantize):
    recipes, said = FORMATS["tflite"].recipes[quantize], []
    files = convert_small("tflite", tmp_path, recipes, said)
    assert sorted(path.name for path in tmp_path.glob("*.tflite")) == sorted(
        file.path.name for file in files
    )
    assert [file.recipe for file in files] == ["float32", *recipes]
    x = np.random.default_rng(0).normal(size=(1, 32)).astype("float32")
    found = [open_file(file.path)({"x": x})["y"] for file in files]
    np.testing.assert_allclose(found[0], found[-1], atol=0.05)
    assert said == [f"converting to tflite, {file.recipe}" for file in files]


@pytest.mark.filterwarnings("ignore")  # of tf2onnx
@pytest.mark.parametrize("quantize", ["float16", "dynamic"])
def test_each_kind_of_onnx_file_is_made(tmp_path, quantize):
    source, smaller = convert_small("onnx", tmp_path, [quantize])
    x = np.random.default_rng(0).normal(size=(3, 32)).astype("float32")
    found = [open_file(each.path)({"x": x})["y"] for each in (source, smaller)]
    np.testing.assert_allclose(*found, atol=0.1)
    assert smaller.size_bytes < 0.8 * source.size_bytes


def run_child(request, debug=""):
    """What the child answers to a request."""
    asked = worker.send(request.folder / "request.json", request)
    answer = request.folder / "answer.json"
    worker.answer_request(str(asked), str(answer), debug)
    return worker.receive(answer, request.result | worker.Refusal)


def conversion(folder, model, inputs, **changes):
    x = worker.save_arrays(folder / "x.npz", inputs)
    options = {"formats": (), "quantize": "none", **changes}
    return worker.Convert(
        model=model, folder=folder, samples=x, answer={"test": x}, **options
    )


def toy_conversion(tmp_path, model):
    inputs = toy_inputs(4, 0)
    return conversion(tmp_path, model, inputs, optional=("audio", "text"))


def test_keras_answers_every_scenario(tmp_path):
    answers = run_child(toy_conversion(tmp_path, toy_run().run)).answers["test"]
    assert set(answers.keras) == {"all", "without audio", "without text"}
    assert answers.original == {}
    found = {
        name: worker.load_arrays(path) for name, path in answers.keras.items()
    }
    assert all(set(x) == {"digit", "rating", "tags"} for x in found.values())
    whole = toy_run().model.predict(toy_inputs(4, 0), verbose=0)
    np.testing.assert_allclose(found["all"]["digit"], whole["digit"], atol=1e-6)
    assert (found["without audio"]["digit"] != found["all"]["digit"]).any()


def test_weights_that_are_not_finite_are_refused(tmp_path):
    model = small_model()
    kernel = model.get_layer("wide").kernel
    kernel.assign(kernel * np.inf)
    run = write_run(tmp_path / "run", model)
    refusal = run_child(toy_conversion(tmp_path, run))
    assert "must be finite" in refusal.message
    assert "wide/kernel" in refusal.message


def test_debug_shows_the_traceback(tmp_path):
    with pytest.raises(ValueError, match="nowhere"):
        run_child(toy_conversion(tmp_path, tmp_path / "nowhere"), "debug")


def test_the_parent_starts_without_keras():
    code = (
        "import sys\n"
        "from mmkeras.export import export\n"
        "heavy = {'keras', 'tensorflow', 'onnxruntime', 'ai_edge_litert'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True
    )
    assert done.stdout.strip() == "[]", done.stderr


def test_the_layer_that_departs_is_looked_for(tmp_path):
    model = small_model()
    file = FORMATS["tflite"].convert(ConversionContext(tmp_path, model))
    x = np.random.default_rng(0).normal(size=(1, 32)).astype("float32")
    x = worker.save_arrays(tmp_path / "x.npz", {"x": x})
    expected = [(None, ""), ("wide", "Dense")]
    for factor, entry in zip((1, 2), expected):
        kernel = model.get_layer("wide").kernel
        kernel.assign(kernel * factor)
        run = write_run(tmp_path / f"run-{factor}", model)
        found = run_child(
            worker.FindDeparture(
                model=run, folder=tmp_path, samples=x, file=file, x=x
            )
        )
        assert (found.layer, found.type) == entry


def test_a_model_trained_with_rounding_keeps_its_ranges(tmp_path):
    from mmkeras.compress import calibrate, quantize_aware

    rng = np.random.default_rng(1)
    aware = quantize_aware(small_model())
    calibrate(aware, {"x": rng.normal(size=(64, 32)).astype("float32")})
    model = tmp_path / "m.keras"
    aware.save(model)
    few = {"x": 0.1 * rng.normal(size=(4, 32)).astype("float32")}
    asked = conversion(
        tmp_path, model, few, formats=("tflite",), quantize="int8-heavy"
    )
    (source,) = run_child(asked, "debug").files
    file = run_child(
        worker.Quantize(
            model=model,
            folder=tmp_path,
            samples=asked.samples,
            source=source,
            recipe="int8-heavy",
        ),
        "debug",
    )
    assert isinstance(file, ProducedFile)
    # The samples at hand reach a tenth of the learned range: not theirs.
    x = {"x": rng.normal(size=(1, 32)).astype("float32")}
    wanted = np.asarray(aware(x)["y"])
    found = open_file(file.path)(x)["y"]
    np.testing.assert_allclose(found, wanted, atol=np.ptp(wanted) / 50)


def test_a_message_says_all_that_was_sent(tmp_path):
    source = ProducedFile("tflite", "float32", tmp_path / "float32.tflite")
    request = worker.Quantize(
        model=tmp_path / "run",
        folder=tmp_path,
        samples=tmp_path / "samples.npz",
        float_layers=("wide",),
        source=source,
        recipe="mixed",
        labelled=worker.LabelledFiles(
            tmp_path / "x.npz",
            tmp_path / "labels.npz",
            tmp_path / "weights.npz",
            toy_run().spec.to_dict(),
            0.005,
        ),
    )
    path = worker.send(tmp_path / "request.json", request)
    assert worker.receive(path, worker.AnyRequest) == request
