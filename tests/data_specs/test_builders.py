"""The builders on the real data: what the manifests say, and keep apart."""

import hashlib
from collections import Counter
from pathlib import Path

import avdigits
import bccd
import builder
import emodb
import fsdd
import imdb
import numpy as np
import pandas as pd
import pytest
import soundfile
from PIL import Image

from mmkeras.data import columns_of, read_manifest
from mmkeras.spec import load_spec

FOLDER = Path(builder.__file__).parent


def build(script, source: Path, folder: Path) -> Path:
    """Builds a set as the command line does, beside a copy of its specs."""
    name = script.BUILDER.name
    out = folder / "data" / name
    assert builder.main(script.BUILDER, [str(source), "--out", str(out)]) == 0
    (folder / "data_specs").mkdir()
    for path in FOLDER.glob(f"{name}*.toml"):
        (folder / "data_specs" / path.name).write_bytes(path.read_bytes())
    return folder / "data_specs" / f"{name}.toml"


def table_of(path: Path) -> pd.DataFrame:
    """Reads the manifest as `prepare` does."""
    spec = load_spec(path)
    return read_manifest(spec, spec.root)


def rows_of(path: Path) -> pd.DataFrame:
    """Reads every column of the manifest, as text."""
    return pd.read_csv(load_spec(path).root / "manifest.csv", dtype=str)


@pytest.fixture(scope="module")
def digits(shared, tmp_path_factory):
    return build(avdigits, shared, tmp_path_factory.mktemp("avdigits"))


@pytest.fixture(scope="module")
def emotions(shared, tmp_path_factory):
    return build(emodb, shared / "emodb", tmp_path_factory.mktemp("emodb"))


@pytest.fixture(scope="module")
def reviews(shared, tmp_path_factory):
    return build(imdb, shared / "imdb", tmp_path_factory.mktemp("imdb"))


def test_avdigits_pairs_every_recording_with_pictures_of_its_digit(digits):
    table = table_of(digits)
    counts = table["split"].value_counts().to_dict()
    assert counts == {"train": 7192, "validation": 900, "test": 900}
    assert table["image"].is_unique
    takes = Counter(table["audio"])
    assert len(takes) == 3000
    assert Counter(takes.values()) == {3: 2992, 2: 8}
    spoken = table["audio"].str.removeprefix("audio/").str[0]
    assert (spoken == table["digit"]).all()


def test_bccd_keeps_its_split_and_counts_its_red_cells(
    shared, tmp_path_factory
):
    path = build(bccd, shared / "bccd", tmp_path_factory.mktemp("bccd"))
    table, root = rows_of(path), load_spec(path).root
    counts = table["split"].value_counts().to_dict()
    assert counts == {"train": 205, "validation": 87, "test": 72}
    # 4,155 in all, as its authors say.
    assert table["red_cells"].astype(int).sum() == 4155
    for row in table.iloc[::100].to_dict("records"):
        original = shared / "bccd" / "JPEGImages" / f"{row['id']}.jpg"
        assert (root / row["image"]).read_bytes() == original.read_bytes()
        assert b"<annotation" in (root / row["boxes"]).read_bytes()


def test_avdigits_keeps_recordings_and_pictures_apart(digits):
    table = table_of(digits)
    root = load_spec(digits).root
    assert (table.groupby("audio")["split"].nunique() == 1).all()
    content = [(root / p).read_bytes() for p in table["image"]]
    content = pd.Series([hashlib.sha256(c).hexdigest() for c in content])
    assert (table["split"].groupby(content).nunique() == 1).all()
    take = table["audio"].str.extract(r"_(\d+)\.wav")[0].astype(int)
    assert (table["split"][take < 5] == "test").all()
    assert (table["split"][take.between(5, 9)] == "validation").all()
    assert (table["split"][take > 9] == "train").all()


def test_avdigits_holds_the_original_pictures_and_sounds(digits, shared):
    root = load_spec(digits).root
    table = table_of(digits)
    raw = avdigits.read_idx(
        shared / "mnist" / "t10k-images-idx3-ubyte.gz", (28, 28)
    )
    for row in table.iloc[::500].to_dict("records"):
        picture = np.asarray(Image.open(root / row["image"]))
        np.testing.assert_array_equal(picture, raw[int(row["sample/id"])])
        name = Path(row["audio"]).name
        copy = (root / row["audio"]).read_bytes()
        assert copy == (shared / "fsdd" / name).read_bytes()
    for name in table["audio"].unique()[::100]:
        info = soundfile.info(root / name)
        assert (info.samplerate, info.channels) == (8000, 1)


def test_the_recordings_are_those_of_the_commit(shared):
    avdigits.check_recordings(shared / "fsdd")
    for name, (size, sha256) in avdigits.MNIST_FILES.items():
        content = (shared / "mnist" / name).read_bytes()
        assert len(content) == size
        assert hashlib.sha256(content).hexdigest() == sha256


