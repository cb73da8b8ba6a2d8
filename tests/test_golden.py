"""What was written at commit 34124d9 loads, and gives the figures it gave.

The files in `golden/` are as that commit left them; `golden/make.py` says how.
They are no place for an edit: a figure that was wrong then has an entry in
`corrected` of `figures.json`, with the reason.
"""

import csv
import fnmatch
import importlib
import importlib.util
import json
import pkgutil
import subprocess
import sys
import tarfile
import tomllib
from pathlib import Path

import numpy as np
import pytest

import mmkeras
from mmkeras import artefact
from mmkeras.data import load_data, prepare
from mmkeras.spec import DataSpec

GOLDEN = Path(__file__).parent / "golden"
FIGURES = json.loads((GOLDEN / "figures.json").read_text())
CORRECTED = FIGURES["corrected"]
RUNS = ("full", "component")
# Of outputs, none of which is far from 1: another processor adds in another
# order.
CLOSE = {"rtol": 1e-4, "atol": 1e-4}
# They have no hash of their own, which is told.
OLDER = "was written by an earlier mmkeras, without a hash of its own"
pytestmark = pytest.mark.filterwarnings(f"ignore:.*{OLDER}")


def _made_by():
    spec = importlib.util.spec_from_file_location("make", GOLDEN / "make.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


make = _made_by()


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory):
    """Returns a function from an archive's name to its folder."""
    place = tmp_path_factory.mktemp("golden")

    def unpack(name: str) -> Path:
        if not (place / name).exists():
            with tarfile.open(GOLDEN / f"{name}.tar.xz") as file:
                file.extractall(place, filter="data")
        return place / name

    return unpack


@pytest.fixture(scope="module")
def arrays():
    """Inputs of the test split, and what was predicted of them."""
    with np.load(GOLDEN / "arrays.npz") as file:
        return dict(file)


def inputs(arrays) -> dict[str, np.ndarray]:
    return {n.removeprefix("x/"): v for n, v in arrays.items() if n[:2] == "x/"}


def predicted(arrays, name: str) -> dict[str, np.ndarray]:
    start = f"{name}/"
    return {
        key.removeprefix(start): values
        for key, values in arrays.items()
        if key.startswith(start)
    }


@pytest.mark.parametrize(
    "known", FIGURES["specs"], ids=[s["read"]["name"] for s in FIGURES["specs"]]
)
def test_a_spec_is_read_as_it_was(known):
    spec = DataSpec.from_dict(known["given"])
    assert_holds(spec.to_dict(), known["read"])
    assert spec.sha256 == known["sha256"]
    assert DataSpec.from_dict(known["read"]).sha256 == known["sha256"]


@pytest.mark.parametrize("name", ["data", "full", "bundle"])
def test_that_nothing_proves_an_old_manifest_is_told(unpacked, name):
    with pytest.warns(UserWarning, match=f"{name}/manifest.json` {OLDER}"):
        artefact.read_manifest(unpacked(name))


def test_prepared_data_give_the_same_batches(unpacked):
    data = load_data(unpacked("data"), 12, seed=3, augment=False)
    assert make.hashes(data) == FIGURES["batches"]
    assert data.vocabularies == FIGURES["vocabularies"]


def test_the_raw_files_are_prepared_to_the_same_shards(unpacked, tmp_path):
    found = prepare(
        unpacked("raw") / "spec.toml", tmp_path / "data", workers=1, seed=5
    )
    assert found["splits"] == FIGURES["splits"]
    assert_same(found["statistics"], FIGURES["statistics"])
    data = load_data(tmp_path / "data", 12, seed=3, augment=False)
    assert data.vocabularies == {
        name: corrected(f"prepared_now/vocabularies/{name}", value)
        for name, value in FIGURES["vocabularies"].items()
    }


def test_prepare_takes_the_old_folder_for_its_own(unpacked):
    """It has nothing to do where the same spec and files were prepared."""
    folder = unpacked("data")
    before = {p.name: p.stat().st_mtime_ns for p in folder.iterdir()}
    prepare(unpacked("raw") / "spec.toml", folder, workers=1, seed=5)
    assert {p.name: p.stat().st_mtime_ns for p in folder.iterdir()} == before


