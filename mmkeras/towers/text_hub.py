"""BERT and its like from keras_hub, for token ids whose padding is 0."""

from collections.abc import Mapping
from dataclasses import dataclass

import keras
from keras import ops

from mmkeras.options import option
from mmkeras.towers.hub import load_backbone
from mmkeras.towers.text_embedding import TextOptions
from mmkeras.values import COUNT, PATH, or_none

HUB = {
    "bert": "BertBackbone",
    "distilbert": "DistilBertBackbone",
    "roberta": "RobertaBackbone",
}


@dataclass(frozen=True, kw_only=True)
class TextBackbone(TextOptions):
    """Options of a text encoder of keras_hub.

    Args:
        units: Width of the vector and of the tokens, and without a preset of
            the encoder.
        depth: Transformer blocks of an encoder without a preset.
        heads: Attention heads of an encoder without a preset.
        pretrained: Name or local folder of a keras_hub preset; the encoder
            starts at random without it.
    """

    depth: int = option(1, COUNT)
    heads: int = option(4, COUNT, role="parts")
    pretrained: str | None = option(None, or_none(PATH), role="preset")


def token_backbone(
    max_tokens: int, vocabulary_size: int, options: TextBackbone
) -> keras.Model:
    """Returns a model from our token ids to a row each token.

    Args:
        max_tokens: Tokens of a text.
        vocabulary_size: Token ids of the tokenizer.
        options: What it is made of.

    Returns:
        Model with the inputs `token_ids` and `padding_mask`, and for BERT
        `segment_ids`; its output is `(batch, tokens, hidden_dim)`.

    Raises:
        ValueError: If the preset has fewer tokens than the tokenizer.
    """
    config = {
        "vocabulary_size": vocabulary_size,
        "num_layers": options.depth,
        "num_heads": options.heads,
        "hidden_dim": options.units,
        "intermediate_dim": 4 * options.units,
        "max_sequence_length": max_tokens,
        "dropout": options.dropout,
    }
    hub = load_backbone(HUB[options.variant], config, options.pretrained)
    # The embedding of tokens is the first weight of all of them.
    if hub.weights[0].shape[0] < vocabulary_size:
        raise ValueError(
            "`pretrained` must have every token of the tokenizer, "
            f"{vocabulary_size} of them. Received: "
            f"pretrained={options.pretrained!r} with {hub.weights[0].shape[0]}"
        )
    rows = hub.output
    if isinstance(rows, Mapping):
        rows = rows["sequence_output"]
    hub = keras.Model(hub.input, rows, name="backbone")
    if options.variant != "roberta":
        return hub
    # Its own ids: 0 starts a text and 1 pads it; ours: the other way round.
    inputs = {
        key: keras.Input((None,), dtype="int32", name=key)
        for key in ("token_ids", "padding_mask")
    }
    ids = inputs["token_ids"]
    own = ops.where(ops.less(ids, 2), 1 - ids, ids)
    rows = hub({**inputs, "token_ids": own})
    return keras.Model(inputs, rows, name="backbone")
