"""Which code the runner runs: its own, as the manifest lists it, no other."""

import configparser
import json
import shutil
import subprocess
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from export.export_toys import EXPORT, load_run, toy_export, toy_inputs

import mmkeras
from mmkeras import artefact
from mmkeras.export import bundle, export
from mmkeras.spec import DataSpec

SHADOW = "raise SystemExit('a file of the current folder was run')\n"
CANARY = "open({!r}, 'w').close()\n"


@pytest.fixture
def folder(tmp_path) -> Path:
    """A copy of the toy bundle."""
    return shutil.copytree(toy_export().bundle, tmp_path / "bundle")


@pytest.fixture
def canary(tmp_path):
    """A line of Python that leaves a trace, which there must not be."""
    path = tmp_path / "canary"
    yield CANARY.format(str(path))
    assert not path.exists(), "code was run that must not be"


def seal(folder) -> None:
    """Makes the manifest fit changed files."""
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["files"] = artefact.describe_files(folder, manifest["files"])
    artefact.write_hashed(path, manifest)


def sample():
    x = toy_inputs(1, seed=2)
    del x["present"]
    return {name: array[0] for name, array in x.items()}


def test_readers_are_hashed_and_named(folder):
    manifest = artefact.read_manifest(folder, "bundle")
    entries = {**manifest["inputs"], **manifest["outputs"]}
    for entry in entries.values():
        assert len(manifest["files"][entry["reader"]]["sha256"]) == 64
    assert entries["tags"]["reader"] == "output_categories.py"


@pytest.mark.parametrize(
    "name", ["input_image.py", "output_number.py", "picture.py", "runner.py",
             "validation.py", "command.py"],
)  # fmt: skip
def test_a_changed_file_of_code_is_not_run(folder, capsys, canary, name):
    path = folder / name
    path.write_text(canary + path.read_text())
    assert load_run(folder).main(["--table", "1,2,3"]) == 2
    captured = capsys.readouterr()
    assert f"{name}` must be the file with sha256" in captured.err
    assert captured.out == ""
    with pytest.raises(ValueError, match=f"{name}.* sha256"):
        load_run(folder).Runner(folder)


def test_the_bytes_that_are_hashed_are_those_that_are_run(
    folder, monkeypatch, canary
):
    """A file that changes after it was read, or before, does no harm."""
    run = load_run(folder)
    digest = artefact.sha256_of(folder / "picture.py")
    code = run.Code([folder], {"picture.py": digest})
    real = Path.read_bytes

    def read_and_change(path):
        data = real(path)
        path.write_text(canary)
        return data

    monkeypatch.setattr(Path, "read_bytes", read_and_change)
    # Its import of `validation` is refused: that is not listed.
    with pytest.raises(ImportError):
        code.load("picture")
    monkeypatch.undo()
    with pytest.raises(ValueError, match="picture.py` must be the file with"):
        run.Code([folder], {"picture.py": digest}).load("picture")


def test_a_link_in_the_place_of_code_is_not_followed(folder, tmp_path, capsys):
    path = folder / "runner.py"
    path.rename(tmp_path / "elsewhere.py")
    path.symlink_to(tmp_path / "elsewhere.py")
    assert load_run(folder).main([]) == 2
    assert "runner.py` must be the file with" in capsys.readouterr().err


