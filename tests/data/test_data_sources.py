"""Samples that come from a DataFrame, a folder, arrays, or other data sets."""

import io
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import soundfile
from data.data_toys import COLORS, make_spec, read_rows, write_set
from PIL import Image

import mmkeras
from mmkeras.data import SampleIO, intact_records, load_data
from mmkeras.spec import DataSpec


def table_spec(**modality) -> DataSpec:
    return DataSpec.from_dict(
        {
            "name": "rows",
            "split": {"train": 0.6, "validation": 0.2, "test": 0.2},
            "modalities": {
                "numbers": modality or {"kind": "vector", "columns": ["a", "b"]}
            },
            "targets": {
                "kind": {
                    "kind": "category",
                    "column": "kind",
                    "classes": ["no", "yes"],
                }
            },
        }
    )


def frame(rows: int = 20) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "a": np.arange(rows) / 4,
            "b": np.arange(rows),
            "kind": ["no", "yes"] * (rows // 2),
        }
    )


def records(folder) -> list[bytes]:
    return [
        record
        for path in sorted(folder.glob("*.tfrecord"))
        for record in intact_records(path)[0]
    ]


def counts(found) -> dict[str, int]:
    return {name: part["count"] for name, part in found["splits"].items()}


def test_a_dataframe_a_table_and_arrays_give_the_same_shards(tmp_path):
    rows = frame()
    rows.to_csv(tmp_path / "rows.csv", index=False, sep=";")
    rows.to_parquet(tmp_path / "rows.parquet")
    rows.to_json(tmp_path / "rows.jsonl", orient="records", lines=True)
    sources = {
        "frame": rows,
        "csv": tmp_path / "rows.csv",
        "parquet": str(tmp_path / "rows.parquet"),
        "jsonl": tmp_path / "rows.jsonl",
        "arrays": {name: rows[name].to_numpy() for name in rows},
        "dicts": rows.to_dict("records"),
        "places": {**rows, "kind": np.arange(20) % 2},
        "marks": {**rows, "kind": np.eye(2)[np.arange(20) % 2]},
    }
    for name, source in sources.items():
        found = mmkeras.prepare(
            source, table_spec(), tmp_path / name, workers=1
        )
        assert counts(found) == {"train": 12, "validation": 4, "test": 4}
        assert records(tmp_path / name) == records(tmp_path / "frame"), name
    assert "read as places in `classes`" in mmkeras.prepare(
        sources["places"], table_spec(), tmp_path / "places"
    )["said"][0]  # fmt: skip


def test_both_calls_take_their_arguments_in_any_way(tmp_path):
    frame().to_csv(tmp_path / "manifest.csv", index=False)
    spec = table_spec()
    first = mmkeras.prepare(spec, tmp_path / "1", tmp_path, workers=1)
    second = mmkeras.prepare(
        spec=spec, out=tmp_path / "2", root=tmp_path, workers=1
    )
    third = mmkeras.prepare(frame(), out=tmp_path / "3", spec=spec, workers=1)
    assert first["splits"] == second["splits"] == third["splits"]
    with pytest.raises(ValueError, match="Received: no out"):
        mmkeras.prepare(frame(), spec)
    with pytest.raises(ValueError, match="Received: int"):
        mmkeras.prepare(3, spec, tmp_path / "4")
    assert not (tmp_path / "4").exists()


def test_a_list_of_numbers_in_a_cell_is_a_vector(tmp_path):
    spec = table_spec(kind="vector", column="v", size=3)
    values = np.random.default_rng(0).normal(size=(20, 3)).astype("float32")
    kinds = frame()["kind"]
    pd.DataFrame({"v": list(values), "kind": kinds}).to_parquet(
        tmp_path / "rows.parquet"
    )
    text = [" ".join(map(str, row)) for row in values]
    sources = (
        {"v": values, "kind": kinds},
        tmp_path / "rows.parquet",
        pd.DataFrame({"v": text, "kind": kinds}),
    )
    for number, source in enumerate(sources):
        out = tmp_path / str(number)
        mmkeras.prepare(source, spec, out, workers=1)
        assert records(out) == records(tmp_path / "0")
    data = load_data(tmp_path / "0", 100)
    x, _, _ = next(iter(data.ordered("train")))
    rows = [int(name) for name in data.ids("train")]
    np.testing.assert_array_equal(x["numbers"], values[rows])


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    root = tmp_path_factory.mktemp("files")
    write_set(root, 30)
    return root


