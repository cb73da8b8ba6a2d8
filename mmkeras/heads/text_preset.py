"""Pretrained language models: their weights, with words of one's own.

A language model knows tens of thousands of tokens, of which a task needs few.
So it gets the letters or words of the task, each of which begins as the mean
of the tokens that the model's own tokenizer makes of it; all else is taken
over. The file for a device then holds no table of tokens that never occur.

Source: Gee et al., "Fast Vocabulary Transfer for Language Model Compression",
EMNLP 2022 (arXiv 2402.09977).
"""

import keras
import numpy as np

from mmkeras.heads.text_hub import HubWriter
from mmkeras.heads.text_models import language_model


def open_preset(variant: str, pretrained: str) -> tuple[keras.Model, object]:
    """Returns the backbone of a preset, and its tokenizer.

    Args:
        variant: A key of `HUB`.
        pretrained: Name of a preset, or a local folder.

    Raises:
        ValueError: If it cannot be fetched or read, or has no tokenizer.
    """
    model = language_model(variant)
    found = []
    for make in (model.backbone_cls, model.preprocessor_cls.tokenizer_cls):
        try:
            found.append(make.from_preset(pretrained))
        # No network, no such folder, another class, a damaged file.
        except Exception as error:
            reason = (str(error).strip().splitlines() or [""])[0]
            raise ValueError(
                f"`pretrained` must be a preset of {make.__name__} that can be "
                "fetched, or a local folder that `save_to_preset` wrote. "
                f"Received: pretrained={pretrained!r} "
                f"({type(error).__name__}: {reason[:300]})"
            ) from error
    return found[0], found[1]


def preset_config(backbone: keras.Model, size: int, places: int) -> dict:
    """Returns the configuration of a backbone for another vocabulary.

    Args:
        backbone: Of the preset.
        size: Tokens that there shall be.
        places: Tokens of the longest sequence.

    Raises:
        ValueError: If it is made for shorter sequences.
    """
    left = {"name", "trainable", "dtype"}
    found = {k: v for k, v in backbone.get_config().items() if k not in left}
    found["vocabulary_size"] = size
    if "max_sequence_length" in found:
        if found["max_sequence_length"] < places:
            raise ValueError(
                "`pretrained` must take as many tokens as the prefix and the "
                f"longest text have, {places}. Received: one for "
                f"{found['max_sequence_length']}"
            )
        found["max_sequence_length"] = places
    return found


def take_over(layer: HubWriter, backbone: keras.Model, tokenizer) -> None:
    """Gives a layer the weights of a preset.

    Args:
        layer: The layer, built.
        backbone: Of the preset.
        tokenizer: Of the preset.
    """
    size = backbone.get_config()["vocabulary_size"]
    theirs = [keras.ops.convert_to_numpy(w) for w in backbone.weights]
    means = None
    for weight, value in zip(layer.backbone.weights, theirs, strict=True):
        if value.shape != tuple(weight.shape):
            axis = [a == b for a, b in zip(value.shape, weight.shape)].index(0)
            if value.shape[axis] == size:
                if means is None:
                    means = pieces_of(layer.letters, tokenizer)
                rows = np.moveaxis(value, axis, 0)
                rows = np.stack([rows[ids].mean(axis=0) for ids in means])
                value = np.moveaxis(rows, 0, axis)
            else:  # positions behind the longest text
                value = np.take(value, range(weight.shape[axis]), axis=axis)
        weight.assign(value)


def pieces_of(letters, tokenizer) -> list:
    """Returns the token ids that stand for each of our tokens.

    End and start are those of the tokenizer; where it has none, and for what
    is unknown, the mean of all.
    """
    every = slice(None)
    marks = [
        getattr(tokenizer, f"{n}_token_id", None) for n in ("end", "start")
    ]
    found = [every if mark is None else [mark] for mark in marks] + [every]
    for letter in letters:
        ids = np.asarray(tokenizer(letter)).reshape(-1)
        found.append([int(i) for i in ids] or every)
    return found