@pytest.mark.parametrize("inside", ["", "fsdd"])
def test_fsdd_holds_every_recording_once(shared, tmp_path, inside):
    table = table_of(build(fsdd, shared / inside, tmp_path))
    assert table["split"].value_counts().to_dict() == {
        "train": 2400,
        "validation": 300,
        "test": 300,
    }
    assert table["audio"].is_unique
    assert set(table["speaker"].value_counts()) == {500}
    name = table["audio"].str.removeprefix("audio/")
    assert (name.str[0] == table["digit"]).all()
    assert (name.str.split("_").str[1] == table["speaker"]).all()


def test_emodb_reads_speaker_and_emotion_from_the_name(emotions):
    table = table_of(emotions)
    assert len(table) == 535
    assert table["emotion"].value_counts().to_dict() == {
        "anger": 127,
        "boredom": 81,
        "neutral": 79,
        "happiness": 71,
        "fear": 69,
        "sadness": 62,
        "disgust": 46,
    }
    row = table.set_index("sample/id").loc["03a01Fa"]
    assert (row["audio"], row["emotion"]) == ("audio/03a01Fa.wav", "happiness")


def test_both_specs_of_emodb_read_one_manifest(emotions):
    speakers = emotions.with_name("emodb_speakers.toml")
    spec = load_spec(speakers)
    assert spec.split.column == "fold_0"
    assert spec.root.resolve() == load_spec(emotions).root.resolve()
    table = rows_of(speakers)
    assert table["speaker"].nunique() == 10
    assert (table["speaker"] == table["id"].str[:2]).all()
    counts = table_of(speakers)["fold_0"].value_counts()
    assert counts.sum() == 535 and counts["test"] == len(
        table[table["speaker"].isin(["03", "08"])]
    )
    for part in ("data", "modalities", "targets"):
        assert getattr(spec, part) == getattr(load_spec(emotions), part)


def test_emodb_has_five_folds_of_two_test_speakers(emotions):
    table = rows_of(emotions)
    tested = []
    for fold in range(5):
        parts = table.groupby("speaker")[f"fold_{fold}"].unique()
        # No speaker is on two sides.
        assert all(len(part) == 1 for part in parts)
        parts = parts.str[0]
        assert parts.value_counts().to_dict() == {
            "train": 7,
            "test": 2,
            "validation": 1,
        }
        tested += list(parts.index[parts == "test"])
        learned = table[table[f"fold_{fold}"] == "train"]
        assert learned["emotion"].nunique() == 7
    assert sorted(tested) == sorted(table["speaker"].unique())


def test_imdb_keeps_the_test_set_and_draws_a_tenth_to_validate(reviews):
    table = table_of(reviews)
    counts = table["split"].value_counts().to_dict()
    assert counts == {"train": 22301, "validation": 2478, "test": 25000}
    positive = (table["sentiment"] == "positive").groupby(table["split"])
    assert positive.mean()["test"] == 0.5
    assert positive.mean()["validation"] == pytest.approx(
        positive.mean()["train"], abs=1e-3
    )
    rating = table["rating"].astype(int)
    assert set(rating) == {1, 2, 3, 4, 7, 8, 9, 10}
    assert ((rating > 5) == (table["sentiment"] == "positive")).all()


def test_no_review_of_imdb_is_in_two_splits(reviews):
    table = table_of(reviews)
    assert (table.groupby("text")["split"].nunique() == 1).all()
    assert table["text"][table["split"] != "test"].is_unique
    assert not table["text"].str.contains("<br", regex=False).any()
    assert (table["text"].str.len() > 20).all()


@pytest.mark.parametrize("name", ["digits", "emotions", "reviews"])
def test_the_manifest_has_what_the_spec_reads(name, request):
    path = request.getfixturevalue(name)
    spec, table = load_spec(path), table_of(path)
    assert set(columns_of(spec)) - {"id"} <= set(table.columns)
    for target in spec.targets.values():
        if target.kind == "category":
            assert set(table[target.column]) == set(target.classes)
    parts = {p.name for p in spec.root.iterdir()}
    assert parts <= {"images", "audio", spec.data.manifest}
    assert not list(spec.root.parent.glob(".tmp*"))


def test_the_same_source_gives_the_same_manifest(emotions, shared, tmp_path):
    again = build(emodb, shared / "emodb", tmp_path)
    manifests = [
        (load_spec(path).root / "manifest.csv").read_bytes()
        for path in (emotions, again)
    ]
    assert manifests[0] == manifests[1]


def test_avdigits_pairs_the_same_way_every_time():
    names = [f"{d}_x_{i}.wav" for d in range(10) for i in range(20)]
    labels = np.arange(550) % 10
    pairs = avdigits.pair(labels, names)
    assert pairs == avdigits.pair(labels, names)
    assert len(pairs) == 550
    used = Counter(name for _, name in pairs)
    # 55 pictures for 20 takes: those that get two are for training.
    assert {n for n, count in used.items() if count == 2} == {
        f"{d}_x_{i}.wav" for d in range(10) for i in range(15, 20)
    }