@pytest.mark.parametrize("name", RUNS)
def test_a_run_predicts_what_it_predicted(name, unpacked, arrays):
    from mmkeras.model import load_model

    outputs = load_model(unpacked(name))(inputs(arrays), training=False)
    expected = predicted(arrays, name)
    assert sorted(outputs) == sorted(expected)
    for target, values in expected.items():
        np.testing.assert_allclose(outputs[target], values, **CLOSE)


@pytest.mark.filterwarnings("ignore")  # of figures without a class
def test_an_evaluation_gives_the_same_figures(unpacked):
    from mmkeras.runs import evaluate_run

    run = unpacked("component")
    result = evaluate_run(run, unpacked("data"), baselines=False)
    found = make.flat(result)
    expected = FIGURES["evaluation"]["component"]
    for path, value in expected.items():
        value = corrected(f"evaluation/component/{path}", value)
        assert_same(found.get(path), value, path)
    written = json.loads((run / "evaluation/evaluation.json").read_text())
    assert sorted(written["targets"]) == sorted(result["targets"])


def test_every_correction_has_a_figure():
    known = [
        f"evaluation/{run}/{path}"
        for run, figures in FIGURES["evaluation"].items()
        for path in figures
    ]
    known += [f"prepared_now/vocabularies/{n}" for n in FIGURES["vocabularies"]]
    for pattern in CORRECTED:
        assert fnmatch.filter(known, pattern), pattern


@pytest.mark.filterwarnings("ignore")  # of TensorFlow, about running eagerly
def test_a_half_finished_training_ends_as_the_whole_one(unpacked, arrays):
    import tensorflow as tf

    from mmkeras.model import load_model
    from mmkeras.runs import train_run

    out = unpacked("half")
    before = read_history(out / "logs" / "history.csv")
    tf.config.run_functions_eagerly(True)
    try:
        train_run(
            unpacked("data"), tomllib.loads(make.COMPONENT), "component", out,
            seed=3, verbose=0,
        )  # fmt: skip
    finally:
        tf.config.run_functions_eagerly(False)
    outputs = load_model(out)(inputs(arrays), training=False)
    for target, values in predicted(arrays, "component").items():
        np.testing.assert_allclose(
            outputs[target], values, rtol=1e-3, atol=1e-3
        )
    rows = read_history(out / "history.csv")
    # What was trained before it was killed is read, and not trained again.
    assert rows[:-1] == before
    whole = list(csv.DictReader(FIGURES["history_component"].splitlines()))
    assert len(rows) == len(whole)
    for row, other in zip(rows, whole, strict=True):
        assert list(row) == list(other) and row["stage"] == other["stage"]
        assert float(row["loss"]) == pytest.approx(float(other["loss"]), 1e-3)


def read_history(path: Path) -> list[dict[str, str]]:
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def test_other_settings_do_not_go_on_with_the_old_training(unpacked, tmp_path):
    """The fingerprint of then is compared, and not passed over."""
    from mmkeras.runs import train_run

    recipe = tomllib.loads(make.COMPONENT)
    recipe["training"]["learning_rate"] = 0.004
    with pytest.raises(ValueError, match="learning_rate`: 0.003 -> 0.004"):
        train_run(
            unpacked("data"), recipe, "component", unpacked("half"), seed=3,
            verbose=0,
        )  # fmt: skip


def test_a_bundle_answers_as_it_did(unpacked, arrays, tmp_path):
    bundle, samples = unpacked("bundle"), tmp_path / "samples.npz"
    np.savez(samples, **inputs(arrays))
    found = run_bundle(bundle, "--samples", samples)
    assert_same(found, FIGURES["answers"], abs=1e-2)


