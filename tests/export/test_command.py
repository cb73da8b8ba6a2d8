"""`python -m mmkeras.export`, but for the conversion itself."""

import pytest
from export.export_toys import ready_files, toy_export, toy_run
from manifest_toys import DATA

from mmkeras import artefact
from mmkeras.export import main


@pytest.fixture(autouse=True)
def toy_data(monkeypatch):
    toy, asked = toy_export(), []

    def load(folder, augment=True, **others):
        asked.append((folder, augment))
        return toy.data

    monkeypatch.setattr("mmkeras.runs.setup.load_data", load)
    monkeypatch.setattr("mmkeras.export.exporter.run_child", ready_files)
    return asked


def test_it_prints_size_and_next_command(tmp_path, capsys, toy_data):
    out = tmp_path / "bundle"
    code = main(
        [str(toy_run().run), "--out", str(out), "--format", "litert,tflite",
         "--samples", "20", "--max-drop", "0.2"]
    )  # fmt: skip
    lines = capsys.readouterr().out.splitlines()
    assert code == 0
    assert lines[-2].startswith(f"{out}: ") and lines[-2].endswith(" bytes")
    assert lines[-1].startswith(f"Next: python {out}/run.py --audio SOUND.wav")
    # Without augmentation, for the ranges are those of real samples.
    assert toy_data == [(toy_run().run / "data", False)]


def fails(capsys, *options):
    code = main([str(option) for option in options])
    captured = capsys.readouterr()
    assert code == 2 and captured.err.startswith("error: ")
    assert captured.err.count("\n") == 1
    return captured.err


def test_an_error_is_one_line(tmp_path, capsys):
    run, out = toy_run().run, tmp_path / "bundle"
    message = fails(capsys, run, "--out", out, "--quantize", "int3")
    assert "`quantize` must be one of none, float16, dynamic, int8" in message
    message = fails(capsys, tmp_path, "--out", out)
    assert f"{tmp_path}" in message and "manifest.json" in message
    with pytest.raises(ValueError, match="int3"):
        main([str(run), "--out", str(out), "--quantize", "int3", "--debug"])


def test_other_data_are_refused(tmp_path, capsys):
    out = tmp_path / "bundle"
    artefact.write_manifest(tmp_path, "data", [], **{**DATA, "seed": 1})
    message = fails(capsys, toy_run().run, "--out", out, "--data", tmp_path)
    assert f"`{tmp_path}` must be the data the run was trained on" in message
