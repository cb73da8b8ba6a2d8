"""One flipped bit is refused by its hash, before anything is parsed."""

import shutil

import pytest
from export.export_toys import runner, toy_export

from mmkeras import artefact
from mmkeras.export import main
from mmkeras.model import load_model


def flip(path):
    """Flips one bit in the middle; the size stays."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.write_bytes(data)


@pytest.fixture
def nothing_is_parsed(monkeypatch):
    toy_export()  # before the patch: the first test of a session builds it

    def parsed(*_args, **_options):
        raise RuntimeError("a damaged file was parsed")

    monkeypatch.setattr("ai_edge_litert.interpreter.Interpreter", parsed)
    monkeypatch.setattr("keras.saving.load_model", parsed)
    # Nor is the code of the bundle run, which would parse the others.
    load = runner().Code.load

    def checks_only(self, name):
        # `run` is what already runs; it is not read again.
        checks = {"command", "run", "runner", "manifest", "validation"}
        return load(self, name) if name in checks else parsed()

    monkeypatch.setattr(runner().Code, "load", checks_only)


@pytest.mark.parametrize(
    "name",
    ["model.tflite", "model.onnx", "tokenizer_text.json", "labels.json",
     "card.json"],
)  # fmt: skip
def test_the_runner_refuses_a_damaged_bundle(
    tmp_path, capsys, nothing_is_parsed, name
):
    folder = shutil.copytree(toy_export().bundle, tmp_path / "bundle")
    flip(folder / name)
    with pytest.raises(ValueError, match=f"{name}.*sha256.*Received"):
        runner().Runner(folder)
    assert runner().main(["--bundle", str(folder), "--table", "1,2,3"]) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("error: ") and name in captured.err
    assert captured.out == ""
    with pytest.raises(ValueError, match=f"{name}.*is not the file"):
        artefact.read_manifest(folder, "bundle")


def test_loading_refuses_a_damaged_model(tmp_path, nothing_is_parsed):
    run = shutil.copytree(toy_export().run, tmp_path / "run")
    flip(run / "model.keras")
    for path in (run, run / "model.keras"):
        with pytest.raises(ValueError, match="model.keras.*sha256"):
            load_model(path)


def test_export_refuses_a_damaged_run(tmp_path, capsys, nothing_is_parsed):
    run = shutil.copytree(toy_export().run, tmp_path / "run")
    flip(run / "model.keras")
    out = tmp_path / "bundle"
    assert main([str(run), "--out", str(out)]) == 2
    message = capsys.readouterr().err
    assert "model.keras" in message and "sha256" in message
    assert message.count("\n") == 1
    assert not out.exists()


@pytest.mark.parametrize("keep", [0.0, 0.3, 0.9])
def test_the_runner_refuses_a_damaged_manifest(tmp_path, capsys, keep):
    folder = shutil.copytree(toy_export().bundle, tmp_path / "bundle")
    path = folder / "manifest.json"
    text = path.read_text()
    path.write_text(text[: int(len(text) * keep)])
    assert runner().main(["--bundle", str(folder)]) == 2
    assert "manifest.json" in capsys.readouterr().err