def in_memory(root) -> pd.DataFrame:
    rows = pd.DataFrame(read_rows(root))
    rows["image"] = [np.asarray(Image.open(root / n)) for n in rows["image"]]
    rows["audio"] = [
        soundfile.read(root / n, dtype="int16")[0] for n in rows["audio"]
    ]
    return rows


def test_pictures_and_sounds_in_memory_are_read_as_their_files(
    files, tmp_path, capsys
):
    spec = make_spec()
    mmkeras.prepare(make_spec(files), tmp_path / "files", workers=1)
    expected = records(tmp_path / "files")
    rows = in_memory(files)
    found = mmkeras.prepare(rows, spec, tmp_path / "arrays", workers=2)
    assert records(tmp_path / "arrays") == expected
    assert not (tmp_path / "arrays" / ".partial").exists()
    # Known again by what the arrays hold.
    capsys.readouterr()
    assert mmkeras.prepare(rows, spec, tmp_path / "arrays") == found
    assert "nothing to do" in capsys.readouterr().err
    rows.at[3, "image"] = 255 - rows.at[3, "image"]
    with pytest.raises(ValueError, match="the same manifest of the data"):
        mmkeras.prepare(rows, spec, tmp_path / "arrays", workers=1)
    # As data sets of Hugging Face hold them: bytes, and arrays with a rate.
    rows = pd.DataFrame(read_rows(files))
    rows["image"] = [
        {"bytes": (files / n).read_bytes(), "path": None} for n in rows["image"]
    ]
    rows["audio"] = [
        {"array": soundfile.read(files / n)[0], "sampling_rate": 8000}
        for n in rows["audio"]
    ]
    mmkeras.prepare(rows, spec, tmp_path / "bytes", workers=1)
    assert records(tmp_path / "bytes") == expected


