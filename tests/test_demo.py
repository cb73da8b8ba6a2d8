"""The generated demo set: repeatable, whole, and worth fusing."""

import csv
import hashlib
import subprocess
import sys
import wave
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.neighbors import KNeighborsClassifier

from mmkeras.data import (
    DEMO_SPEC,
    demo_sentence,
    demo_sound,
    draw_pictures,
    write_demo,
)
from mmkeras.spec import load_spec

SPECS = Path(__file__).parents[1] / "data_specs"


def read(folder: Path) -> list[dict]:
    with open(folder / "manifest.csv", newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def digest(folder: Path) -> str:
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    content = [(str(p.relative_to(folder)), p.read_bytes()) for p in files]
    return hashlib.sha256(repr(content).encode()).hexdigest()


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return write_demo(tmp_path_factory.mktemp("demo")).parent


@pytest.fixture(scope="module")
def rows(folder) -> list[dict]:
    return read(folder)


def test_the_committed_spec_is_the_one_that_is_written():
    text = (SPECS / "demo.toml").read_text(encoding="utf-8")
    assert text == DEMO_SPEC.replace('root = "."', 'root = "../data/demo"')


def test_the_spec_fits_the_files(folder, rows):
    spec = load_spec(folder / "demo.toml")
    assert spec.root == folder
    assert spec.optional == ("audio", "image", "text")
    assert {target.kind for target in spec.targets.values()} == {
        "category",
        "number",
    }
    parts = (*spec.modalities.values(), *spec.targets.values())
    assert {part.column for part in parts} | {"id"} == set(rows[0])
    assert len(rows) == 1500
    assert {row["digit"] for row in rows} == set(spec.targets["digit"].classes)
    for row in rows:
        if row["image"]:
            picture = np.asarray(Image.open(folder / row["image"]))
            assert picture.shape == (16, 16) and picture.dtype == np.uint8
        if row["audio"]:
            with wave.open(str(folder / row["audio"])) as file:
                found = file.getframerate(), file.getnframes()
            assert found == (8000, 4000)
        assert len(row["text"].split()) <= spec.modalities["text"].max_tokens


def test_a_few_samples_lack_one_modality_or_the_number(rows):
    names = ("image", "audio", "text")
    lacking = [sum(not row[name] for name in names) for row in rows]
    assert set(lacking) == {0, 1}
    assert 0.03 < np.mean(lacking) < 0.07
    assert all(any(not row[name] for row in rows) for name in names)
    assert 0.01 < np.mean([not row["ink"] for row in rows]) < 0.05


def test_each_real_picture_is_used_once(rows, monkeypatch):
    monkeypatch.setattr("mmkeras.data.demo.IMAGE_NOISE", 0.0)
    pictures, digits = draw_pictures(1500, seed=0)
    bundled = load_digits()
    real = {
        image.tobytes(): digit
        for image, digit in zip(bundled.images / 16, bundled.target)
    }
    drawn = [picture.tobytes() for picture in pictures]
    assert len(set(drawn)) == 1500 and set(drawn) <= set(real)
    assert [real[picture] for picture in drawn] == list(digits)
    assert [int(row["digit"]) for row in rows] == list(digits)
    for row, picture in zip(rows, pictures):
        if row["ink"]:
            assert float(row["ink"]) == pytest.approx(
                100 * picture.mean(), abs=0.0051
            )


def test_the_same_seed_gives_the_same_bytes(tmp_path):
    for name, seed in (("a", 7), ("b", 7), ("c", 8)):
        write_demo(tmp_path / name, samples=100, seed=seed)
    write_demo(tmp_path / "c", samples=100, seed=7)
    assert digest(tmp_path / "a") == digest(tmp_path / "b")
    assert digest(tmp_path / "a") == digest(tmp_path / "c")
    write_demo(tmp_path / "b", samples=100, seed=8)
    assert digest(tmp_path / "a") != digest(tmp_path / "b")


def test_a_stopped_run_leaves_no_spec_and_no_manifest(tmp_path, monkeypatch):
    write_demo(tmp_path, samples=100)

    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("mmkeras.data.demo.sound", full)
    with pytest.raises(OSError, match="No space left"):
        write_demo(tmp_path, samples=100)
    assert not (tmp_path / "demo.toml").exists()
    assert not (tmp_path / "manifest.csv").exists()


@pytest.mark.parametrize("samples", [0, 99, 1798])
def test_the_number_of_samples_is_checked(tmp_path, samples):
    with pytest.raises(ValueError, match=f"Received: samples={samples}"):
        write_demo(tmp_path / "x", samples=samples)
    assert not (tmp_path / "x").exists()


def test_a_sentence_tells_parity_and_size_and_no_more():
    heard = []
    for digit in range(10):
        rng = np.random.default_rng(0)
        heard.append({demo_sentence(digit, rng) for _ in range(300)})
    for one in range(10):
        for other in range(10):
            alike = (one % 2, one >= 5) == (other % 2, other >= 5)
            assert (heard[one] == heard[other]) == alike
            assert bool(heard[one] & heard[other]) == alike


def test_a_sound_tells_a_pair_of_digits():
    def of(digit):
        return demo_sound(digit, np.random.default_rng(3))

    for pair in ((0, 4), (1, 6), (2, 3), (5, 7), (8, 9)):
        np.testing.assert_array_equal(of(pair[0]), of(pair[1]))
    assert len({of(digit).tobytes() for digit in range(10)}) == 5


def test_together_the_modalities_tell_what_none_tells_alone(folder, rows):
    y = np.array([int(row["digit"]) for row in rows])
    views = {
        "image": np.array([_pixels(folder, row) for row in rows]),
        "audio": np.array([_spectrum(folder, row) for row in rows]),
        "text": np.array([_words(row) for row in rows]),
    }
    train, test = slice(0, 1100), slice(1100, None)
    scores, total = {}, 0
    for name, x in views.items():
        model = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.1)
        if name == "audio":
            model = KNeighborsClassifier(15, weights="distance")
        guess = model.fit(x[train], y[train]).predict_proba(x[test])
        there = np.array([bool(row[name]) for row in rows[test]])
        scores[name] = (guess.argmax(1) == y[test])[there].mean()
        total = total + np.where(there[:, None], np.log(guess + 1e-2), 0)
    fused = (total.argmax(1) == y[test]).mean()
    assert 0.70 < scores["image"] < 0.88
    assert 0.38 < scores["audio"] < 0.55
    assert 0.33 < scores["text"] < 0.50
    assert fused > 0.95


