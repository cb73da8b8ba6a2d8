"""From a run to a bundle, and what stands in the way."""

import dataclasses
import json
import os
import shutil
import stat
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from export.export_toys import ToyData, ready_files, toy_export, toy_run

from mmkeras import artefact
from mmkeras.export import (
    bundle,
    export,
    load_profile,
    read_card,
    worker,
)


@pytest.fixture(scope="module")
def done():
    return toy_export()


def test_the_bundle_holds_what_the_device_needs(done):
    manifest = artefact.read_manifest(done.bundle, "bundle")
    assert set(manifest["files"]) == {
        "model.tflite", "model.onnx", "labels.json", "tokenizer_text.json",
        "card.json", "run.py", "command.py", "runner.py", "manifest.py",
        "validation.py", "lines.py", "live.py", "devices.py", "samples.py",
        "jpeg.py", "picture.py", "geometry.py",
        "tokenizer.py", "input_image.py", "input_audio.py", "input_text.py",
        "input_vector.py", "output_category.py", "output_categories.py",
        "output_number.py",
    }  # fmt: skip
    assert manifest["model"] == {
        "file": "model.tflite",
        "format": "tflite",
        "quantize": "int8",
        "signature": "serving_default",
    }
    assert manifest["present"] == ["audio", "text"]
    assert manifest["inputs"]["image"] == {
        "kind": "image", "shape": [16, 16, 1], "dtype": "uint8",
        "optional": False, "height": 16, "width": 16, "channels": 1,
        "resize": "stretch", "reader": "input_image.py",
        "example": "IMAGE.png", "web": "picture",
    }  # fmt: skip
    assert manifest["inputs"]["audio"]["sample_rate_hz"] == 8000
    assert manifest["inputs"]["text"]["tokenizer"] == "tokenizer_text.json"
    assert manifest["outputs"]["digit"]["classes"][3] == "three"
    labels = json.loads((done.bundle / "labels.json").read_text())
    assert labels["tags"] == ["red", "green", "blue"]
    assert not list(done.bundle.parent.glob(".tmp-*"))


def test_the_card_compares_keras_float_and_int8(done):
    assert read_card(done.bundle / "card.json") == done.card
    card = json.loads((done.bundle / "card.json").read_text())
    assert list(card["scenarios"]) == ["all", "without audio", "without text"]
    assert card["failures"] == []
    assert card["samples"] == {"test": 200, "of": 200, "calibration": 128}
    found = card["scenarios"]["all"]
    assert found["digit"]["keras"]["accuracy"] == 1
    assert found["digit"]["tflite float32"]["largest_difference"] < 1e-5
    assert found["digit"]["onnx float32"]["largest_difference"] < 1e-5
    assert found["digit"]["tflite int8"]["agreement"] > 0.97
    assert found["rating"]["tflite int8"]["r2"] > 0.99
    assert found["rating"]["onnx int8"]["r2"] > 0.99
    assert card["files"]["tflite int8"]["latency_ms"] > 0
    sizes = {name: entry["bytes"] for name, entry in card["files"].items()}
    assert sizes["tflite int8"] < 0.4 * sizes["tflite float32"]
    assert sizes["onnx int8"] < 0.5 * sizes["onnx float32"]
    int8 = found["digit"]["tflite int8"]
    low, high = int8["drop_interval"]
    assert low <= int8["drop"] <= high and int8["drop"] <= 0.05
    assert 0 <= int8["calibration_error"] <= 1
    assert int8["worst_class"]["class"] in ("zero", "one", "two", "three")


def test_the_card_says_which_recipe_and_why(done):
    # A loop cannot be int8 as a whole.
    assert done.card.recipe == "int8-heavy"
    assert done.card.recipes["int8-heavy"].passes
    refused = done.card.recipes["int8-full"].refused
    assert "layer `gru`" in refused and "unroll=True" in refused
    layers = done.card.layers
    assert layers["wide"].own_db > 20 and "digit" in layers
    assert "recipe int8-heavy, shipped: " in done.report
    # A terminal shows the end of a line in the middle of one by its name.
    assert not any("\n" in line for line in done.lines)
    assert {"CONV_2D", "WHILE"} <= set(done.card.operators)


def test_the_report_has_a_line_for_each_step_and_scenario(done):
    for words in ("converting to tflite, int8", "without text: rating r2",
                  "measured on 200 of 200", "median latency"):  # fmt: skip
        assert words in done.report


def test_the_next_command_runs_the_bundle(done):
    manifest = artefact.read_manifest(done.bundle, "bundle")
    command = bundle.next_command(manifest, done.bundle)
    assert command.startswith(f"python {done.bundle}/run.py --audio")


@pytest.fixture
def without_child(monkeypatch, done):
    """Lets `export` find files instead of converting once more."""
    monkeypatch.setattr("mmkeras.export.exporter.run_child", ready_files)


def run_export(out, **options):
    toy = toy_run()
    options = {"max_drop": 0.05, "test_samples": 40, "report": str, **options}
    return export(toy.run, toy.spec, toy.data, out, **options)


