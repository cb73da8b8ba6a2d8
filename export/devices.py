"""The microphone and the camera of `live.py`, which imports this file.

sounddevice, picamera2 and OpenCV are imported when they are asked for.

A camera's frame has another size than the model's picture. Here alone it is
cut to the model's proportions around the centre, and each pixel becomes the
mean of the area it covers.
"""

from __future__ import annotations

import numpy as np

CAMERA_SIZE = 640, 480
LUMA = np.array([19595, 38470, 7471]) / 65536  # as Pillow turns RGB to grey


def microphone(entry: dict):
    """Returns a stream of the model's rate; imports what it takes now."""
    try:
        import sounddevice
    except (ImportError, OSError) as error:  # the latter without PortAudio
        raise ValueError(
            "`--microphone` needs the package sounddevice and the library "
            "PortAudio (pip install sounddevice; apt install libportaudio2). "
            f"Received: {error}"
        ) from None
    rate = entry["sample_rate_hz"]
    try:
        return sounddevice.InputStream(
            samplerate=rate, channels=1, dtype="int16"
        )
    except sounddevice.PortAudioError as error:
        raise ValueError(
            f"`--microphone` must record one channel at {rate} Hz. "
            f"Received: {error}"
        ) from None


class Camera:
    """The Raspberry Pi's camera with picamera2, any other with OpenCV.

    Args:
        shape: Height, width and channels of the model's picture.
    """

    def __init__(self, shape: list[int]):
        self.shape = shape
        try:
            import picamera2
        except ImportError:
            return self._open_cv()
        device = picamera2.Picamera2()
        # What picamera2 calls BGR888 is in memory red, green, blue.
        main = {"size": CAMERA_SIZE, "format": "BGR888"}
        device.configure(device.create_video_configuration(main=main))
        device.start()
        self.take, self.close = device.capture_array, device.close

    def _open_cv(self):
        try:
            import cv2
        except ImportError as error:
            raise ValueError(
                "`--camera` needs picamera2 (apt install python3-picamera2) "
                "or OpenCV (pip install opencv-python-headless). "
                f"Received: {error}"
            ) from None
        device = cv2.VideoCapture(0)
        if not device.isOpened():
            raise ValueError("`--camera` must find one. Received: none")
        # A longer queue holds old frames back.
        device.set(cv2.CAP_PROP_BUFFERSIZE, 1)

        def take() -> np.ndarray | None:
            there, frame = device.read()
            return frame[..., ::-1] if there else None

        self.take, self.close = take, device.release

    def picture(self) -> np.ndarray | None:
        """Returns what is seen, as the model reads it; None if nothing is."""
        frame = self.take()
        return None if frame is None else fit(frame, self.shape)


def fit(frame: np.ndarray, shape: list[int]) -> np.ndarray:
    """Cuts and shrinks a frame to the model's size.

    Args:
        frame: `(height, width, 3)`, uint8, red, green, blue.
        shape: Height, width and channels (1 or 3) of the model's picture.

    Returns:
        uint8 of `shape`.
    """
    height, width, channels = shape
    scale = min(frame.shape[0] / height, frame.shape[1] / width)
    down = area(frame.shape[0], height, scale)
    across = area(frame.shape[1], width, scale)
    pixels = frame.astype(np.float64)
    if channels == 1:
        pixels = (pixels @ LUMA)[..., None]
    small = across @ np.tensordot(down, pixels, axes=1)
    # Half goes up; so does what is a half but for rounding errors.
    return np.floor(small + 0.5 + 1e-6).astype(np.uint8)


def area(size: int, wanted: int, scale: float) -> np.ndarray:
    """Returns how much of each of `size` pixels each of `wanted` covers."""
    edges = (size - wanted * scale) / 2 + scale * np.arange(wanted + 1)
    pixel = np.arange(size)
    left = np.maximum(pixel, edges[:-1, None])
    right = np.minimum(pixel + 1, edges[1:, None])
    return np.maximum(right - left, 0) / scale
