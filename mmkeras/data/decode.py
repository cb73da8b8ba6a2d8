"""From one file to the array that enters the model."""

import errno
import os
from pathlib import Path

import numpy as np

from mmkeras.data.files.memory import NotEnoughMemory
from mmkeras.data.files.reasons import BadSample, Reason
from mmkeras.data.files.source import SampleIO
from mmkeras.data.stored import to_model
from mmkeras.spec import MODALITIES, Learned, Modality


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

    Raises:
        FileNotFoundError: If it, or a file that belongs to it, is missing.
        BadSample: If it cannot be used.
        MemoryError: If it would not fit into the memory that is left.

    Example:

    >>> spec = load_spec("data_specs/demo.toml")
    >>> decode_file(spec.modalities["image"], "three.png").shape
    (16, 16, 1)
    """
    if not modality.from_file:
        known = MODALITIES.known.items()
        choices = sorted(kind for kind, cls in known if cls.from_file)
        raise ValueError(
            f"`modality` must be of a kind that is read from files. Received: "
            f"kind={modality.kind!r}; choices: {', '.join(choices)}"
        )
    return _decoded(modality, Path(path).resolve())


def decode_value(
    modality: Modality, value: str, name: str, learned: Learned
) -> np.ndarray:
    """Returns what enters the model for what a person gives.

    Args:
        modality: Whose it is.
        value: A path; a text itself; numbers: as the kind takes it.
        name: The modality's name, for messages.
        learned: What reading took from the training split.
    """
    io = SampleIO("", name, modality.open_learned(learned))
    found = modality.read_value(value, io)
    if found is not None:
        return to_model(modality, found)
    try:
        return decode_file(modality, value)
    except (BadSample, OSError, NotEnoughMemory) as error:
        reason = getattr(error, "strerror", None) or error
        raise ValueError(
            f"`{name}` must be a file of kind '{modality.kind}' that can be "
            f"read. Received: {value} ({reason})"
        ) from None


def _decoded(modality: Modality, path: Path) -> np.ndarray | str:
    try:
        value = modality.read_file(path.name, SampleIO(str(path.parent)))
    except BadSample as error:
        if error.reason != Reason.NOT_FOUND:
            raise
        number = errno.ENOENT
        said = os.strerror(number)
        raise FileNotFoundError(number, said, error.detail) from None
    return to_model(modality, value)