def test_a_stopped_run_finds_its_arrays_again(files, tmp_path, monkeypatch):
    rows, spec, out = in_memory(files), make_spec(), tmp_path / "out"

    def stop(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(SampleIO, "bytes", stop)
        with pytest.raises(KeyboardInterrupt):
            mmkeras.prepare(rows, spec, out, workers=1)
    kept = sorted((out / ".partial" / "arrays").iterdir())
    times = [path.stat().st_mtime_ns for path in kept]
    assert len(kept) == 60
    with monkeypatch.context() as patch:
        patch.setattr(SampleIO, "bytes", stop)
        with pytest.raises(KeyboardInterrupt):
            mmkeras.prepare(rows, spec, out, workers=1)
    assert [path.stat().st_mtime_ns for path in kept] == times
    assert counts(mmkeras.prepare(rows, spec, out, workers=1))["train"] == 18
    # What is wrong with the call leaves nothing behind.
    with pytest.raises(ValueError, match="column `color`"):
        mmkeras.prepare(
            rows.drop(columns="color"), spec, tmp_path / "no", workers=1
        )
    assert not (tmp_path / "no").exists()


def test_nothing_is_written_into_a_folder_of_somebody_else(files, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(ValueError, match="which holds mine.txt"):
        mmkeras.prepare(in_memory(files), make_spec(), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


@pytest.mark.parametrize("parted", [False, True])
def test_a_folder_of_class_folders(files, tmp_path, parted):
    root = tmp_path / "root"
    for place, row in enumerate(read_rows(files)):
        part = ("train", "train", "val", "test")[place % 4] if parted else ""
        folder = root / part / row["color"]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / row["image"]).write_bytes((files / row["image"]).read_bytes())
    split = {"train": 0.6, "validation": 0.2, "test": 0.2}
    if parted:
        split = {"method": "column", "column": "split"}
    spec = DataSpec.from_dict(
        {
            "name": "pictures",
            "split": split,
            "modalities": {
                "picture": {
                    "kind": "image", "column": "picture", "height": 8,
                    "width": 6,
                }
            },
            "targets": {
                "color": {
                    "kind": "category", "column": "color",
                    "classes": list(COLORS),
                }
            },
        }
    )  # fmt: skip
    found = mmkeras.prepare(root, spec, tmp_path / "out", workers=1)
    expected = {"train": 18, "validation": 6, "test": 6}
    if parted:
        expected = {"train": 16, "validation": 7, "test": 7}
    assert counts(found) == expected
    assert found["quarantined"] == {}


class HuggingFace:
    """What a data set of Hugging Face can do, as far as it is used."""

    def __init__(self, rows, features):
        self.rows, self.features = rows, features
        self.column_names = list(features)

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, part):
        return {n: [r[n] for r in self.rows[part]] for n in self.column_names}

    def cast_column(self, name, feature):
        assert not feature.decode
        return HuggingFace(self.rows, {**self.features, name: feature})


class Picture:
    def __init__(self, decode=True):
        self.decode = decode


def test_a_data_set_of_hugging_face_by_its_parts(tmp_path):
    def picture(shade):
        file = io.BytesIO()
        Image.new("L", (4, 4), int(shade)).save(file, "PNG")
        return {"bytes": file.getvalue(), "path": "x.png"}

    rows = [{"numbers": picture(10 * n), "kind": n % 2} for n in range(20)]
    features = {
        "numbers": Picture(),
        "kind": SimpleNamespace(names=["no", "yes"]),
    }
    parts = {
        "train": HuggingFace(rows[:12], features),
        "validation": HuggingFace(rows[12:16], features),
        "test": HuggingFace(rows[16:], features),
    }
    values = table_spec(
        kind="image", column="image", height=4, width=4, channels=1
    ).to_dict()
    values["split"] = {"method": "column", "column": "part"}
    spec = DataSpec.from_dict(values)
    found = mmkeras.prepare(parts, spec, tmp_path / "out", workers=1)
    assert counts(found) == {"train": 12, "validation": 4, "test": 4}
    assert found["statistics"]["targets"]["kind"]["counts"] == {
        "no": 6,
        "yes": 6,
    }
    shade = 10 * np.arange(12) / 255
    stored = found["statistics"]["modalities"]["numbers"]["mean"]
    np.testing.assert_allclose(stored, shade.mean())


@pytest.mark.parametrize("batched", [False, True])
@pytest.mark.parametrize("pairs", [False, True])
def test_a_tf_data_set(tmp_path, batched, pairs):
    import tensorflow as tf

    values = np.arange(60, dtype="float32").reshape(20, 3)
    kinds = np.arange(20) % 2
    elements = (values, kinds) if pairs else {"v": values, "kind": kinds}
    dataset = tf.data.Dataset.from_tensor_slices(elements)
    dataset = dataset.batch(8) if batched else dataset
    spec = table_spec(kind="vector", column="v", size=3)
    found = mmkeras.prepare(dataset, spec, tmp_path / "out", workers=1)
    assert counts(found)["train"] == 12
    mmkeras.prepare(
        {"v": values, "kind": kinds}, spec, tmp_path / "2", workers=1
    )
    assert records(tmp_path / "out") == records(tmp_path / "2")
    with pytest.raises(ValueError, match="without end"):
        mmkeras.prepare(dataset.repeat(), spec, tmp_path / "3")


@pytest.mark.parametrize(
    "value, message",
    [
        (np.full((4, 4), 200.0), "floats must be from 0 to 1"),
        (np.zeros((3, 4, 5), "uint8"), r"it is \(3, 4, 5\)"),
        (np.full((4, 4), -1), "of 8 or 16 bits"),
    ],
)
def test_an_array_that_is_no_picture_is_one_message(tmp_path, value, message):
    spec = table_spec(kind="image", column="v", height=4, width=4)
    source = {"v": [value] * 20, "kind": frame()["kind"]}
    with pytest.raises(ValueError, match=f"`numbers` must be.*{message}"):
        mmkeras.prepare(source, spec, tmp_path / "out", workers=1)
    assert not (tmp_path / "out").exists()


def test_arrays_of_different_lengths_are_refused(tmp_path):
    source = {"a": [1], "b": [1, 2], "kind": ["no"]}
    with pytest.raises(ValueError, match="{'a': 1, 'b': 2, 'kind': 1}"):
        mmkeras.prepare(source, table_spec(), tmp_path / "out")


def test_series_and_scans_in_memory(tmp_path):
    pytest.importorskip("nibabel")
    random = np.random.default_rng(0)
    series = [random.normal(size=(50, 2)).astype("float32") for _ in range(20)]
    scans = [random.normal(size=(4, 5, 6)).astype("float32") for _ in range(20)]
    values = table_spec().to_dict()
    values["modalities"] = {
        "gait": {
            "kind": "series", "column": "gait", "channels": ["x", "y"],
            "sample_rate_hz": 10, "file_rate_hz": 10, "duration_sec": 5,
        },
        "scan": {
            "kind": "volume", "column": "scan", "depth": 4, "height": 5,
            "width": 6, "spacing_mm": [2, 1, 3], "window_low": -4,
            "window_high": 4,
        },
    }  # fmt: skip
    source = {"gait": series, "scan": scans, "kind": frame()["kind"]}
    spec = DataSpec.from_dict(values)
    found = mmkeras.prepare(source, spec, tmp_path / "out", workers=1)
    assert found["quarantined"] == {} and counts(found)["train"] == 12
    data = load_data(tmp_path / "out", 100)
    x, _, _ = next(iter(data.ordered("train")))
    rows = [int(name) for name in data.ids("train")]
    np.testing.assert_array_equal(x["gait"], np.stack(series)[rows])
    # The axes are the model's own; a step of the window is 8 / 65535.
    np.testing.assert_allclose(
        x["scan"][..., 0], np.stack(scans)[rows], atol=1e-4
    )
    values["modalities"]["gait"]["file_rate_hz"] = None
    with pytest.raises(ValueError, match="`file_rate_hz` must say the rate"):
        mmkeras.prepare(
            source, DataSpec.from_dict(values), tmp_path / "2", workers=1
        )


def test_films_in_memory_lose_nothing(tmp_path):
    pytest.importorskip("av")
    random = np.random.default_rng(0)
    films = random.integers(0, 256, (20, 6, 8, 10, 3)).astype("uint8")
    spec = table_spec(kind="video", column="film", frames=6, height=8, width=10)
    source = {"film": films, "kind": frame()["kind"]}
    found = mmkeras.prepare(source, spec, tmp_path / "out", workers=1)
    assert found["quarantined"] == {}
    data = load_data(tmp_path / "out", 100)
    x, _, _ = next(iter(data.ordered("train")))
    rows = [int(name) for name in data.ids("train")]
    np.testing.assert_array_equal(x["numbers"], films[rows])


class TfdsSource:
    """What a data source of TFDS can do, as far as it is used."""

    dataset_info = SimpleNamespace(
        features={"kind": SimpleNamespace(names=["no", "yes"])}
    )

    def __len__(self):
        return 20

    def __getitem__(self, place):
        return {"a": place / 4, "b": place, "kind": np.int64(place % 2)}


def test_a_data_source_of_tfds(tmp_path):
    mmkeras.prepare(TfdsSource(), table_spec(), tmp_path / "1", workers=1)
    mmkeras.prepare(frame(), table_spec(), tmp_path / "2", workers=1)
    assert records(tmp_path / "1") == records(tmp_path / "2")
