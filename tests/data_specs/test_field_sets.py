"""Sets of the field, from a small copy of their layout to a training step."""

import importlib
import json
import pickle
import subprocess
import sys
import tomllib
from pathlib import Path

import builder
import field_toys
import numpy as np
import pandas as pd
import pytest
from builder_toys import run as build

import mmkeras
from mmkeras.export import export
from mmkeras.heads import loss_weights, losses
from mmkeras.runs import evaluate_run, open_data, set_up_run, train_run

FOLDER = Path(builder.__file__).parent
# Samples that train, validate and test; which modalities some samples go on
# without, by the reason; what the builder tells.
SETS = {
    "cmu_mosi": ((4, 2, 3), {}, ()),
    "crema_d": (
        16,
        {},
        (
            "clips without video: 2",
            "clips that no emotion has most votes of: 1",
            "clips of 7,442 that are not there: 7,426",
        ),
    ),
    "sentiment140": (
        (119, 3),
        {},
        (
            "neutral tweets left out: 1",
            "tweets with both labels left out: 2",
            "tweets that are there again left out: 1",
        ),
    ),
    "av_mnist": ((25, 5, 10), {}, ("values of `image` cut: 2",)),
    "meld": (
        (16, 6, 6),
        {"audio": {"truncated": 1}, "video": {"truncated": 1}},
        (
            "utterances of dev without a clip: 1",
            "utterances with misread letters, mended: 14",
        ),
    ),
    "hateful_memes": (
        (11, 4, 4),
        {},
        (
            "memes without a picture, left out: 1",
            "memes of test without a label: 1",
        ),
    ),
    "ptb_xl": (
        (15, 2, 2),
        {},
        (
            "records that are not there, left out: 1",
            "records without a diagnostic statement: 1",
            "ages above 89, set to 90: 1",
        ),
    ),
}


def made(name: str, folder: Path):
    """Returns the builder of a set whose small copy lies in `source`."""
    script = importlib.import_module(name)
    getattr(field_toys, name)(folder / "source")
    return script


def rows_of(folder: Path) -> pd.DataFrame:
    """Returns the manifest that was built, by sample."""
    path = folder / "manifest.parquet"
    if path.is_file():
        return pd.read_parquet(path).set_index("id")
    table = pd.read_csv(folder / "manifest.csv", dtype=str)
    return table.fillna("").set_index("id")


@pytest.mark.parametrize("name", SETS)
def test_a_set_is_built_prepared_and_trained_on(
    name, tmp_path, capsys, monkeypatch
):
    counts, lost, told = SETS[name]
    script = made(name, tmp_path)
    if name == "av_mnist":
        monkeypatch.setattr(script, "VALIDATES", 5)
    out = tmp_path / "data" / name
    assert build(script, tmp_path / "source", "--out", out) == 0
    said = capsys.readouterr().err.splitlines()
    assert {*said} == {*told}
    found = mmkeras.prepare(
        FOLDER / f"{name}.toml", out=tmp_path / "shards", root=out, workers=1
    )
    assert found["quarantined"] == {}
    assert {k: v["reasons"] for k, v in found.get("lost", {}).items()} == lost
    parts = [part["count"] for part in found["splits"].values()]
    assert tuple(parts) == counts or sum(parts) == np.sum(counts)

    recipe = tomllib.loads((FOLDER / f"recipes/{name}.toml").read_text())
    ready = set_up_run(tmp_path / "shards", recipe, "full", 0)
    x, y, weight = next(iter(ready.data.train))
    before = [w.numpy() for w in ready.model.trainable_weights]
    ready.model.compile(
        "adam", losses(ready.heads), loss_weights=loss_weights(ready.heads),
        # One step is over before a graph of it is traced.
        run_eagerly=True, jit_compile=False,
    )  # fmt: skip
    loss = ready.model.train_on_batch(x, y, weight)
    assert np.isfinite(loss).all() and np.min(loss) >= 0
    after = [w.numpy() for w in ready.model.trainable_weights]
    moved = [(a != b).any() for a, b in zip(before, after, strict=True)]
    assert np.mean(moved) > 0.9


