"""A microphone and a camera that are modules of a few lines."""

import json
import sys

import pytest
from export.export_toys import runner as runner_of
from export.export_toys import toy_export, toy_inputs
from PIL import Image

RATE = 8000

MICROPHONE = """
import numpy as np
class PortAudioError(Exception): pass
class InputStream:
    read_available = 0
    def __init__(self, samplerate, channels, dtype):
        if samplerate != {rate}:
            raise PortAudioError("Invalid sample rate")
        self.at = 0
    def __enter__(self): return self
    def __exit__(self, *_): open({closed!r}, "a").write("microphone ")
    def read(self, frames):
        sound = np.arange(self.at, self.at + frames, dtype=np.int16)
        self.at += frames
        return sound[:, None], {lost}
"""
OPENCV = """
import numpy as np
CAP_PROP_BUFFERSIZE = 38
class VideoCapture:
    def __init__(self, number): self.left = {frames}
    def isOpened(self): return {frames} > 0
    def set(self, key, value): pass
    def release(self): open({closed!r}, "a").write("camera ")
    def read(self):
        self.left -= 1
        blue = np.zeros((480, 640, 3), np.uint8)
        blue[..., 0] = 200
        return self.left >= 0, blue
"""
PICAMERA = """
import numpy as np
class Picamera2:
    def create_video_configuration(self, main): return main
    def configure(self, main):
        self.size = main["size"]
        assert main["format"] == "BGR888"
    def start(self): pass
    def close(self): open({closed!r}, "a").write("camera ")
    def capture_array(self):
        red = np.zeros((self.size[1], self.size[0], 3), np.uint8)
        red[..., 0] = 200
        return red
"""


@pytest.fixture
def devices(tmp_path, monkeypatch):
    """Installs modules that act as devices; returns the file of closings."""
    closed = tmp_path / "closed"
    places = {"sounddevice": MICROPHONE, "cv2": OPENCV, "picamera2": PICAMERA}

    def plug(*names, rate=RATE, lost=False, frames=100):
        for name in places:
            monkeypatch.delitem(sys.modules, name, raising=False)
            if name not in names:  # as if it were not installed
                monkeypatch.setitem(sys.modules, name, None)
        for name in names:
            (tmp_path / f"{name}.py").write_text(places[name].format(
                rate=rate, lost=lost, frames=frames, closed=str(closed)
            ))  # fmt: skip
        monkeypatch.syspath_prepend(tmp_path)
        return closed

    yield plug
    for name in places:
        sys.modules.pop(name, None)


@pytest.fixture
def ask(runner_module, capsys):
    """Runs `main` here; returns its lines, or its error."""

    def run(*options, code=0):
        bundle = ["--bundle", toy_export().bundle]
        assert runner_module.main([*map(str, [*bundle, *options])]) == code
        out, error = capsys.readouterr()
        return error if code else [json.loads(line) for line in out.split("\n")
                                   if line]  # fmt: skip

    return run


@pytest.fixture(scope="module")
def runner():
    return runner_of().Runner(toy_export().bundle)


@pytest.fixture(scope="module")
def live():
    return runner_of().own().load("live")


@pytest.fixture(scope="module")
def fit():
    return runner_of().own().load("devices").fit


@pytest.fixture
def image(tmp_path):
    path = tmp_path / "x.png"
    Image.fromarray(toy_inputs(1, 5)["image"][0, ..., 0]).save(path)
    return path
