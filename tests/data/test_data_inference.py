"""A first spec: what columns look like, said, and never guessed in silence."""

import io
import tomllib

import numpy as np
import pandas as pd
import pytest
import soundfile
from data.data_toys import make_spec, write_set
from PIL import Image

import mmkeras
from mmkeras.cli import main
from mmkeras.spec import MODALITIES, TARGETS, SeenColumn

ROWS = 60


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("table")
    write_set(folder, ROWS)
    table = pd.read_csv(folder / "manifest.csv")
    table.loc[3, "audio"] = None
    table["day"] = pd.date_range("2020-01-01", periods=ROWS).astype(str)
    table["same"] = "x"
    table["patient"] = [f"p{n // 3}" for n in range(ROWS)]
    table["lost"] = [f"scans/{n}.png" for n in range(ROWS)]
    table.to_csv(folder / "rows.csv", index=False, sep=";", decimal=",")
    return folder


@pytest.fixture(scope="module")
def found(root):
    return mmkeras.infer_spec(
        root / "rows.csv", ["color", "tags", "size"], group="patient"
    )


def test_kinds_are_known_by_what_the_columns_hold(found):
    spec = found.spec
    kinds = {n: m.kind for n, m in {**spec.modalities, **spec.targets}.items()}
    assert kinds == {
        "image": "image", "audio": "audio", "text": "text", "table": "vector",
        "color": "category", "tags": "categories", "size": "number",
    }  # fmt: skip
    image, audio = spec.modalities["image"], spec.modalities["audio"]
    assert image.shape == (8, 6, 1) and not image.optional
    assert audio.sample_rate_hz == 8000 and audio.duration_sec == 0.1
    assert audio.optional
    table = spec.modalities["table"]
    assert table.columns == ("v1", "v2") and table.categorical == ("group",)
    assert spec.targets["tags"].classes == ("black", "grey", "white")
    assert spec.split.group == "patient" and spec.split.stratify == "color"
    assert (spec.data.separator, spec.data.decimal) == (";", ",")
    assert spec.data.id_column == "id"


def test_every_column_is_told_with_its_reason(found, root):
    table = pd.read_csv(root / "rows.csv", sep=";")
    assert {*found.columns} == {*table.columns}
    for column in ("day", "same", "lost"):
        assert found.columns[column].startswith("left out: ")
    assert "2020-01-01 to 2020-02-29" in found.columns["day"]
    assert "none of 20 tried is a file" in found.columns["lost"]
    assert "# `day` left out: dates" in found.text
    assert "# `image`: 20 of 20 opened are pictures" in found.text
    assert "found: semicolon between cells" in found.text
    # Without a group, what looks like one is named.
    alone = mmkeras.infer_spec(root / "rows.csv", "color")
    assert '# group = "patient" would keep each of its 20' in alone.text


def test_the_spec_prepares_what_it_was_made_from(found, root, tmp_path):
    out = tmp_path / "spec.toml"
    command = ["spec", "init", str(root / "rows.csv"), "--target", "color"]
    assert main([*command, "--out", str(out)]) == 0
    data = str(tmp_path / "data")
    assert main(["spec", "check", str(out)]) == 0
    assert main(["prepare", str(out), "--out", data, "--workers", "1"]) == 0
    with pytest.raises(ValueError, match="none is overwritten"):
        mmkeras.infer_spec(root / "rows.csv", "color", out=out)


def test_a_dataframe_with_arrays(root, tmp_path):
    table = pd.DataFrame(
        {
            "picture": [np.zeros((9, 7, 3), "uint8") + n for n in range(30)],
            "sound": [
                {"array": np.sin(np.arange(400)), "sampling_rate": 4000}
                for _ in range(30)
            ],
            "numbers": list(np.random.default_rng(0).normal(size=(30, 4))),
            "label": [n % 3 for n in range(30)],
        }
    )
    found = mmkeras.infer_spec(table, "label")
    spec = found.spec
    assert spec.modalities["picture"].shape == (9, 7, 3)
    assert spec.modalities["sound"].shape == (400,)
    assert spec.modalities["numbers"].shape == (4,)
    assert spec.targets["label"].classes == ("0", "1", "2")
    done = mmkeras.prepare(table, spec, tmp_path / "out", workers=1)
    assert done["quarantined"] == {} and done["splits"]["train"]["count"] == 24


