"""Damaged `.tflite` and `.onnx` files: the process that asks never dies."""

import json
import os
import shutil
import signal
import time

import numpy as np
import onnx
import pytest
from export.export_toys import runner, toy_export
from onnx import TensorProto, helper, numpy_helper

from mmkeras import artefact
from mmkeras.export import Isolated

MUTATIONS = 300
FORMATS = ["tflite", "onnx"]
WORDS = 20


def toy_model():
    """Convolution, a table looked up by the input, recurrence, softmax."""
    import keras

    keras.utils.set_random_seed(0)
    image = keras.Input((8, 8, 1), name="image")
    text = keras.Input((6,), dtype="int32", name="text")
    x = keras.layers.Conv2D(4, 3, activation="relu")(image)
    words = keras.layers.GRU(4)(keras.layers.Embedding(WORDS, 4)(text))
    x = keras.layers.concatenate([keras.layers.Flatten()(x), words])
    y = keras.layers.Dense(3, activation="softmax", name="digit")(x)
    return keras.Model({"image": image, "text": text}, {"digit": y})


def inputs():
    draw = np.random.default_rng(0)
    return {
        "image": draw.normal(size=(1, 8, 8, 1)).astype("float32"),
        "text": draw.integers(0, WORDS, (1, 6)).astype("int32"),
    }


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """The toy in both formats, and the answer of Keras."""
    from mmkeras.export import to_onnx, to_tflite

    folder, model = tmp_path_factory.mktemp("files"), toy_model()
    to_tflite(model, folder / "model.tflite")
    to_onnx(model, folder / "model.onnx")
    answer = model.predict(inputs(), verbose=0)["digit"]
    return {kind: folder / f"model.{kind}" for kind in FORMATS}, answer


