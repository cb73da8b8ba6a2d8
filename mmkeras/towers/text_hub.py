"""BERT and its like from keras_hub, for token ids whose padding is 0."""

from collections.abc import Mapping

import keras
from keras import ops

from mmkeras.towers.hub import load_backbone

HUB = {
    "bert": "BertBackbone",
    "distilbert": "DistilBertBackbone",
    "roberta": "RobertaBackbone",
}


def token_backbone(
    variant: str,
    max_tokens: int,
    vocabulary_size: int,
    units: int,
    depth: int,
    heads: int,
    dropout: float,
    pretrained: str | None = None,
) -> keras.Model:
    """Returns a model from our token ids to a row each token.

    Args:
        variant: A key of `HUB`.
        max_tokens: Tokens of a text.
        vocabulary_size: Token ids of the tokenizer.
        units: Width of a row; this and the next three where there is no
            preset.
        depth: Transformer blocks.
        heads: Attention heads.
        dropout: Share of features dropped.
        pretrained: Name of a preset, or a local folder of one.

    Returns:
        Model with the inputs `token_ids` and `padding_mask`, and for BERT
        `segment_ids`; its output is `(batch, tokens, hidden_dim)`.

    Raises:
        ValueError: If the preset knows fewer tokens than the tokenizer.
    """
    config = {
        "vocabulary_size": vocabulary_size,
        "num_layers": depth,
        "num_heads": heads,
        "hidden_dim": units,
        "intermediate_dim": 4 * units,
        "max_sequence_length": max_tokens,
        "dropout": dropout,
    }
    hub = load_backbone(HUB[variant], config, pretrained)
    # The embedding of tokens is the first weight of all of them.
    if hub.weights[0].shape[0] < vocabulary_size:
        raise ValueError(
            "Argument `pretrained` must know every token of the tokenizer, "
            f"{vocabulary_size} of them. Received: "
            f"pretrained={pretrained!r} with {hub.weights[0].shape[0]}"
        )
    rows = hub.output
    if isinstance(rows, Mapping):
        rows = rows["sequence_output"]
    hub = keras.Model(hub.input, rows, name="backbone")
    if variant != "roberta":
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
