"""The page answers as Python does."""

import json

import numpy as np
import pytest
from export.export_toys import device_code, toy_inputs, write_tokenizer
from export.test_runner_tokens import Tokenizer, odd_texts, old_letter

from mmkeras import artefact

LOAD = """
const { loadBundle } = await import("./bundle.js");
const bundle = await loadBundle("bundle");
"""


def numbers(answer):
    """All numbers of an answer, in the model's order."""
    return {
        name: list(part.get("probabilities", {"": part.get("value")}).values())
        for name, part in answer.items()
    }


def ask(page, rows):
    """Answers of the page's own code for typed arrays given as lists."""
    return page.evaluate(
        "async rows => {" + LOAD + """
        const kinds = {uint8: Uint8Array, float32: Float32Array,
                       int32: Int32Array};
        const answers = [];
        for (const row of rows) {
            const given = {};
            for (const [name, values] of Object.entries(row))
                given[name] = kinds[bundle.inputs[name].dtype].from(values);
            answers.push(await bundle.answer(given));
        }
        return answers; }""",
        rows,
    )  # fmt: skip


def sample_rows(runner, count, tmp_path):
    np.savez(tmp_path / "samples.npz", **toy_inputs(count, seed=31))
    return list(runner.samples(tmp_path / "samples.npz"))


def test_twenty_answers_equal_those_of_python(still, runner, tmp_path):
    rows = sample_rows(runner, 20, tmp_path)
    lists = [{k: v.ravel().tolist() for k, v in r.items()} for r in rows]
    found = ask(still, lists)
    assert {len(row) for row in rows} > {4}  # something absent in some
    for row, answer in zip(rows, found, strict=True):
        expected = runner.answer(row)
        assert answer["digit"]["label"] == expected["digit"]["label"]
        assert answer["tags"]["labels"] == expected["tags"]["labels"]
        assert answer["rating"]["unit"] == "stars"
        for name, values in numbers(expected).items():
            np.testing.assert_allclose(
                numbers(answer)[name], values, rtol=0, atol=1e-5
            )


def write_onnx_bundle(folder):
    """A bundle of one vector, one class and an ONNX file, made by hand."""
    from onnx import TensorProto, helper, numpy_helper

    rng = np.random.default_rng(0)
    weights = rng.normal(size=(3, 4)).astype("float32")
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["table", "w"], ["logits"]),
         helper.make_node("Softmax", ["logits"], ["digit"])], "toy",
        [helper.make_tensor_value_info("table", TensorProto.FLOAT, ["b", 3])],
        [helper.make_tensor_value_info("digit", TensorProto.FLOAT, ["b", 4])],
        [numpy_helper.from_array(weights, "w")],
    )  # fmt: skip
    opset = [helper.make_opsetid("", 17)]
    model = helper.make_model(graph, opset_imports=opset, ir_version=8)
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    classes = ["zero", "one", "two", "three"]
    artefact.write_json(folder / "labels.json", {"digit": classes})
    artefact.write_manifest(
        folder, "bundle", ["labels.json", "model.onnx"], name="by hand",
        model={"file": "model.onnx", "format": "onnx", "quantize": "none",
               "signature": "serving_default"},
        inputs={"table": {"kind": "vector", "shape": [3], "dtype": "float32",
                          "optional": False, "columns": ["a", "b", "c"],
                          "web": "numbers"}},
        present=[], outputs={"digit": {"kind": "category", "web": "class",
                                       "classes": classes}},
    )  # fmt: skip
    return weights


def test_an_onnx_file_runs_too(phone, build_site, serve, tmp_path):
    weights = write_onnx_bundle(tmp_path)
    page = phone(serve(build_site(tmp_path)).address)
    x = toy_inputs(20, seed=8)["table"]
    found = ask(page, [{"table": row.tolist()} for row in x])
    values = np.array([numbers(answer)["digit"] for answer in found])
    powers = np.exp(x @ weights)
    expected = powers / powers.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(values, expected, rtol=0, atol=1e-5)
    assert "float32" in page.locator("#about").inner_text()


@pytest.mark.parametrize("lowercase", [True, False])
def test_the_page_cuts_texts_as_the_runner_does(still, tmp_path, lowercase):
    path = tmp_path / "tokenizer.json"
    write_tokenizer(path, lowercase)
    ours = Tokenizer(path)
    letters = [
        f"a{chr(c)}b"
        for c in range(1, 0x3000)
        if old_letter(chr(c)) and not 0xD800 <= c < 0xE000
    ]
    texts = [*odd_texts(), *letters]
    found = still.evaluate(
        """async ([table, texts]) => {
        const { loadTokenizer } = await import("./tokenizer.js");
        return texts.map(loadTokenizer(table)); }""",
        [json.loads(path.read_text()), texts],
    )
    assert len(letters) > 5000
    wrong = [ascii(t) for t, ids in zip(texts, found) if ours(t) != ids]
    assert not wrong


@pytest.mark.parametrize("size", [(480, 640), (33, 20), (28, 28), (5, 9)])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_frame_becomes_the_runners_picture(still, size, channels):
    # Noise that both languages can make, which is faster than to send it.
    noise = np.arange(4 * np.prod(size), dtype=np.uint32)
    frame = (noise * np.uint32(2654435761) >> 24).astype(np.uint8)
    frame = frame.reshape(*size, 4)
    shape = [28, 28, channels]
    found = still.evaluate(
        """async ([height, width, shape]) => {
        const { fit } = await import("./inputs.js");
        const data = Uint8Array.from({ length: 4 * height * width },
            (_, i) => Math.imul(i, 2654435761) >>> 24);
        return [...fit({ data, height, width }, shape)]; }""",
        [*size, shape],
    )
    expected = device_code().load("devices").fit(frame[..., :3], shape)
    np.testing.assert_array_equal(found, expected.ravel())
