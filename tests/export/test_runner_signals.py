"""The runner reads series, films and scans by the rules of `prepare`."""

import json

import numpy as np
import pytest
from data.signal_toys import signal, write_csv
from export.export_toys import load_run, reader
from PIL import Image

from mmkeras.data import decode_file
from mmkeras.export import bundle
from mmkeras.kinds import Series
from mmkeras.spec import DataSpec

SPEC = DataSpec.from_dict(
    {
        "name": "signals",
        "modalities": {
            "ecg": {"kind": "series", "column": "e", "channels": ["a", "b"],
                    "sample_rate_hz": 50, "duration_sec": 0.4,
                    "file_rate_hz": 50, "time_column": "t"},
            "film": {"kind": "video", "column": "f", "height": 4, "width": 6,
                     "channels": 1, "frames": 3},
            "scan": {"kind": "volume", "column": "s", "depth": 2, "height": 3,
                     "width": 4, "spacing_mm": [1, 1, 1], "window_low": -10,
                     "window_high": 10},
        },
        "targets": {"total": {"kind": "number", "column": "n"}},
    }
)  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A bundle whose answer is the sum of all that is known."""
    import keras
    from keras import ops

    from mmkeras.export import to_tflite

    inputs = {
        "ecg": keras.Input((20, 2), name="ecg"),
        "film": keras.Input((3, 4, 6, 1), dtype="uint8", name="film"),
        "scan": keras.Input((2, 3, 4, 1), name="scan"),
    }
    # The runtime has no operator for isnan.
    known = ops.where(
        ops.equal(inputs["ecg"], inputs["ecg"]), inputs["ecg"], 0.0
    )
    parts = [known, ops.cast(inputs["film"], "float32"), inputs["scan"]]
    flat = [keras.layers.Flatten()(part) for part in parts]
    total = ops.sum(ops.concatenate(flat, axis=1), axis=1, keepdims=True)
    identity = keras.layers.Dense(
        1, kernel_initializer="ones", name="total", use_bias=False
    )
    path = tmp_path_factory.mktemp("signals")
    model = keras.Model(inputs, {"total": identity(total)})
    to_tflite(model, path / "float.tflite")
    (path / "bundle").mkdir()
    shipped = {"tflite": path / "float.tflite"}
    bundle.fill(path / "bundle", SPEC, None, shipped, {})
    manifest = bundle.seal(path / "bundle", SPEC, ("tflite",), "none")
    assert bundle.next_command(manifest, path).endswith(
        "run.py --ecg SERIES.csv --film FRAMES --scan VOLUME.npy"
    )
    return path / "bundle"


def write_right(path) -> dict[str, np.ndarray]:
    """Writes a file of each kind; returns what they hold."""
    values = signal(0.4)
    values[3:6, 1] = np.nan
    times = np.arange(20) / 50
    write_csv(path / "ecg.csv", values, times=times)
    np.save(path / "ecg.npy", values)
    film = np.arange(72, dtype=np.uint8).reshape(3, 4, 6, 1)
    np.save(path / "film.npy", film)
    (path / "film").mkdir()
    for i, frame in enumerate(film):
        Image.fromarray(frame[..., 0]).save(path / "film" / f"{i}.png")
    scan = np.arange(24, dtype=np.int16).reshape(2, 3, 4) - 9
    np.save(path / "scan.npy", scan)
    return {"ecg": values, "film": film, "scan": scan}


@pytest.mark.parametrize("ecg", ["ecg.csv", "ecg.npy"])
@pytest.mark.parametrize("film", ["film", "film.npy"])
def test_files_are_answered(folder, tmp_path, capsys, ecg, film):
    x = write_right(tmp_path)
    options = [f"--ecg={tmp_path / ecg}", f"--film={tmp_path / film}"]
    options += [f"--scan={tmp_path / 'scan.npy'}"]
    assert load_run(folder).main(options) == 0
    answer = json.loads(capsys.readouterr().out)["total"]["value"]
    expected = np.nansum(x["ecg"]) + x["film"].sum() + x["scan"].sum()
    assert answer == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("steps", [5, 20, 33])
@pytest.mark.parametrize("crop", ["start", "center"])
@pytest.mark.parametrize("name", ["x.npy", "x.csv"])
def test_a_series_is_read_as_at_ingest(tmp_path, steps, crop, name):
    values = signal()[:steps]
    values[2, 0] = np.nan
    np.save(tmp_path / "x.npy", values)
    write_csv(tmp_path / "x.csv", values, times=np.arange(steps) / 50)
    modality = SPEC.modalities["ecg"].model_copy(update={"crop": crop})
    entry = {**modality.model_dump(), "shape": [20, 2]}
    found = reader(Series).read(str(tmp_path / name), entry)
    assert found.dtype == np.float32
    expected = decode_file(modality, tmp_path / name)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def write_wrong(path) -> None:
    write_right(path)
    values = signal(0.4)
    write_csv(path / "fast.csv", values, times=np.arange(20) / 100)
    write_csv(path / "hole.csv", values, times=np.r_[0:10, 15:25] / 50)
    write_csv(path / "named.csv", values, ("a", "c"), np.arange(20) / 50)
    (path / "words.csv").write_text("a,b,t\n1,two,0\n")
    (path / "none.csv").write_text("a,b,t\n,,0\n")
    np.save(path / "three.npy", np.zeros((20, 3)))
    np.save(path / "nan.npy", np.full((20, 2), np.nan))
    np.save(path / "inf.npy", np.full((20, 2), np.inf))
    np.save(path / "objects.npy", np.array([{}]), allow_pickle=True)
    np.save(path / "float.npy", np.zeros((3, 4, 6, 1), "float32"))
    np.save(path / "holes.npy", np.full((2, 3, 4), np.nan))
    raw = (path / "scan.npy").read_bytes()
    (path / "cut.npy").write_bytes(raw[:-1])
    (path / "junk.npy").write_bytes(b"junk")
    (path / "film" / "3.png").write_bytes(b"one too many")


WRONG = {
    "ecg": {
        "fast.csv": "rows 1/50.0 s apart",
        "hole.csv": "rows 1/50.0 s apart",
        "named.csv": "columns ['a', 'b', 't']. Received: ['a', 'c', 't']",
        "words.csv": "a .csv of numbers",
        "none.csv": "a series with values. Received: gaps alone",
        "three.npy": "(steps, 2). Received: [20, 3]",
        "nan.npy": "a series with values",
        "inf.npy": "finite, or NaN in a gap",
        "objects.npy": "an .npy file of numbers",
        "cut.npy": "an .npy file of numbers",
        "junk.npy": "an .npy file of numbers",
        "film": "a regular file",
    },
    "film": {
        "film": "a folder of 3 frames. Received: 4",
        "float.npy": "uint8 of shape [3, 4, 6, 1]. Received: float32",
        "scan.npy": "of shape [3, 4, 6, 1]. Received: int16 of shape [2, 3",
    },
    "scan": {
        "film.npy": "(depth, height, width) [2, 3, 4]. Received: [3, 4, 6, 1]",
        "holes.npy": "must be finite",
        "cut.npy": "an .npy file of numbers",
    },
}


@pytest.mark.parametrize(
    "name, file", [(name, file) for name in WRONG for file in WRONG[name]]
)
def test_a_wrong_file_is_refused(folder, tmp_path, capsys, name, file):
    write_wrong(tmp_path)
    right = {"ecg": "ecg.npy", "film": "film.npy", "scan": "scan.npy"}
    options = [
        f"--{key}={tmp_path / value}"
        for key, value in {**right, name: file}.items()
    ]
    assert load_run(folder).main(options) == 2
    captured = capsys.readouterr()
    assert captured.out == "" and WRONG[name][file] in captured.err


@pytest.mark.parametrize(
    "name, change, message",
    [
        ("ecg", lambda x: x[:10], r"of shape \[20, 2\].*of shape \[10, 2\]"),
        ("ecg", lambda x: x.astype("float64"), "float32.*Received: float64"),
        ("film", lambda x: x[:2], r"\[3, 4, 6, 1\].*of shape \[2, 4, 6, 1\]"),
        ("scan", lambda x: x[..., 0], r"\[2, 3, 4, 1\].*of shape \[2, 3, 4\]"),
        ("scan", lambda x: x * np.float32("nan"), "finite"),
    ],
)
def test_a_wrong_array_is_refused(folder, tmp_path, name, change, message):
    x = write_right(tmp_path)
    x["ecg"] = x["ecg"].astype("float32")
    x["scan"] = x["scan"].astype("float32")[..., None]
    ready = load_run(folder).Runner(folder)
    assert np.isfinite(ready.predict(x)["total"]).all()
    with pytest.raises(ValueError, match=f"`{name}` must be .*{message}"):
        ready.predict({**x, name: change(x[name])})
