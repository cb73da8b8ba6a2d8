"""The page tells boxes and masks as the runner does, and draws them."""

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from export.export_toys import reader
from PIL import Image

from mmkeras import artefact, kinds

PAGE = Path(__file__).parents[3] / "export" / "web" / "page"
HEIGHT, WIDTH = 12, 16
CODE = """
import { readFileSync } from "node:fs";
import { foundBoxes, marked } from "%s";
const { cells, shape, masks } = JSON.parse(readFileSync(process.argv[2]));
console.log(JSON.stringify({
    cells: cells.rows.map((row) => foundBoxes(row, cells.entry, shape)),
    masks: masks.map(({ entry, row }) => marked(row, entry)),
}));
"""
BOXES = {"classes": ["dot", "spot"], "modality": "view", "least_score": 0.3,
         "inputs": {"view": {"shape": [HEIGHT, WIDTH, 3]}}}  # fmt: skip


def crowded(draw, cells=300):
    """Boxes of which many overlap, some reach out and some have no area."""
    low = draw.uniform(-0.1, 0.8, (cells, 2))
    sides = draw.uniform(-0.02, 0.4, (cells, 2))
    zeros = np.zeros((cells, 4))
    likely = draw.uniform(0, 0.9, (cells, 2))
    return np.concatenate([low, low + sides, zeros, likely], axis=1)


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """What the page's code tells, asked once."""
    if not shutil.which("node"):
        pytest.skip("needs node")
    folder = tmp_path_factory.mktemp("page")
    for path in PAGE.glob("*.js"):
        shutil.copy(path, folder)
    (folder / "package.json").write_text('{"type": "module"}')
    (folder / "ask.mjs").write_text(CODE % (folder / "places.js"))
    draw = np.random.default_rng(0)
    rows = [crowded(draw) for _ in range(5)]
    masks = [
        ({"classes": ["a"], "modality": "view", "size": [5, 7]},
         draw.uniform(size=(5, 7, 1))),
        ({"classes": ["a", "b"], "modality": "view", "size": [5, 7]},
         draw.integers(0, 3, (5, 7, 3)) / 2),
        ({"classes": ["a", "b"], "modality": "view", "size": [2, 3]},
         np.eye(3)[np.zeros((2, 3), int)]),
    ]  # fmt: skip
    asked = {
        "cells": {
            "entry": BOXES,
            "rows": [row.ravel().tolist() for row in rows],
        },
        "shape": [HEIGHT, WIDTH, 3],
        "masks": [{"entry": e, "row": m.ravel().tolist()} for e, m in masks],
    }
    (folder / "asked.json").write_text(json.dumps(asked))
    done = subprocess.run(
        ["node", folder / "ask.mjs", folder / "asked.json"],
        capture_output=True, check=True, text=True,
    )  # fmt: skip
    return rows, masks, json.loads(done.stdout)


def test_boxes_on_the_page_are_those_of_the_runner(told):
    rows, _, found = told
    code = reader(kinds.Boxes)
    for output, answer in zip(rows, found["cells"], strict=True):
        wanted = code.answer(output, BOXES)
        assert 20 < wanted["count"] < 300
        assert answer["count"] == wanted["count"]
        assert answer["size"] == wanted["size"]
        for one, other in zip(answer["boxes"], wanted["boxes"], strict=True):
            assert one["label"] == other["label"]
            assert one["probability"] == pytest.approx(
                other["probability"], abs=1e-4
            )
            np.testing.assert_allclose(one["box"], other["box"], atol=0.01)


def test_masks_on_the_page_are_those_of_the_runner(told):
    _, masks, found = told
    code = reader(kinds.Mask)
    for (entry, output), answer in zip(masks, found["masks"], strict=True):
        assert answer == code.answer(output, entry)