def test_a_folder_of_class_folders(root, tmp_path, capsys):
    for place in range(30):
        folder = tmp_path / "birds" / ("wren", "robin")[place % 2]
        folder.mkdir(parents=True, exist_ok=True)
        pixels = np.full((10, 12, 3), place, "uint8")
        Image.fromarray(pixels).save(folder / f"{place}.png")
    out = tmp_path / "birds.toml"
    birds = str(tmp_path / "birds")
    command = ["spec", "init", birds, "--target", "class", "--out", str(out)]
    assert main(command) == 0
    said = capsys.readouterr().out
    assert "file: modality `file`, image: 20 of 20 opened" in said
    data = str(tmp_path / "data")
    command = ["prepare", str(out), "--source", birds, "--out", data]
    assert main([*command, "--workers", "1"]) == 0
    assert "train 24, validation 3, test 3" in capsys.readouterr().out


def test_records_whose_names_are_numbers_are_series(tmp_path):
    header = "{0} 2 360 720\n{0}.dat 16 200(0)/mV 16 0 0 0 0 II\n"
    header += "{0}.dat 16 200(0)/mV 16 0 0 0 0 V5\n"
    for record in range(100, 112):
        text = header.format(record)
        (tmp_path / f"{record}.hea").write_text(text)
    table = pd.DataFrame({"ecg": range(100, 112), "label": ["a", "b"] * 6})
    found = mmkeras.infer_spec(table, "label", root=tmp_path)
    ecg = found.spec.modalities["ecg"]
    assert ecg.channels == ("II", "V5") and ecg.sample_rate_hz == 360
    assert ecg.duration_sec == 2 and found.spec.root.samefile(tmp_path)


def test_what_nobody_can_see_is_a_question(tmp_path):
    for place in range(20):
        np.save(tmp_path / f"{place}.npy", np.zeros((50 + place, 2)))
    table = pd.DataFrame(
        {
            "gait": [f"{n}.npy" for n in range(20)],
            "label": ["walk", "run"] * 10,
        }
    )
    found = mmkeras.infer_spec(table, "label", root=tmp_path)
    assert len(found.questions) == 3
    assert "`modalities.gait.file_rate_hz`" in found.questions[0]
    assert "# TO BE SAID: the files tell no rate" in found.text
    with pytest.raises(ValueError, match="must be completed first"):
        _ = found.spec
    # What was left open is a line to fill in.
    text = found.text.replace("# file_rate_hz =", "file_rate_hz = 50")
    text = text.replace("# sample_rate_hz =", "sample_rate_hz = 50")
    text = text.replace("# duration_sec =", "duration_sec = 1")
    spec = mmkeras.DataSpec.from_dict(tomllib.loads(text))
    assert spec.modalities["gait"].shape == (50, 2)


def test_tables_with_a_time_are_series(tmp_path):
    for place in range(6):
        time = np.arange(40 + place) / 20
        series = pd.DataFrame({"time": time, "x": time**2, "y": -time})
        series.to_csv(tmp_path / f"{place}.csv", index=False)
    table = pd.DataFrame(
        {"gait": [f"{n}.csv" for n in range(6)], "label": list("ababab")}
    )
    found = mmkeras.infer_spec(table, "label", root=tmp_path)
    gait = found.spec.modalities["gait"]
    assert gait.channels == ("x", "y") and gait.time_column == "time"
    assert gait.sample_rate_hz == 20 and gait.duration_sec == 2.3


COLUMNS = {
    "number": [f"{n / 7:.3f}" for n in range(40)],
    "category": ["yes", "no", "yes", ""] * 10,
    "ordinal": ["low", "high", "medium", "low"] * 10,
    "categories": ["a|b", "a", "b|c", "a|c"] * 10,
    "sequence": ["a|a|b|b", "b|b|b|a", "a|b|b|b"] * 10,
    "embedding": [f"person {n % 300}" for n in range(600)],
}


@pytest.mark.parametrize("kind", COLUMNS)
def test_a_kind_of_target_knows_its_labels(kind):
    column = SeenColumn("label", COLUMNS[kind])
    guesses = {k: c.recognise(column) for k, c in TARGETS.known.items()}
    surest = max(guesses, key=lambda k: getattr(guesses[k], "score", 0))
    assert surest == kind
    table = {"kind": kind, "column": "label", **guesses[kind].keys}
    target = TARGETS.read(table)
    _, _, bad = target.encode(COLUMNS[kind])
    assert not bad


TEXTS = {
    "chinese": ["今天天气很好我们去公园玩", "他昨天买了一本新书给妹妹"] * 3,
    "english": [
        f"this is the sentence number {n} of several" for n in range(9)
    ],
}