def damaged(path):
    """Yields the file cut at every tenth, and with one byte changed."""
    data = path.read_bytes()
    for tenth in range(10):
        yield data[: len(data) * tenth // 10]
    draw = np.random.default_rng(0)
    for _ in range(MUTATIONS):
        changed = bytearray(data)
        at = draw.integers(len(data))
        changed[at] ^= draw.integers(1, 256)
        yield bytes(changed)


@pytest.fixture(scope="module")
def isolated():
    with Isolated(limit_sec=30) as worker:
        yield worker


@pytest.mark.parametrize("kind", FORMATS)
def test_a_whole_file_answers_as_keras_does(files, isolated, kind):
    paths, answer = files
    found = isolated.open(paths[kind])(inputs())["digit"]
    np.testing.assert_allclose(found, answer, atol=1e-6)


@pytest.mark.parametrize("kind", FORMATS)
def test_damage_is_an_answer_or_an_error(files, isolated, kind, tmp_path):
    """Without a manifest a wrong answer is possible; an end is not."""
    refused = []
    for number, data in enumerate(damaged(files[0][kind])):
        path = tmp_path / f"{number % 2}.{kind}"
        path.write_bytes(data)
        try:
            isolated.open(path)(inputs())
        except ValueError as error:
            assert f"{path}` must be a file" in str(error)
            refused.append(number)
    # All that are cut, and many of the others.
    assert refused[:10] == list(range(10))
    assert len(refused) >= 60


@pytest.fixture
def bundle(files, tmp_path):
    """The smallest bundle that the runner takes."""
    folder = tmp_path / "bundle"
    folder.mkdir()
    path = folder / "model.tflite"
    path.write_bytes(files[0]["tflite"].read_bytes())
    (folder / "labels.json").write_text(json.dumps({"digit": list("abc")}))
    readers = ["input_image.py", "input_text.py", "output_category.py"]
    shared = ("geometry", "jpeg", "picture", "tokenizer", "validation")
    for name in (*readers, *(f"{stem}.py" for stem in shared)):
        shutil.copy(toy_export().bundle / name, folder)
    artefact.write_manifest(
        folder, "bundle", os.listdir(folder), present=[],
        model={"file": "model.tflite", "format": "tflite",
               "signature": "serving_default"},
        inputs={"image": {"kind": "image", "shape": [8, 8, 1],
                          "dtype": "float32", "optional": False,
                          "reader": readers[0]},
                "text": {"kind": "text", "shape": [6], "dtype": "int32",
                         "optional": False, "reader": readers[1]}},
        outputs={"digit": {"kind": "category", "classes": list("abc"),
                           "reader": readers[2]}},
    )  # fmt: skip
    return folder


def test_under_a_manifest_no_damage_reaches_the_runtime(
    files, bundle, monkeypatch
):
    runner().Runner(bundle)

    def opened(*_args, **_options):
        raise RuntimeError("a damaged file was opened")

    monkeypatch.setattr("ai_edge_litert.interpreter.Interpreter", opened)
    for data in damaged(files[0]["tflite"]):
        (bundle / "model.tflite").write_bytes(data)
        with pytest.raises(ValueError, match="model.tflite.*sha256"):
            runner().Runner(bundle)
        with pytest.raises(ValueError, match="not the file that was written"):
            artefact.read_manifest(bundle, "bundle")


def endless(path):
    """An ONNX file that counts to 2 ** 62."""
    count = numpy_helper.from_array(np.int64(2**62), "count")
    go_on = numpy_helper.from_array(np.array(True), "go_on")
    body = helper.make_graph(
        [helper.make_node("Identity", ["go"], ["still"]),
         helper.make_node("Sin", ["x_in"], ["x_out"])],
        "body",
        [helper.make_tensor_value_info("i", TensorProto.INT64, []),
         helper.make_tensor_value_info("go", TensorProto.BOOL, []),
         helper.make_tensor_value_info("x_in", TensorProto.FLOAT, [1])],
        [helper.make_tensor_value_info("still", TensorProto.BOOL, []),
         helper.make_tensor_value_info("x_out", TensorProto.FLOAT, [1])],
    )  # fmt: skip
    loop = helper.make_node("Loop", ["count", "go_on", "x"], ["y"], body=body)
    return save(path, [loop], [count, go_on])


def save(path, nodes, tensors):
    graph = helper.make_graph(
        nodes, "toy",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])],
        tensors,
    )  # fmt: skip
    opsets = [helper.make_opsetid("", 17)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    path.write_bytes(model.SerializeToString())
    return path


X = {"x": np.ones(1, "float32")}


def test_the_time_limit_is_kept(tmp_path):
    path = endless(tmp_path / "endless.onnx")
    with Isolated(limit_sec=5) as isolated:
        run = isolated.open(path)
        worker = isolated._worker
        start = time.perf_counter()
        with pytest.raises(ValueError, match="no answer in 5 seconds"):
            run(X)
        assert 4 < time.perf_counter() - start < 10
        assert worker.poll() == -signal.SIGKILL


def external(path, place, where="weight"):
    """A model that adds a number kept in the file `place`."""
    tensor = numpy_helper.from_array(np.ones(1, "float32"), "secret")
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in {"location": place, "offset": "0", "length": "4"}.items():
        tensor.external_data.add(key=key, value=value)
    add = helper.make_node("Add", ["x", "secret"], ["y"])
    if where == "weight":
        return save(path, [add], [tensor])
    constant = helper.make_node("Constant", [], ["secret"], value=tensor)
    return save(path, [constant, add], [])


@pytest.mark.parametrize("where", ["weight", "node"])
@pytest.mark.parametrize("how", ["beside", "above", "absolute", "hard link"])
def test_tensors_in_other_files_are_refused(tmp_path, isolated, how, where):
    host = tmp_path / "host.bin"
    host.write_bytes(np.float32(41).tobytes())
    folder = tmp_path / "folder"
    folder.mkdir()
    place = {"above": "../host.bin", "absolute": str(host)}.get(how, "w.bin")
    if how == "hard link":
        os.link(host, folder / "w.bin")
    elif how == "beside":
        (folder / "w.bin").write_bytes(host.read_bytes())
    path = external(folder / "model.onnx", place, where)
    with pytest.raises(ValueError, match="'secret' in another file"):
        isolated.open(path)


@pytest.mark.parametrize("gone", [False, True])
def test_a_crash_is_an_error_and_the_next_file_opens(gone, files, isolated):
    """Whether it is dying or dead when it is asked."""
    run = isolated.open(files[0]["tflite"])
    os.kill(isolated._worker.pid, signal.SIGSEGV)
    if gone:
        isolated._worker.wait()
    with pytest.raises(ValueError, match="signal 11 .SIGSEGV"):
        run(inputs())
    # The same function works again, in a new worker.
    np.testing.assert_allclose(run(inputs())["digit"], files[1], atol=1e-6)


def test_a_number_in_the_file_itself_is_read(tmp_path, isolated):
    tensor = numpy_helper.from_array(np.float32([41]), "secret")
    add = helper.make_node("Add", ["x", "secret"], ["y"])
    path = save(tmp_path / "model.onnx", [add], [tensor])
    onnx.checker.check_model(str(path))
    assert isolated.open(path)(X)["y"] == 42


@pytest.mark.parametrize("name", ["missing.tflite", "folder.onnx"])
def test_what_is_no_file_is_refused(tmp_path, isolated, name):
    (tmp_path / "folder.onnx").mkdir()
    with pytest.raises(ValueError, match=f"{name}` must be a file"):
        isolated.open(tmp_path / name)


def test_a_limit_of_no_time_is_refused():
    with pytest.raises(ValueError, match="`limit_sec` must be above 0"):
        Isolated(limit_sec=0)
