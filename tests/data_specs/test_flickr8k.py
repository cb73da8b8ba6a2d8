"""The builder of flickr8k, on a small source of its layout."""

import csv
from pathlib import Path

import flickr8k
import pytest
from builder_toys import run
from PIL import Image

import mmkeras

COUNTS = {"train": 6, "validation": 2, "test": 2}


@pytest.fixture
def flickr(tmp_path, monkeypatch):
    """Ten photographs with five captions each, and one that no list names."""
    monkeypatch.setattr(
        flickr8k,
        "LISTS",
        {s: (flickr8k.LISTS[s][0], n) for s, n in COUNTS.items()},
    )
    texts = tmp_path / "flickr" / "Flickr8k_text"
    pictures = tmp_path / "flickr" / "Flickr8k_Dataset" / flickr8k.PICTURES
    texts.mkdir(parents=True)
    pictures.mkdir(parents=True)
    names = [f"{i}_ab.jpg" for i in range(11)]
    for i, name in enumerate(names):
        Image.new("RGB", (40, 30), (20 * i, 0, 0)).save(pictures / name)
    lines = [
        f"{name}#{k}\tA dog  of shade {i} runs , take {k} ."
        for i, name in enumerate(names)
        for k in range(5)
    ]
    (texts / flickr8k.CAPTIONS).write_text("\n".join(lines) + "\n")
    first = 0
    for split, count in COUNTS.items():
        listed = "\n".join(names[first : first + count])
        (texts / flickr8k.LISTS[split][0]).write_text(listed + "\n")
        first += count
    return tmp_path / "flickr"


def test_a_photograph_has_its_split_and_five_captions(flickr, tmp_path):
    assert run(flickr8k, flickr, "--out", tmp_path / "out") == 0
    with open(tmp_path / "out" / "manifest.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    splits = [row["split"] for row in rows]
    assert {s: splits.count(s) for s in COUNTS} == COUNTS
    assert all((tmp_path / "out" / row["image"]).is_file() for row in rows)
    assert not (tmp_path / "out" / "images" / "10_ab.jpg").exists()
    captions = rows[3]["captions"].split(flickr8k.SEPARATOR)
    assert captions == [f"A dog of shade 3 runs , take {k} ." for k in range(5)]


def test_the_spec_reads_all_five(flickr, tmp_path):
    assert run(flickr8k, flickr, "--out", tmp_path / "out") == 0
    path = Path(flickr8k.__file__).with_name("flickr8k.toml")
    found = mmkeras.prepare(
        path, root=tmp_path / "out", out=tmp_path / "data", workers=1
    )
    assert found["splits"]["train"]["count"] == 6
    data = mmkeras.load_data(tmp_path / "data", batch_size=2, augment=False)
    x, y, weight = next(iter(data.test))
    target = data.spec.targets["caption"]
    texts = target.texts_of(y["caption"][0])
    assert texts == [f"a dog of shade 8 runs , take {k} ." for k in range(5)]
    assert x["image"].shape == (2, 128, 128, 3)


@pytest.mark.parametrize(
    "file, text, words",
    [
        ("CAPTIONS", "no tab here", "line 1, must be NAME.jpg#NUMBER"),
        ("CAPTIONS", "a.jpg#0\tone || two", "which separates captions"),
        ("train", "0_ab.jpg\n", "must list 6 photographs"),
        (
            "test",
            "0_ab.jpg\n1_ab.jpg\n",
            "must be in one split. Received: train and test",
        ),
        ("test", "0_ab.jpg\n99.jpg\n", "0 captions, and no photograph"),
    ],
)
def test_a_damaged_source_is_one_message(
    flickr, tmp_path, capsys, file, text, words
):
    name = flickr8k.LISTS.get(file, [flickr8k.CAPTIONS])[0]
    (flickr / "Flickr8k_text" / name).write_text(text)
    assert run(flickr8k, flickr, "--out", tmp_path / "out") == 2
    message = capsys.readouterr().err
    assert words in message and message.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_source_that_is_not_there_is_named(tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    assert run(flickr8k, tmp_path / "empty", "--out", tmp_path / "out") == 2
    assert flickr8k.CAPTIONS in capsys.readouterr().err
