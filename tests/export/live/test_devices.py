"""The runner answers to a microphone and a camera, or says why it cannot."""

import re

import numpy as np
import pytest

RATE, SAMPLES = 8000, 800


def test_the_microphone_slides_over_what_it_hears(ask, runner, devices, image):
    closed = devices("sounddevice")
    given = ["--image", image, "--table", "1,2,3"]
    lines = ask(
        "--microphone", "--hop-sec", 0.025, "--count", 3, *given
    )  # fmt: skip
    assert [line["time_sec"] for line in lines] == [0.1, 0.125, 0.15]
    for number, line in enumerate(lines):
        heard = np.arange(200 * number, 200 * number + SAMPLES)
        expected = runner.answer({
            "image": runner.read("image", str(image)),
            "table": np.float32([1, 2, 3]),
            "audio": heard.astype(np.float32) / 32768,
        })  # fmt: skip
        assert line["answer"] == expected
        assert line["absent"] == ["text"] and line["latency_ms"] > 0
        assert "lost_sound" not in line
    assert closed.read_text() == "microphone "


def test_a_hop_is_half_the_sound_and_lost_sound_is_said(ask, devices, image):
    devices("sounddevice", lost=True)
    options = "--image", image, "--table", "1,2,3", "--count", 2
    lines = ask("--microphone", *options)
    assert [line["time_sec"] for line in lines] == [0.1, 0.15]
    assert all(line["lost_sound"] for line in lines)


def test_a_slow_model_hears_the_newest_sound(live):
    class Stream:
        read_available = 5000

        def read(self, frames):
            return np.arange(frames, dtype=np.int16)[:, None], False

    entry = {"shape": [SAMPLES], "sample_rate_hz": RATE}
    source = live.listen(Stream(), "audio", entry, 0.1)
    line, row = next(source)
    assert line == {"time_sec": 0.625}
    np.testing.assert_array_equal(
        row["audio"], np.arange(4200, 5000).astype(np.float32) / 32768
    )


@pytest.mark.parametrize(
    "module, grey", [("cv2", 200 * 0.114), ("picamera2", 200 * 0.299)]
)
def test_a_camera_is_seen(ask, runner, devices, module, grey):
    """Grey tells red, the one camera's picture, from blue, the other's."""
    closed = devices(module)
    options = "--table", "1,2,3", "--count", 2, "--hop-sec", 0.01
    lines = ask("--camera", *options)
    picture = np.full((16, 16, 1), round(grey), np.uint8)
    expected = runner.answer({"image": picture, "table": np.float32([1, 2, 3])})
    assert [line["answer"] for line in lines] == [expected, expected]
    assert lines[0]["absent"] == ["audio", "text"]
    assert closed.read_text() == "camera "


def test_sound_and_pictures_come_together(ask, devices):
    closed = devices("cv2", "sounddevice")
    (line,) = ask("--microphone", "--camera", "--table=1,2,3", "--count", 1)
    assert line["absent"] == ["text"]
    assert sorted(closed.read_text().split()) == ["camera", "microphone"]


def test_a_camera_that_stops_is_absent_if_it_may_be(live, devices):
    devices("cv2", frames=1)

    class Runner:
        inputs = {"view": {"kind": "image", "shape": [4, 4, 3]}}

        def takes(self, option):
            return ["view"]

        def placed(self, values):
            return {}

        def answer(self, row, placed=None):
            return sorted(row)

    given = dict.fromkeys(
        ["view", "stdin", "window", "microphone", "count"], None
    )
    given |= {"camera": True, "hop_sec": 0.01}
    source = live.answers(Runner(), given)
    first, second = next(source), next(source)
    source.close()
    assert (first["answer"], first["absent"]) == (["view"], [])
    assert (second["answer"], second["absent"]) == ([], ["view"])


@pytest.mark.parametrize(
    "options, plugged, message",
    [
        (["--microphone"], {}, "needs the package sounddevice"),
        (["--camera"], {}, "needs picamera2.*or OpenCV"),
        (["--camera"], {"cv2": {"frames": 0}}, "must find one"),
        (["--microphone"], {"sounddevice": {"rate": 44100}},
         "one channel at 8000 Hz. Received: Invalid sample rate"),
        (["--camera", "--image", "IMAGE"], {"cv2": {}},
         "`image` must come from one place. Received: --camera and --image"),
        (["--camera"], {"cv2": {}}, "`table` must be given"),
        (["--microphone", "--stdin"], {},
         "one place. Received: --stdin and --microphone"),
        (["--window", "--image", "IMAGE"], {}, "--audio FILE. Received"),
        (["--camera", "--hop-sec", "0"], {"cv2": {}}, "0.01 to 3600 seconds"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_said(
    ask, devices, image, options, plugged, message
):
    devices(*plugged, **next(iter(plugged.values()), {}))
    options = [image if option == "IMAGE" else option for option in options]
    error = ask(*options, code=2)
    assert error.startswith("error: ")
    assert re.search(message, error.replace("\n", " ")), error


@pytest.mark.parametrize("channels", [1, 3])
def test_a_frame_is_cut_to_shape_and_averaged(fit, channels):
    """640 by 480 to 15 by 20: a block of 32 pixels each, 160 cut away."""
    frame = np.random.default_rng(0).integers(0, 256, (480, 640, 3))
    found = fit(frame.astype(np.uint8), [20, 15, channels])
    middle = frame[:, 140:500].reshape(20, 24, 15, 24, 3).mean(axis=(1, 3))
    if channels == 1:
        middle = middle @ [[0.299], [0.587], [0.114]]
    assert found.shape == (20, 15, channels) and found.dtype == np.uint8
    assert np.abs(found - middle).max() <= 0.51


@pytest.mark.parametrize("size", [(7, 5), (30, 21), (300, 500)])
def test_a_flat_frame_stays_flat(fit, size):
    frame = np.full((*size, 3), 137, np.uint8)
    assert (fit(frame, [28, 28, 3]) == 137).all()


def test_ctrl_c_ends_it_quietly(ask, devices, monkeypatch):
    def interrupt(self, frames):
        raise KeyboardInterrupt

    closed = devices("sounddevice")
    import sounddevice

    monkeypatch.setattr(sounddevice.InputStream, "read", interrupt)
    assert ask("--microphone") == []
    assert closed.read_text() == "microphone "
