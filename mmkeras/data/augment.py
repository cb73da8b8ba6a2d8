"""Which augmentation a training batch gets: the settings, checked.

All of it is stateless: what happens to a batch follows from the batch's seed.
Augmentation in the frequency domain (SpecAugment) belongs to the audio tower,
which makes the spectrogram.
"""

import itertools
from collections.abc import Callable

from mmkeras.arguments import check_keys, nearest
from mmkeras.data.changes import CHANGES
from mmkeras.spec import DataSpec

# By kind and key: what `augment=True` does, and the values allowed. 0 is off.
KEYS = {
    "image": {
        "translation": (0.1, 0, 1),  # fraction of height and width
        "rotation_degrees": (10, 0, 180),
        "zoom": (0.1, 0, 0.9),  # fraction of the size, in or out
        "contrast": (0.1, 0, 1),
        "brightness": (0.1, 0, 1),  # fraction of full scale
        "horizontal_flip": (0, 0, 1),  # 1: half of the pictures
    },
    "audio": {
        "shift_sec": (0.1, 0, 600),  # earlier or later; silence moves in
        "gain_db": (6, 0, 60),  # softer or louder
        "noise_snr_db": (0, 0, 120),  # white noise, at this ratio or weaker
    },
    "text": {"token_dropout": (0.1, 0, 1)},  # fraction that turns unknown
    "vector": {},
    "series": {
        "noise_std": (0.05, 0, 10),  # fraction of a channel's own deviation
        "gain": (0.1, 0, 1),  # larger or smaller swings about its mean
    },
    "video": {"horizontal_flip": (0, 0, 1)},  # 1: half of the films
    "volume": {},
}


def settings_of(spec: DataSpec, augment: bool | dict) -> dict[str, dict]:
    """Returns the settings of each augmented modality, complete and checked.

    Args:
        spec: The spec.
        augment: As in `load_data`. Keys left out of a modality's dict are off.
    """
    kinds = {name: part.kind for name, part in spec.modalities.items()}
    if augment is True:
        augment = {
            name: {key: row[0] for key, row in KEYS[kind].items()}
            for name, kind in kinds.items()
        }
    if augment is False:
        return {}
    if not isinstance(augment, dict):
        raise ValueError(
            "`augment` must be True, False or a dict by modality. "
            f"Received: augment={augment!r}"
        )
    found = {}
    for name, values in augment.items():
        if name not in kinds:
            raise ValueError(
                f"`augment` must name modalities of the spec. Received: "
                f"{name!r}.{nearest(str(name), list(kinds))}"
            )
        _check(f"augment.{name}", KEYS[kinds[name]], values)
        values = {key: values.get(key, 0) for key in KEYS[kinds[name]]}
        if any(values.values()):
            found[name] = values
    return found


def augmenter(spec: DataSpec, settings: dict[str, dict]) -> Callable:
    """Returns a function from (inputs, seed) to augmented inputs.

    Args:
        spec: The spec.
        settings: What `settings_of` returned.

    Returns:
        A function for `Dataset.map`: the dict of inputs and an int64 scalar
        go in, the dict comes out with the same shapes and dtypes. What is
        absent stays zero.
    """
    steps = {
        name: CHANGES[spec.modalities[name].kind](
            spec.modalities[name], settings[name]
        )
        for name in sorted(settings)
    }

    def change(inputs: dict, seed):
        outputs = dict(inputs)
        for number, (name, step) in enumerate(steps.items()):
            seeds = ((seed, number * 1000 + i) for i in itertools.count())
            outputs[name] = step(inputs[name], seeds)
            if name in spec.optional:
                there = inputs["present"][:, spec.optional.index(name)]
                outputs[name] = _zero_unless(there, outputs[name])
        return outputs

    return change


def _check(label: str, keys: dict, values: dict) -> None:
    if not isinstance(values, dict):
        raise ValueError(
            f"`{label}` must be a dict. Received: {values!r}; keys: "
            f"{', '.join(keys) or 'none, this kind is not augmented'}"
        )
    check_keys(label, values, keys)
    for key, value in values.items():
        _, low, high = keys[key]
        if not isinstance(value, (int, float)) or not low <= value <= high:
            raise ValueError(
                f"`{label}.{key}` must be a number from {low} to {high}. "
                f"Received: {value!r}"
            )


def _zero_unless(there, value):
    import tensorflow as tf

    shape = (-1,) + (1,) * (len(value.shape) - 1)
    mask = tf.reshape(tf.cast(there, value.dtype), shape)
    return value * mask
