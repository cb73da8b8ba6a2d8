"""From the bytes of a file to the array that enters the model.

The rules of `decode_image` and `decode_audio` are part of the contract with
the device, which must do the same. Headers are read and capped before anything
is decoded, and whatever is not as it should be raises `BadSample`.
"""

from pathlib import Path

import numpy as np

from mmkeras.data.images import decode_image
from mmkeras.data.paths import read_inside
from mmkeras.data.reasons import BadSample, Reason
from mmkeras.data.series import decode_series
from mmkeras.data.sounds import decode_audio
from mmkeras.data.stored import to_model
from mmkeras.data.video import decode_video
from mmkeras.data.volume import decode_volume
from mmkeras.kinds import Text, Video
from mmkeras.spec import Modality


def decode_file(modality: Modality, path: str | Path) -> np.ndarray | str:
    """Decodes one file as `prepare` does, without the noise of the spec.

    Args:
        modality: A modality of a spec, of any kind but vector.
        path: Any path of your own; it is not confined to a data root.

    Returns:
        What enters the model: image `(height, width, channels)` uint8, audio
        `(samples,)` float32 in [-1, 1], series `(steps, channels)` float32
        with NaN in gaps, video `(frames, height, width, channels)` uint8,
        volume `(depth, height, width, 1)` float32. For text, the string;
        `encode_texts` turns it into token ids.

    Example:

    >>> spec = load_spec("data_specs/demo.toml")
    >>> decode_file(spec.modalities["image"], "three.png").shape
    (16, 16, 1)
    """
    path = Path(path).resolve()
    if modality.kind in SIGNALS:
        value = SIGNALS[modality.kind](modality, path.parent, path.name)
        return to_model(modality, value)
    if modality.kind not in DECODERS:
        raise ValueError(
            f"`modality` must be of a kind that is read from files. Received: "
            f"kind={modality.kind!r}; choices: "
            f"{', '.join(sorted([*DECODERS, *SIGNALS]))}"
        )
    value = DECODERS[modality.kind](modality, path.read_bytes(), path.name)
    return to_model(modality, value)


def decode_text(modality: Text, raw: bytes, name: str) -> str:
    """Decodes a UTF-8 file."""
    try:
        return check_text(raw.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise BadSample(Reason.BAD_UTF8, f"{name!r}: {error}") from None


def check_text(text: str) -> str:
    """Returns `text`; raises BadSample if it is blank or was no UTF-8."""
    if any("\ud800" <= c <= "\udfff" for c in text):
        raise BadSample(Reason.BAD_UTF8, ascii(text[:60]))
    if not text.strip():
        raise BadSample(Reason.EMPTY, "blank text")
    return text


def decode_film(modality: Video, root: str | Path, name: str) -> np.ndarray:
    """Decodes a film inside `root`."""
    return decode_video(modality, read_inside(root, name), name)


DECODERS = {"image": decode_image, "audio": decode_audio, "text": decode_text}
# These find their files themselves: one sample may be several.
SIGNALS = {
    "series": decode_series, "video": decode_film, "volume": decode_volume
}  # fmt: skip