@pytest.mark.parametrize("isolated", [["-I"], []])
@pytest.mark.parametrize("absolute", [True, False])
def test_modules_of_the_current_folder_are_not_run(
    device_python, folder, tmp_path, isolated, absolute
):
    here = tmp_path / "here"
    here.mkdir()
    for file in folder.glob("*.py"):
        (here / file.name).write_text(SHADOW)
    np.savez(here / "x.npz", **toy_inputs(2, seed=2))
    script = folder / "run.py" if absolute else "../bundle/run.py"
    done = subprocess.run(
        [device_python, *isolated, script, "--samples", "x.npz"],
        cwd=here, capture_output=True, text=True, env={"PYTHONPATH": str(here)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 2


def test_a_file_that_the_manifest_does_not_list_is_not_run(folder, canary):
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["outputs"]["rating"]["reader"] = "output_own.py"
    artefact.write_hashed(path, manifest)
    (folder / "output_own.py").write_text(canary)
    with pytest.raises(ValueError, match="output_own.py.*fewer files"):
        load_run(folder).Runner(folder)


@pytest.fixture
def foreign(folder, tmp_path):
    """A bundle whose reader no other bundle has."""
    other = shutil.copytree(folder, tmp_path / "foreign")
    reader = other / "output_number.py"
    reader.write_text(reader.read_text().replace("float(output[0])", "42.0"))
    seal(other)
    return other


def test_readers_of_another_folder_need_trust(folder, foreign, tmp_path):
    run = load_run(folder)
    message = (
        r"output_number.py` must be the file with sha256 .* beside this "
        rf"run.py; .* start `{foreign}/run.py`, .* `--trust` \(`trust=True`\)"
    )
    with pytest.raises(ValueError, match=message):
        run.Runner(foreign)
    answer = run.Runner(foreign, trust=True).answer(sample())
    assert answer["rating"]["value"] == 42
    # Its own runner needs no trust; and one is not the other's.
    assert load_run(foreign).Runner(foreign).answer(sample()) == answer
    assert run.Runner(folder).answer(sample())["rating"]["value"] != 42


def test_the_command_line_needs_trust_too(
    device_python, folder, foreign, tmp_path
):
    np.savez(tmp_path / "x.npz", **toy_inputs(1, seed=2))
    command = [device_python, "-I", folder / "run.py", "--bundle", foreign,
               "--samples", tmp_path / "x.npz"]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2 and "`--trust`" in done.stderr
    assert done.stderr.count("\n") == 1 and done.stdout == ""
    done = subprocess.run(
        [*command, "--trust"], capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout)["rating"]["value"] == 42


def test_a_trusted_reader_is_hashed_all_the_same(folder, foreign, canary):
    (foreign / "output_number.py").write_text(canary)
    with pytest.raises(ValueError, match="output_number.py.* sha256"):
        load_run(folder).Runner(foreign, trust=True)


def test_readers_that_are_alike_need_no_trust(folder, tmp_path):
    """They are found beside the runner, by their hash."""
    same = shutil.copytree(folder, tmp_path / "same")
    run = load_run(folder)
    assert run.Runner(same).answer(sample()) == run.Runner(folder).answer(
        sample()
    )


def test_a_checkout_runs_a_bundle_that_is_trusted(folder):
    run = load_run(EXPORT)
    with pytest.raises(ValueError, match="`--trust`"):
        run.Runner(folder)
    expected = load_run(folder).Runner(folder).answer(sample())
    assert run.Runner(folder, trust=True).answer(sample()) == expected


@pytest.mark.parametrize(
    "text, message",
    [
        ("import torch_of_no_one", "imports what is there.*torch_of_no_one"),
        ("def shape(entry): return [1]", "a file with shape, answer"),
    ],
)
def test_a_reader_that_cannot_serve_is_refused(folder, text, message):
    (folder / "output_number.py").write_text(text)
    seal(folder)
    with pytest.raises(ValueError, match=f"`output_number.py`.*{message}"):
        load_run(folder).Runner(folder)


def test_an_older_bundle_is_told_from_a_broken_one(folder, capsys):
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())
    for entry in (*manifest["inputs"].values(), *manifest["outputs"].values()):
        del entry["reader"]
    artefact.write_hashed(path, manifest)
    assert load_run(folder).main(["--table", "1,2,3"]) == 2
    message = capsys.readouterr().err
    assert f"run by its own `{folder}/run.py`, or made anew" in message
    assert "Received: none for audio, image" in message
    assert message.count("\n") == 1


def test_classes_of_readers_know_their_module(folder):
    """As dataclasses do, which look the names of types up there."""
    (folder / "output_number.py").write_text(
        "from __future__ import annotations\n"
        "from dataclasses import asdict, dataclass\n"
        "from typing import ClassVar\n"
        "@dataclass\n"
        "class Rating:\n"
        "    value: float\n"
        "    unit: ClassVar[str] = 'stars'\n"
        "def shape(entry): return [1]\n"
        "def answer(output, entry): return asdict(Rating(float(output[0])))\n"
    )
    seal(folder)
    answer = load_run(folder).Runner(folder).answer(sample())
    assert list(answer["rating"]) == ["value"]


@pytest.mark.parametrize(
    "modality, target, expected",
    [
        (
            {"kind": "vector", "columns": ["a"]},
            {"kind": "number", "column": "n"},
            {"input_vector.py", "output_number.py"},
        ),
        (
            {"kind": "video", "column": "f", "height": 4, "width": 6,
             "frames": 3},
            {"kind": "ordinal", "column": "g", "classes": ["low", "high"]},
            {"input_video.py", "jpeg.py", "picture.py", "geometry.py",
             "output_ordinal.py"},
        ),
        (
            {"kind": "text", "column": "t", "max_tokens": 8},
            {"kind": "embedding", "column": "i"},
            {"input_text.py", "tokenizer.py", "output_embedding.py"},
        ),
    ],
)  # fmt: skip
def test_only_what_the_kinds_need_is_shipped(modality, target, expected):
    spec = DataSpec.from_dict(
        {"name": "few", "modalities": {"x": modality}, "targets": {"y": target}}
    )
    files = bundle.code(spec)
    assert set(files) - set(bundle.RUNNERS) == expected
    assert all(path.is_file() for path in files.values())


class Points(mmkeras.Modality):
    """A kind of a single file."""

    kind: Literal["cloud"]
    column: str
    count: int
    device_keys = ("count",)
    example = "POINTS"

    @property
    def shape(self):
        return (self.count, 3)


def points_spec() -> DataSpec:
    return DataSpec.from_dict(
        {
            "name": "own",
            "modalities": {"x": {"kind": "cloud", "column": "p", "count": 5}},
            "targets": {"y": {"kind": "number", "column": "n"}},
        }
    )


def test_a_kind_of_ones_own_brings_its_file(tmp_path, monkeypatch):
    path = tmp_path / "points_device.py"
    path.write_text("def read(value, entry): return value\n")
    monkeypatch.setattr(Points, "device", path)
    with mmkeras.registrations():
        mmkeras.register_modality(Points)
        spec = points_spec()
    assert bundle.code(spec)["input_cloud.py"] == path
    entry = bundle.describe("input", "x", spec.modalities["x"], tmp_path, True)
    assert entry == {
        "kind": "cloud", "reader": "input_cloud.py", "example": "POINTS",
        "shape": [5, 3], "dtype": "float32", "optional": False, "count": 5,
    }  # fmt: skip


def test_a_kind_without_a_file_ends_the_export_first(tmp_path):
    with mmkeras.registrations():
        mmkeras.register_modality(Points)
        spec = points_spec()
    message = "'cloud' must have a file for the device: `Points.device`"
    with pytest.raises(ValueError, match=message):
        export("run", spec, None, tmp_path / "bundle")
    assert not list(tmp_path.iterdir())


def test_an_installation_has_every_file_of_the_runner():
    settings = configparser.ConfigParser()
    settings.read(EXPORT.parent / "setup.cfg")
    installed = settings["options.data_files"]["share/mmkeras"].split()
    files = {f"export/{path.name}" for path in EXPORT.glob("*.py")}
    assert set(installed) == files


def test_the_bundle_of_the_runner_is_opened_from_anywhere(
    folder, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    runner = load_run(folder).Runner()
    assert runner.folder == folder
    assert set(runner.answer(sample())) == {"digit", "tags", "rating"}


def test_what_is_slow_to_import_is_left_until_it_is_needed(
    device_python, folder
):
    program = (
        "import runpy, sys; sys.argv = [sys.argv[1], '--help']\n"
        "try: runpy.run_path(sys.argv[0], run_name='__main__')\n"
        "except SystemExit: pass\n"
        "print({'numpy.random', 'zipfile', 'PIL'} & set(sys.modules))"
    )
    command = [device_python, "-I", "-c", program, folder / "run.py"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "set()"
