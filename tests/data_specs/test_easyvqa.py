"""The builder of easyvqa, on a small source of its layout."""

import csv
import io
import json
import zipfile

import easyvqa
import pytest
from builder_toys import run
from PIL import Image

import mmkeras


@pytest.fixture
def vqa(tmp_path, monkeypatch):
    """Twenty pictures that train and five that test, two questions each."""
    counts = {"train": 20, "test": 5}
    monkeypatch.setattr(
        easyvqa, "QUESTIONS", {part: 2 * n for part, n in counts.items()}
    )
    for part, count in counts.items():
        folder = tmp_path / "vqa" / part
        folder.mkdir(parents=True)
        with zipfile.ZipFile(folder / "images.zip", "w") as archive:
            for i in range(count):
                file = io.BytesIO()
                Image.new("RGB", (64, 64), (i, 0, 0)).save(file, "PNG")
                archive.writestr(f"{i}.png", file.getvalue())
        asked = [
            [question, answer, i]
            for i in range(count)
            for question, answer in (
                ("is there a red shape?", "yes"),
                ("what shape is in the image?", "circle"),
            )
        ]
        (folder / "questions.json").write_text(json.dumps(asked))
    return tmp_path / "vqa"


def test_every_tenth_picture_validates_with_all_its_questions(vqa, tmp_path):
    assert run(easyvqa, vqa, "--out", tmp_path / "out") == 0
    with open(tmp_path / "out" / "manifest.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    splits = [row["split"] for row in rows]
    assert [splits.count(s) for s in ("train", "validation", "test")] == [
        36, 4, 10,
    ]  # fmt: skip
    held = {row["image"] for row in rows if row["split"] == "validation"}
    assert held == {"images/train/9.png", "images/train/19.png"}
    assert all((tmp_path / "out" / row["image"]).is_file() for row in rows)


@pytest.mark.parametrize("name", ["easyvqa", "easyvqa_text"])
def test_both_specs_read_one_manifest(vqa, tmp_path, name):
    assert run(easyvqa, vqa, "--out", tmp_path / "out") == 0
    path = easyvqa.Path(easyvqa.__file__).with_name(f"{name}.toml")
    found = mmkeras.prepare(
        path, root=tmp_path / "out", out=tmp_path / "data", workers=1
    )
    assert found["splits"]["train"]["count"] == 36


@pytest.mark.parametrize(
    "name, content, words",
    [
        ("questions.json", b"{}", "must hold 40 questions"),
        ("questions.json", b"[[1]]", "a list of question, answer and picture"),
        ("questions.json", b"\xff", "a list of question, answer and picture"),
        ("images.zip", b"no zip", "must be a zip file of pictures"),
    ],
)
def test_a_damaged_source_is_one_message(
    vqa, tmp_path, capsys, name, content, words
):
    (vqa / "train" / name).write_bytes(content)
    assert run(easyvqa, vqa, "--out", tmp_path / "out") == 2
    message = capsys.readouterr().err
    assert words in message and message.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_picture_that_is_not_there_is_named(vqa, tmp_path, capsys):
    asked = json.loads((vqa / "test" / "questions.json").read_text())
    asked[0][2] = 77
    (vqa / "test" / "questions.json").write_text(json.dumps(asked))
    assert run(easyvqa, vqa, "--out", tmp_path / "out") == 2
    assert "none called 77.png" in capsys.readouterr().err