def test_generating_does_not_import_tensorflow():
    code = (
        "import sys; from mmkeras.data import write_demo; print(*sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.split())
    assert not loaded & {"tensorflow", "keras", "sklearn"}


def _pixels(folder: Path, row: dict) -> np.ndarray:
    if not row["image"]:
        return np.full(64, 0.5)
    picture = np.asarray(Image.open(folder / row["image"])) / 255
    return picture.reshape(8, 2, 8, 2).mean((1, 3)).ravel()


def _spectrum(folder: Path, row: dict) -> np.ndarray:
    """Log energy of 24 bands in 10 frames, less its mean."""
    if not row["audio"]:
        return np.zeros(240)
    with wave.open(str(folder / row["audio"])) as file:
        sound = np.frombuffer(file.readframes(4000), "<i2") / 32768
    power = np.abs(np.fft.rfft(sound.reshape(10, 400))[:, 1:193]) ** 2
    bands = np.log(power.reshape(10, 24, 8).mean(2) + 1e-3)
    return (bands - bands.mean()).ravel()


def _words(row: dict) -> np.ndarray:
    words = row["text"].split()
    pairs = zip(words, words[1:])
    vector = np.zeros(256)
    for item in (*words, *(" ".join(pair) for pair in pairs)):
        code = hashlib.sha256(item.encode()).digest()
        vector[int.from_bytes(code[:4], "little") % 256] = 1
    return vector
