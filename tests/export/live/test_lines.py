"""The runner answers to a long recording and to lines of JSON."""

import io
import json
import subprocess
import sys
import wave

import numpy as np
import pytest
from export.export_toys import toy_export, toy_inputs

RATE, SAMPLES = 8000, 800


def write_wav(path, sound):
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        file.writeframes(sound.astype("<i2").tobytes())
    return path


@pytest.mark.parametrize(
    "frames, hop_sec, starts",
    [
        (1000, 0.05, [0, 400]),  # the last one ends in silence
        (1600, 0.1, [0, 800]),
        (1601, 0.1, [0, 800, 1600]),
        (100, None, [0]),
        (2000, 0.2, [0, 1600]),
    ],
)
def test_a_window_slides_over_a_recording(
    ask, runner, tmp_path, image, frames, hop_sec, starts
):
    sound = np.random.default_rng(0).integers(-9000, 9000, frames)
    path = write_wav(tmp_path / "long.wav", sound)
    hop = ["--hop-sec", hop_sec] if hop_sec else []
    given = ["--image", image, "--table", "1,2,3"]
    lines = ask("--audio", path, "--window", *given, *hop)
    ends = [min(start + SAMPLES, frames) / RATE for start in starts]
    assert [line["time_sec"] for line in lines] == [round(e, 3) for e in ends]
    for start, line in zip(starts, lines, strict=True):
        window = np.zeros(SAMPLES, np.float32)
        part = sound[start : start + SAMPLES]
        window[: len(part)] = part / 32768
        expected = runner.answer({
            "image": runner.read("image", str(image)), "audio": window,
            "table": np.float32([1, 2, 3]),
        })  # fmt: skip
        assert line["answer"] == expected


def requests(image):
    whole = {"image": str(image), "table": "1,2,3", "text": "a good film"}
    return [
        whole,
        {**whole, "image": toy_inputs(1, 5)["image"][0].tolist()},
        {**whole, "table": [1, 2, 3], "audio": None},
        {**whole, "text": None},
        {"table": [1, 2, 3]},
        {**whole, "table": [1, 2]},
        {**whole, "table": [1, 2, float("inf")]},
        {**whole, "image": [[[0.5]]]},
        {**whole, "picture": "x.png"},
        {**whole, "image": "/none.png"},
    ]


REFUSED = [
    "`image` must be given", "`table` must be float32 of shape [3]",
    "`table` must be finite", "`image` must be whole numbers",
    "A line must be an object of", "`/none.png` must be a regular file",
    "Expecting value",
]  # fmt: skip


def test_lines_are_answered_one_by_one(device_python, runner, image):
    """On the device's Python, without its site's or this folder's modules."""
    lines = [*map(json.dumps, requests(image)), "", "nonsense"]
    script = toy_export().bundle / "run.py"
    command = [device_python, "-I", script, "--stdin"]
    done = subprocess.run(
        command, input="\n".join(lines), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["line"] for line in found] == [*range(1, 11), 12]
    row = {
        "image": runner.read("image", str(image)),
        "table": np.float32([1, 2, 3]),
        "text": runner.read("text", "a good film"),
    }
    expected = runner.answer(row)
    assert [line["answer"] for line in found[:3]] == [expected] * 3
    del row["text"]
    assert found[3]["answer"] == runner.answer(row)
    assert found[3]["absent"] == ["audio", "text"]
    for line, message in zip(found[4:], REFUSED, strict=True):
        assert message in line["error"] and "answer" not in line


def test_what_an_option_gives_holds_for_every_line(
    ask, runner, image, monkeypatch
):
    lines = '{"table": [1, 2, 3]}\n{"table": [3, 2, 1]}\n'
    given = io.TextIOWrapper(io.BytesIO(lines.encode()))
    monkeypatch.setattr(sys, "stdin", given)
    found = ask("--stdin", "--image", image)
    for line, table in zip(found, ([1, 2, 3], [3, 2, 1]), strict=True):
        expected = {"image": runner.read("image", str(image)),
                    "table": np.float32(table)}  # fmt: skip
        assert line["answer"] == runner.answer(expected)