def test_a_drop_above_the_limit_leaves_the_card_alone(
    without_child, monkeypatch, tmp_path
):
    kind = type(toy_run().spec.targets["digit"])
    real, first = kind.figures, {}

    def worse(target, labels, outputs, weights):
        figures = real(target, labels, outputs, weights)
        if outputs is first.setdefault(len(outputs), outputs):
            return figures  # Keras, with all modalities there
        parts = {
            names: lambda counts, part=part: lowered(part(counts))
            for names, part in figures.parts.items()
        }
        return dataclasses.replace(figures, parts=parts)

    def lowered(found):
        return {n: v - 0.2 * (n == "accuracy") for n, v in found.items()}

    monkeypatch.setattr(kind, "figures", worse)
    out = tmp_path / "bundle"
    message = (
        r"accuracy of `digit` must not drop by more than 0.05. Received: "
        r"Keras 1.0000, float32 0.8000, tflite int8 0.8000: a drop of 0.2000"
    )
    with pytest.raises(ValueError, match=message):
        run_export(out)
    failed = tmp_path / "bundle.failed"
    assert not out.exists()
    assert json.loads((failed / "card.json").read_text())["failures"]
    with pytest.raises(ValueError, match="manifest.json"):
        artefact.read_manifest(failed, "bundle")


def test_a_float_file_that_departs_is_no_bundle(done, monkeypatch, tmp_path):
    def another_float(request, report, debug, children):
        if isinstance(request, worker.FindDeparture):
            x = worker.load_arrays(request.x)
            assert x["image"].shape == (1, 16, 16, 1)
            return worker.Departure("conv2d", "Conv2D", 0.5)
        made = ready_files(request, report, debug)
        shutil.copy(done.bundle / "model.tflite", made.files[0].path)
        return made

    monkeypatch.setattr("mmkeras.export.exporter.run_child", another_float)
    message = (
        r"tflite float32 must equal Keras within 0.0001. Received: a "
        r"difference of 0\.\d+ in `digit`; the first layer that departs is "
        r"`conv2d` \(Conv2D\), by 0.5"
    )
    with pytest.raises(ValueError, match=message):
        run_export(tmp_path / "bundle", quantize="none")
    assert not (tmp_path / "bundle").exists()


def test_an_older_bundle_is_replaced_and_nothing_else(without_child, tmp_path):
    out = tmp_path / "bundle"
    run_export(out)
    before = (out / "manifest.json").stat().st_mtime_ns
    run_export(out)
    assert (out / "manifest.json").stat().st_mtime_ns > before
    assert os.listdir(tmp_path) == ["bundle"]

    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    for force in (False, True):
        with pytest.raises(
            ValueError, match="`--force` replaces other folders"
        ):
            run_export(tmp_path / "mine", force=force)
        assert os.listdir(tmp_path / "mine") == ["thesis.txt"]

    # Of mmkeras, but of another kind: by force, and but for what is not ours.
    other = tmp_path / "other"
    other.mkdir()
    artefact.write_manifest(other, "retrieval", [])
    (other / "thesis.txt").write_text("years of work")
    with pytest.raises(ValueError, match="of kind 'retrieval'"):
        run_export(other)
    run_export(other, force=True)
    artefact.read_manifest(other, "bundle")
    assert (other / "thesis.txt").read_text() == "years of work"


def test_a_float_bundle_is_compared_with_keras_alone(without_child, tmp_path):
    found = run_export(tmp_path / "bundle", quantize="none")
    assert list(found.measured.files) == ["tflite float32"]
    assert found.ratios == {}
    manifest = artefact.read_manifest(tmp_path / "bundle", "bundle")
    assert manifest["model"]["quantize"] == "none"


def test_a_bundle_of_onnx_has_no_runner(without_child, tmp_path):
    out = tmp_path / "bundle"
    run_export(out, formats=["onnx"])
    manifest = artefact.read_manifest(out, "bundle")
    assert manifest["model"]["file"] == "model.onnx"
    assert not any(name.endswith(".py") for name in manifest["files"])
    assert "reader" not in manifest["inputs"]["image"]
    assert "ONNX" in bundle.next_command(manifest, out)


def test_the_runner_is_found_where_it_was_installed(tmp_path, monkeypatch):
    monkeypatch.setattr(
        "mmkeras.export.bundle.device_code.__file__",
        "/nowhere/mmkeras/export/bundle/code.py",
    )
    monkeypatch.setattr("sysconfig.get_path", lambda name: str(tmp_path))
    with pytest.raises(ValueError, match="runner must lie beside.*nowhere"):
        bundle.runner_source()
    place = tmp_path / "share" / "mmkeras" / "run.py"
    place.parent.mkdir(parents=True)
    place.write_text("")
    assert bundle.runner_source() == place