def built(name: str, folder: Path) -> pd.DataFrame:
    """Returns the manifest of a set's small copy."""
    script = made(name, folder)
    assert build(script, folder / "source", "--out", folder / "out") == 0
    return rows_of(folder / "out")


def test_a_video_of_mosi_is_as_long_as_it_is(tmp_path):
    table = built("cmu_mosi", tmp_path)
    assert table["split"].tolist() == [
        *["train"] * 4, *["validation"] * 2, *["test"] * 3,
    ]  # fmt: skip
    row = table.loc["train_01"]
    assert row["utterances"] == "8" and row["sentiment"].count("|") == 7
    sizes = {"text": 100, "audio": 73, "video": 100}
    values = {n: np.load(tmp_path / "out" / row[n]) for n in sizes}
    assert {n: v.shape for n, v in values.items()} == {
        n: (8, size) for n, size in sizes.items()
    }
    # As the copy was made: the class is the sign of both halves together.
    signs = values["text"][:, 0] + values["audio"][:, 0] > 0
    words = np.where(signs, "positive", "negative")
    assert "|".join(words) == row["sentiment"]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of the converters
def test_mosi_ends_on_the_device_where_its_video_does(tmp_path):
    table = built("cmu_mosi", tmp_path)
    spec = mmkeras.load_spec(FOLDER / "cmu_mosi.toml")
    mmkeras.prepare(
        spec, out=tmp_path / "shards", root=tmp_path / "out", workers=1
    )
    recipe = tomllib.loads((FOLDER / "recipes/cmu_mosi.toml").read_text())
    for tower in recipe["towers"].values():
        tower |= {"width": 8, "units": 8}
    recipe["training"]["full"]["epochs"] = 2
    train_run(tmp_path / "shards", recipe, "full", tmp_path / "run", verbose=0)
    found = evaluate_run(tmp_path / "run", baselines=False)
    assert found["targets"]["sentiment"]["metrics"]["accuracy"]["value"] > 0
    manifest = json.loads((tmp_path / "run/manifest.json").read_text())
    card = export(
        tmp_path / "run", spec, open_data(manifest, augment=False),
        tmp_path / "bundle", max_drop=0.1,
    )  # fmt: skip
    assert card.failures == ()

    def answer(**videos) -> dict:
        words = [
            word for name, video in videos.items()
            for word in (f"--{name}", tmp_path / "out" / table.loc[video, name])
        ]  # fmt: skip
        done = subprocess.run(
            [sys.executable, tmp_path / "bundle/run.py", *words],
            capture_output=True, check=True,
        )  # fmt: skip
        return json.loads(done.stdout)["sentiment"]

    # The series of one video are alike long; else the longest counts.
    for text, video, steps in (
        ("train_01", "train_01", 8),
        ("train_00", "train_00", 63),
        ("train_01", "test_02", 17),
    ):
        told = answer(text=text, audio=text, video=video)
        assert len(told["labels"]) == steps
        assert len(told["probabilities"]["positive"]) == steps
    # The features of a user's own may as well come as a table.
    values = np.load(tmp_path / "out" / table.loc["train_00", "text"])
    found = answer(text="train_00", audio="train_00", video="train_00")
    channels = ",".join(spec.modalities["text"].channels)
    table.loc["train_00", "text"] = "text/features.csv"
    np.savetxt(
        tmp_path / "out/text/features.csv", values, delimiter=",",
        header=channels, comments="", fmt="%.9g",
    )  # fmt: skip
    told = answer(text="train_00", audio="train_00", video="train_00")
    assert told["labels"] == found["labels"]