def write_bundle(folder):
    """A bundle that finds two boxes anywhere, and marks what is bright."""
    from onnx import TensorProto, helper, numpy_helper

    cells = np.zeros((1, 3, 10), "float32")
    cells[0, 0, :4], cells[0, 0, 8] = [0.25, 0.25, 0.5, 0.75], 0.9
    cells[0, 1, :4], cells[0, 1, 9] = [0.5, 0.5, 0.875, 0.75], 0.8
    constants = {"cells": cells, "half": np.float32(127),
                 "zero": np.float32([[[0]]])}  # fmt: skip
    make = helper.make_node
    nodes = [
        make("Cast", ["view"], ["pixels"], to=TensorProto.FLOAT),
        make("ReduceMean", ["pixels"], ["mean"], axes=[1, 2, 3], keepdims=0),
        make("Mul", ["mean", "zero"], ["nothing"]),
        make("Add", ["cells", "nothing"], ["things"]),
        make("ReduceMean", ["pixels"], ["grey"], axes=[3], keepdims=1),
        make("Greater", ["grey", "half"], ["bright"]),
        make("Cast", ["bright"], ["light"], to=TensorProto.FLOAT),
    ]
    shape, told = [1, HEIGHT, WIDTH], helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes, "toy", [told("view", TensorProto.UINT8, [*shape, 3])],
        [told("things", TensorProto.FLOAT, [1, 3, 10]),
         told("light", TensorProto.FLOAT, [*shape, 1])],
        [numpy_helper.from_array(np.asarray(v), k)
         for k, v in constants.items()],
    )  # fmt: skip
    opset = [helper.make_opsetid("", 17)]
    model = helper.make_model(graph, opset_imports=opset, ir_version=8)
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    outputs = {
        "things": {"kind": "boxes", "web": "boxes", "modality": "view",
                   "classes": ["dot", "spot"], "least_score": 0.3},
        "light": {"kind": "mask", "web": "mask", "modality": "view",
                  "classes": ["bright"], "size": [HEIGHT, WIDTH]},
    }  # fmt: skip
    labels = {name: entry["classes"] for name, entry in outputs.items()}
    artefact.write_json(folder / "labels.json", labels)
    artefact.write_manifest(
        folder, "bundle", ["labels.json", "model.onnx"], name="by hand",
        model={"file": "model.onnx", "format": "onnx", "quantize": "none",
               "signature": "serving_default"},
        inputs={"view": {"kind": "image", "shape": [HEIGHT, WIDTH, 3],
                         "dtype": "uint8", "optional": False,
                         "web": "picture"}},
        present=[], outputs=outputs,
    )  # fmt: skip


def colours_at(page, place, points):
    """The colours of a drawn answer at places in shares of it."""
    return page.evaluate(
        """([place, points]) => {
        const canvas = document.querySelectorAll("canvas.places")[place];
        const context = canvas.getContext("2d");
        return points.map(([x, y]) => [...context.getImageData(
            x * canvas.width, y * canvas.height, 1, 1).data.slice(0, 3)]); }""",
        [place, points],
    )


def test_the_page_draws_boxes_and_masks(phone, build_site, serve, tmp_path):
    (tmp_path / "bundle").mkdir()
    write_bundle(tmp_path / "bundle")
    half = np.full((120, 160, 3), 60, "uint8")
    half[:, 80:] = 200
    Image.fromarray(half).save(tmp_path / "half.png")
    page = phone(serve(build_site(tmp_path / "bundle")).address)
    page.locator("input[type=file]").set_input_files(tmp_path / "half.png")
    page.locator(".view > canvas").wait_for()
    page.locator("#ask").click()
    page.locator("canvas.places").nth(1).wait_for()
    legends = page.locator(".legend").all_inner_texts()
    assert legends == ["dot 1\nspot 1", "bright 50.0 %"]
    orange, blue = [230, 159, 0], [86, 180, 233]
    # The left side of the first box, the lower of the second, and between.
    edges = [(0.25, 0.5), (0.7, 0.75), (0.1, 0.1)]
    assert colours_at(page, 0, edges) == [orange, blue, [60, 60, 60]]
    dark, bright = colours_at(page, 1, [(0.2, 0.5), (0.8, 0.5)])
    assert dark == [60, 60, 60]
    np.testing.assert_allclose(
        bright, (np.array(orange) + 200) / 2, rtol=0, atol=1
    )
    drawn = page.locator("canvas.places").first
    assert drawn.get_attribute("aria-label") == "view with dot 1, spot 1"
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= 390 and not page.errors