def test_a_bundle_for_firmware_holds_c_source(without_child, tmp_path):
    small = load_profile("microcontroller").model_copy(
        update={"operators": None, "memory_kb": 10_000, "quantize": None}
    )
    out = tmp_path / "bundle"
    card = run_export(out, formats=["c-array"], target=small)
    assert card.target == "microcontroller" and not card.failures
    files = artefact.read_manifest(out, "bundle")["files"]
    assert {"model.h", "model.c", "model.tflite"} <= set(files)
    header = (out / "model.h").read_text(encoding="utf-8")
    assert '#define MODEL_DIGIT_LABELS {"zero", "one"' in header


def test_an_operator_that_a_device_lacks_is_no_bundle(without_child, tmp_path):
    small = load_profile("microcontroller").model_copy(
        update={"memory_kb": 10_000, "quantize": None}
    )
    out = tmp_path / "bundle"
    with pytest.raises(ValueError, match="operator must be one that.*GELU"):
        run_export(out, formats=["c-array"], target=small)
    assert not out.exists()


@pytest.mark.parametrize(
    "options, message",
    [
        ({"formats": ["c-array"]}, "`quantize` must be one of int8-full"),
        (
            {"target": load_profile("microcontroller"), "formats": ["onnx"],
             "quantize": "int8-full"},
            "`formats` must be among tflite, c-array for microcontroller",
        ),
        ({"quantize": "int4", "formats": ["onnx"]}, "`formats` must be tflite"),
    ],
)  # fmt: skip
def test_what_a_device_cannot_take_is_refused_first(tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        run_export(tmp_path / "bundle", **options)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"quantize": "int3"}, "`quantize` must be one of none.*'int3'"),
        ({"formats": ["coreml"]}, "`formats` must be.*coreml"),
        ({"formats": []}, "`formats` must be"),
        ({"max_drop": 3}, "`max_drop` must be a fraction"),
        ({"max_drop": float("nan")}, "`max_drop` must be a fraction"),
    ],
)
def test_a_wrong_option_is_refused(tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        export("run", None, None, tmp_path / "bundle", **options)


def test_an_empty_test_split_is_refused(tmp_path):
    toy = toy_run()
    data = SimpleNamespace(train=toy.data.train, test=[], counts={"test": 0})
    with pytest.raises(ValueError, match="at least one sample"):
        export(toy.run, toy.spec, data, tmp_path / "bundle", report=str)
    assert not list(tmp_path.iterdir())


def write_program(path, text):
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def conversion(folder, model, quantize):
    return worker.Convert(
        model=Path(model), folder=folder, samples=folder / "x.npz",
        formats=(), quantize=quantize, answer={},
    )  # fmt: skip


@pytest.mark.parametrize(
    "end, how",
    [("kill -SEGV $$", r"signal 11 \(SIGSEGV\)"), ("exit 3", "exit code 3")],
)
def test_a_converter_that_crashes_is_reported(tmp_path, monkeypatch, end, how):
    program = f"echo step: converting to tflite, int8; echo Oh. >&2; {end}"
    monkeypatch.setattr(
        sys, "executable", write_program(tmp_path / "python", program)
    )
    request = conversion(tmp_path, "runs/first", "int8")
    message = (
        f"runs/first.*ended with {how} while converting to tflite, int8, "
        "quantize 'int8'. Its last words: Oh"
    )
    with pytest.raises(ValueError, match=message):
        worker.run_child(request, report=str)


def test_a_converter_that_hangs_is_ended(tmp_path, monkeypatch):
    monkeypatch.setattr("mmkeras.export.worker.process.LIMIT_SEC", 0.2)
    monkeypatch.setattr(
        sys, "executable", write_program(tmp_path / "python", "exec sleep 60")
    )
    request = conversion(tmp_path, "m", "none")
    with pytest.raises(
        ValueError, match="no answer in 0.2 seconds.*while starting"
    ):
        worker.run_child(request, report=str)


def test_one_process_answers_until_it_crashes(tmp_path, monkeypatch):
    program = (
        "while read line; do echo step: $$; "
        "test $line = crash && echo Oh. >&2 && kill -SEGV $$; "
        "echo answered; done"
    )
    monkeypatch.setattr(
        sys, "executable", write_program(tmp_path / "python", program)
    )
    said = []
    with worker.Children() as children:
        for line in ("one", "two", "crash", "three"):
            how, step, words = children.ask(line, said.append, debug=False)
            crash = "ended with signal 11 (SIGSEGV)", "Oh."
            assert (how, words) == (crash if line == "crash" else ("", ""))
            assert said[-1] == f"step: {step}"
    assert said[0] == said[1] == said[2] != said[3]
    for line in said:
        with pytest.raises(ProcessLookupError):
            os.kill(int(line.removeprefix("step: ")), 0)


def test_toy_data_give_labels_of_every_kind():
    data = ToyData(toy_run().model, toy_run().data.folder, test=64)
    assert {name for _, y, _ in data.test for name in y} == {
        "digit", "tags", "rating",
    }  # fmt: skip
