"""What a builder says to a wrong source, and what it then leaves behind."""

import gzip
import subprocess
import sys
from pathlib import Path

import avdigits
import bccd
import builder
import easyvqa
import emodb
import fsdd
import imdb
import numpy as np
import pytest
import tweets
from builder_toys import run, write_idx

FOLDER = Path(builder.__file__).parent
SCRIPTS = {
    "avdigits": avdigits,
    "bccd": bccd,
    "easyvqa": easyvqa,
    "emodb": emodb,
    "fsdd": fsdd,
    "imdb": imdb,
    "tweets": tweets,
}


@pytest.mark.parametrize("name", SCRIPTS)
@pytest.mark.parametrize("there", [False, True])
def test_a_missing_or_empty_source_is_one_message(
    name, there, tmp_path, capsys
):
    empty = tmp_path / "empty"
    if there:
        empty.mkdir()
    assert run(SCRIPTS[name], empty) == 2
    message = capsys.readouterr().err
    assert message.startswith(f"{name}: ") and message.count("\n") == 1
    assert str(empty) in message and "Received: " in message
    assert not list(tmp_path.glob("data/*"))


@pytest.mark.parametrize("name", SCRIPTS)
def test_the_command_ends_with_code_2_and_no_traceback(name):
    done = subprocess.run(
        [sys.executable, FOLDER / f"{name}.py", "nowhere"],
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"{name}: SOURCE must be a folder with")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("name", ["bccd", "easyvqa", "emodb", "imdb", "tweets"])
def test_no_download_without_a_known_checksum(name, capsys):
    assert run(SCRIPTS[name], "--download") == 2
    message = capsys.readouterr().err
    assert "`--download` is not offered" in message
    assert SCRIPTS[name].BUILDER.home in message


def test_debug_shows_the_error_itself():
    with pytest.raises(ValueError, match="SOURCE must be a folder"):
        run(emodb, "nowhere", "--debug")


def test_a_folder_with_content_is_never_written_into(source, capsys):
    Path("mine").mkdir()
    Path("mine/letter.txt").write_text("Dear ...")
    assert run(avdigits, source, "--out", "mine") == 2
    assert "`--out` must be a new or an empty folder" in capsys.readouterr().err
    assert [p.name for p in Path("mine").iterdir()] == ["letter.txt"]


def test_an_empty_folder_is_fine(source):
    Path("empty").mkdir()
    assert run(avdigits, source, "--out", "empty") == 0
    assert Path("empty/manifest.csv").is_file()


def test_a_full_disk_leaves_nothing(source, monkeypatch, capsys):
    def full(*arguments):
        raise OSError(28, "No space left on device", "audio")

    monkeypatch.setattr(avdigits.shutil, "copyfile", full)
    assert run(avdigits, source) == 2
    assert "No space left on device" in capsys.readouterr().err
    assert not list(Path("data").iterdir())


@pytest.mark.parametrize("cut", [0, 10, 200])
def test_damaged_pictures_are_named(source, cut, capsys):
    path = source / "mnist" / "t10k-images-idx3-ubyte.gz"
    path.write_bytes(path.read_bytes()[:cut])
    assert run(avdigits, source) == 2
    assert f"`{path}` must be" in capsys.readouterr().err


@pytest.mark.parametrize(
    "values",
    [
        np.zeros((499, 28, 28), np.uint8),
        np.zeros((500, 28, 29), np.uint8),
        np.zeros((500, 784), np.uint8),
    ],
    ids=["too few", "too wide", "flat"],
)
def test_pictures_of_another_shape_are_refused(source, values, capsys):
    write_idx(source / "mnist" / "t10k-images-idx3-ubyte.gz", values)
    assert run(avdigits, source) == 2
    assert "with shape (500, 28, 28)" in capsys.readouterr().err


def test_a_missing_recording_is_counted(source, capsys):
    (source / "fsdd" / "0_x_0.wav").unlink()
    assert run(avdigits, source) == 2
    assert "150 recordings of FSDD" in capsys.readouterr().err


def review(sentiment="pos", rating=9, text="Good film") -> str:
    return f'{sentiment},{rating},"{text}"\n'


@pytest.mark.parametrize(
    ("head", "line", "expected"),
    [
        ("sentiment,rating", "pos,9\n", "the columns sentiment, rating"),
        ("sentiment,rating,text", review(rating="nine"), "gzipped CSV file"),
        ("sentiment,rating,text", review(rating=5), "1 of them not"),
        ("sentiment,rating,text", review("neg"), "1 of them not"),
        ("sentiment,rating,text", review("good"), "1 of them not"),
        ("sentiment,rating,text", "", "Received: 24,999 reviews"),
    ],
)
def test_reviews_of_another_kind_are_refused(
    head, line, expected, tmp_path, capsys
):
    rest = 24_999 * (review() if head.endswith("text") else "pos,9\n")
    for part in ("train", "test"):
        content = f"{head}\n{line}{rest}".encode()
        (tmp_path / f"{part}.csv.gz").write_bytes(gzip.compress(content, 1))
    assert run(imdb, tmp_path) == 2
    assert expected in capsys.readouterr().err


def test_imdb_reads_the_original_folder_as_well(tmp_path, monkeypatch):
    monkeypatch.setattr(imdb, "REVIEWS", 40)
    for part in ("train", "test"):
        for name, stars in (("neg", 2), ("pos", 8)):
            folder = tmp_path / "aclImdb" / part / name
            folder.mkdir(parents=True)
            for index in range(20):
                text = f"{part}<br /><br />{name} <br>{index}"
                (folder / f"{index}_{stars}.txt").write_text(text)
    same = tmp_path / "aclImdb" / "train" / "pos" / "19_8.txt"
    same.write_text("test pos 3")
    assert run(imdb, tmp_path / "aclImdb") == 0
    table = imdb.pd.read_parquet("data/imdb/manifest.parquet")
    assert table["split"].value_counts().to_dict() == {
        "test": 40,
        "train": 35,
        "validation": 4,
    }
    assert table.iloc[0].to_dict() == {
        "id": "train_00000",
        "text": "train neg 0",
        "sentiment": "negative",
        "rating": 2,
        "split": table["split"][0],
    }