@pytest.mark.parametrize("script", TEXTS)
def test_texts_are_known_in_any_script(script):
    cells = [f"{text}{n}" for n, text in enumerate(TEXTS[script])]
    guess = MODALITIES.known["text"].recognise(SeenColumn("t", cells))
    assert guess.keys["max_tokens"] == {"chinese": 16, "english": 16}[script]
    assert ("no spaces" in guess.why) == (script == "chinese")


def test_no_kind_takes_what_is_broken_or_another_kind(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.ones(800) / 2, 8000)
    raw = {"a.wav": (tmp_path / "a.wav").read_bytes()}
    sound = SeenColumn("s", ["a.wav"], raw)
    broken = SeenColumn("s", ["b.png"], {"b.png": b"\x89PNG\r\n\x1a\nno"})
    taken = {
        kind
        for kind, cls in MODALITIES.known.items()
        if cls.recognise(sound) is not None
    }
    assert taken == {"audio"}
    for kind, cls in MODALITIES.known.items():
        assert cls.recognise(broken) is None, kind


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"target": "colour"}, "`color`"),
        ({"target": "audio"}, "some kind of target reads"),
        ({"target": "color", "group": "pat"}, "must have the column `pat`"),
    ],
)
def test_what_cannot_be_is_one_message(root, arguments, message):
    with pytest.raises(ValueError, match=message):
        mmkeras.infer_spec(root / "rows.csv", **arguments)


def test_a_column_of_captions_can_be_written():
    cells = [f"a dog runs over the {n} hills" for n in range(9)]
    guess = TARGETS.known["text"].recognise(SeenColumn("caption", cells))
    assert guess.keys == {"max_characters": 27}
    for other in (["red", "blue"], ["2 4", "3 5"], [], ["a b" * 1000]):
        column = SeenColumn("caption", other)
        assert TARGETS.known["text"].recognise(column) is None


def test_specs_that_people_wrote_name_the_same_kinds(root):
    written = make_spec()
    found = mmkeras.infer_spec(root / "manifest.csv", ["color", "size"]).spec
    for name in ("image", "audio", "text"):
        assert found.modalities[name].kind == written.modalities[name].kind
        assert found.modalities[name].column == name


def test_a_column_that_gives_the_target_away_is_told():
    random = np.random.default_rng(0)
    table = pd.DataFrame({"x": random.normal(size=200)})
    table["label"] = ["good", "bad"] * 100
    table["code"] = ["7", "8"] * 100
    table["other"] = random.integers(0, 2, 200)
    found = mmkeras.infer_spec(table, "label")
    assert "IT TELLS `label` ALONE" in found.columns["code"]
    assert "ATTENTION: `code` alone tells `label`" in found.text
    assert found.text.count("ATTENTION") == 1


def test_rare_classes_are_named_where_they_cannot_be_stratified():
    table = pd.DataFrame({"x": range(40), "label": ["a", "b"] * 19 + ["c"] * 2})
    found = mmkeras.infer_spec(table, "label")
    assert found.spec.split.stratify is None
    assert "1 of its classes have fewer than 3 samples" in " ".join(
        found.text.replace("\n# ", " ").split()
    )


def test_a_parquet_with_pictures_and_lists(tmp_path):
    def picture(shade):
        file = io.BytesIO()
        Image.new("RGB", (9, 7), (shade,) * 3).save(file, "PNG")
        return {"bytes": file.getvalue(), "path": None}

    pd.DataFrame(
        {
            "picture": [picture(n) for n in range(40)],
            "numbers": [[n / 7, n, 1.5] for n in range(40)],
            "tags": [["a"] if n % 3 else ["a", "b"] for n in range(40)],
            "label": [n % 2 for n in range(40)],
        }
    ).to_parquet(tmp_path / "rows.parquet")
    found = mmkeras.infer_spec(tmp_path / "rows.parquet", ["label", "tags"])
    kinds = {n: m.kind for n, m in found.spec.modalities.items()}
    assert kinds == {"picture": "image", "numbers": "vector"}
    assert found.spec.targets["tags"].classes == ("a", "b")
    done = mmkeras.prepare(
        tmp_path / "rows.parquet", found.spec, tmp_path / "out", workers=1
    )
    assert done["quarantined"] == {}
    counts = done["statistics"]["targets"]["tags"]["counts"]
    assert counts["a"] == done["splits"]["train"]["count"] > counts["b"] > 0