def test_a_bundle_answers_for_raw_files(unpacked, arrays, tmp_path):
    """Row 0 of the test split, and what its cells name."""
    raw, x = unpacked("raw"), inputs(arrays)
    for name in ("film", "scan"):
        np.save(tmp_path / f"{name}.npy", x[name][0])
    row = (raw / "manifest.csv").read_text().splitlines()[5].split(",")
    id_, photo, sound, note, age, mass, colour, motion = row[:8]
    assert id_ == "g04" and sound and motion
    # A runner resamples nothing: the file has twice the rate.
    np.save(tmp_path / "motion.npy", x["motion"][0])
    found = run_bundle(
        unpacked("bundle"), "--photo", raw / photo, "--sound", raw / sound,
        "--note", note, "--table", f"{age},{mass},{colour}", "--motion",
        tmp_path / "motion.npy", "--film", tmp_path / "film.npy", "--scan",
        tmp_path / "scan.npy",
    )  # fmt: skip
    assert_same(found, FIGURES["answers"][:1], abs=1e-2)


def run_bundle(bundle, *arguments) -> list[dict]:
    """Returns the answers of the runner that lies in the bundle."""
    done = subprocess.run(
        [sys.executable, bundle / "run.py", *map(str, arguments)],
        check=True,
        capture_output=True,
        text=True,
    )
    decoder, text, found = json.JSONDecoder(), done.stdout.strip(), []
    while text:
        answer, end = decoder.raw_decode(text)
        found.append(answer)
        text = text[end:].strip()
    return found


def test_the_file_of_a_bundle_opens(unpacked, arrays):
    from mmkeras.export import open_file

    answer = open_file(unpacked("bundle") / "model.tflite")
    one = {name: values[:1] for name, values in inputs(arrays).items()}
    outputs = answer(one)
    for target, values in predicted(arrays, "tflite").items():
        np.testing.assert_allclose(outputs[target], values[:1], atol=1e-2)


def test_the_card_of_a_bundle_is_shown(unpacked, capsys):
    from mmkeras.cli import main

    assert main(["card", str(unpacked("bundle"))]) == 0
    shown = capsys.readouterr()
    assert "error" not in shown.err
    for target in predicted_targets():
        assert target in shown.out


def predicted_targets() -> list[str]:
    return sorted(tomllib.loads(make.SPEC)["targets"])


LAYERS = json.loads((GOLDEN / "layers.json").read_text())


def test_every_registered_name_is_still_known():
    import keras

    for module in pkgutil.walk_packages(mmkeras.__path__, "mmkeras."):
        # A command, and what runs beside the runner alone.
        if not module.name.endswith(("__main__", ".device")):
            importlib.import_module(module.name)
    known = keras.saving.get_custom_objects()
    assert [name for name in LAYERS["names"] if name not in known] == []


@pytest.mark.parametrize("name", sorted(LAYERS["layers"]))
def test_a_layer_is_made_from_its_old_configuration(name):
    import keras

    from mmkeras.model import load_model  # noqa: F401, registers layers

    layer = keras.saving.deserialize_keras_object(LAYERS["layers"][name])
    again = json.loads(json.dumps(keras.saving.serialize_keras_object(layer)))
    old = LAYERS["layers"][name]["config"]
    # A newer one may know more keys, but none of these by another value.
    for key, value in old.items():
        if not isinstance(value, dict | list):
            assert again["config"][key] == value, key


def corrected(path: str, value):
    """Returns a figure as it is now, where it was wrong then."""
    for pattern, entry in CORRECTED.items():
        if fnmatch.fnmatchcase(path, pattern):
            assert entry["why"]
            return entry["value"]
    return value


def assert_holds(found, known) -> None:
    """Asserts every key that was known then; a later version has more."""
    if isinstance(known, dict):
        for key in known:
            assert_holds(found[key], known[key])
    else:
        assert found == known


def assert_same(found, expected, path: str = "", abs: float = 1e-4) -> None:
    """Asserts equal JSON values, and numbers but for rounding."""
    if isinstance(expected, dict):
        assert sorted(found) == sorted(expected), path
        for key in expected:
            assert_same(found[key], expected[key], f"{path}/{key}", abs)
    elif isinstance(expected, list):
        assert len(found) == len(expected), path
        for place, each in enumerate(expected):
            assert_same(found[place], each, f"{path}/{place}", abs)
    elif isinstance(expected, float):
        close = pytest.approx(expected, rel=1e-4, abs=abs, nan_ok=True)
        assert found == close, path
    else:
        assert found == expected, path