def test_the_votes_of_crema_d_are_those_on_sound_and_picture(tmp_path):
    table = built("crema_d", tmp_path)
    row = table.loc["1001_IEO_ANG_HI"]
    assert (row["emotion"], row["perceived"], row["video"]) == (
        "anger", "sadness", "",
    )  # fmt: skip
    assert (row["votes_anger"], row["votes_sadness"]) == ("4", "6")
    assert (row["sex"], row["age"], row["level"]) == ("female", "21", "high")
    assert table.loc["1003_IEO_SAD_HI", "perceived"] == ""
    assert table.loc["1002_IEO_ANG_HI", "video"] == ""


def test_a_user_of_sentiment140_validates_with_all_tweets(tmp_path):
    table = built("sentiment140", tmp_path)
    row = table.loc["train_5"]
    assert row["text"] == "glad caf\xe9 & tea 5 http://x.y/5"
    assert row["sentiment"] == "positive"
    parts = table[table["split"] != "test"].groupby("user")["split"]
    assert parts.nunique().max() == 1
    assert {*table["split"]} == {"train", "validation", "test"}


def test_of_meld_a_text_stays_where_its_clip_is_missing(tmp_path):
    table = built("meld", tmp_path)
    assert table.loc["dev_1_1", "clip"] == ""
    assert table.loc["dev_1_1", "text"] == "It\u2019s fine, \u201cyes\u201d"
    assert table.loc["test_2_0", "dialogue"] == "test_2"
    files = {p.name for p in (tmp_path / "out").rglob("*.mp4")}
    assert "dia0_utt0.mp4" in files
    assert "final_videos_testdia9_utt0.mp4" not in files


def test_the_superclasses_of_ptb_xl_are_those_of_its_statements(tmp_path):
    table = built("ptb_xl", tmp_path)
    assert table.loc["1", "diagnosis"] == "HYP|MI"
    assert table.loc["2", ["diagnosis", "age", "sex"]].tolist() == [
        "NORM", "90", "male",
    ]  # fmt: skip
    assert table.loc["4", "diagnosis"] == ""
    assert table.loc[["9", "10", "11"], "split"].tolist() == [
        "validation", "test", "train",
    ]  # fmt: skip


class Rogue:
    """What a pickle from a stranger could do."""

    def __reduce__(self):
        return (Path.touch, (Path("touched"),))


WRONG = {
    "cmu_mosi": [
        ("text_2way.pickle", pickle.dumps(Rogue()), "it names pathlib"),
        ("audio_2way.pickle", pickle.dumps(np.ones(3)), "arrays of MOSI"),
    ],
    "crema_d": [("VideoDemographics.csv", b"a,b\n1,2\n", "ActorID, Age, Sex")],
    "sentiment140": [
        ("testdata.manual.2009.06.14.csv", b"7,1,d,q,u,t\n", "0, 2 or 4"),
    ],
    "av_mnist": [("train_labels.npy", b"no array", "must be an array")],
    "meld": [("dev_sent_emo.csv", b"a,b\n1,2\n", "none of Dialogue_ID")],
    "hateful_memes": [("train.jsonl", b"[1]\n", "a line of JSON a meme")],
    "ptb_xl": [("scp_statements.csv", b"a,b\n1,2\n", "diagnostic_class")],
}


@pytest.mark.parametrize(
    ("name", "file", "content", "words"),
    [(name, *case) for name, cases in WRONG.items() for case in cases],
)
def test_a_wrong_source_is_one_message(
    name, file, content, words, tmp_path, capsys
):
    script = made(name, tmp_path)
    (tmp_path / "source" / file).write_bytes(content)
    assert build(script, tmp_path / "source", "--out", tmp_path / "out") == 2
    message = capsys.readouterr().err
    assert words in message and message.count("\n") == 1
    assert not (tmp_path / "out").exists()
    assert not Path("touched").exists()


def test_a_picture_outside_of_its_source_is_none(tmp_path):
    for folder in ("source", "out"):
        (tmp_path / folder).mkdir()
    (tmp_path / "secret.png").write_bytes(b"secret")
    for name in ("../secret.png", str(tmp_path / "secret.png"), ""):
        assert builder.copy(tmp_path / "source", tmp_path / "out", name) == ""
    assert not [*(tmp_path / "out").iterdir()]
