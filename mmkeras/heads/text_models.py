"""Which language models of keras_hub can write, and how they are called."""

from typing import Any

import keras

# Class of the language model; what its backbone calls its attention heads.
CAUSAL = {
    "gpt2": ("GPT2", ("num_heads",)),
    "llama": ("Llama", ("num_query_heads", "num_key_value_heads")),
    "mistral": ("Mistral", ("num_query_heads", "num_key_value_heads")),
    "qwen3": ("Qwen3", ("num_query_heads", "num_key_value_heads", "head_dim")),
    "gemma": ("Gemma", ("num_query_heads", "num_key_value_heads", "head_dim")),
}
ENCODER_DECODER = {"bart": ("Bart", ("num_heads",))}
HUB = {**CAUSAL, **ENCODER_DECODER}


def language_model(variant: str) -> Any:
    """Returns the class of keras_hub that calls a backbone with a cache."""
    from keras_hub import models

    task = "Seq2SeqLM" if variant in ENCODER_DECODER else "CausalLM"
    return getattr(models, HUB[variant][0] + task)


def config_of(
    variant: str, size: int, places: int, units: int, depth: int,
    heads: int, dropout: float,
) -> dict[str, Any]:  # fmt: skip
    """Returns the configuration of a backbone that starts at random.

    Args:
        variant: Which language model.
        size: Tokens that it knows.
        places: Tokens of its longest sequence.
        units: Its width.
        depth: Its blocks.
        heads: Attention heads of each.
        dropout: Its dropout rate.
    """
    found = {
        "vocabulary_size": size,
        "num_layers": depth,
        "hidden_dim": units,
        "intermediate_dim": 4 * units,
        "dropout": dropout,
    }
    for name in HUB[variant][1]:
        found[name] = units // heads if name == "head_dim" else heads
    if "num_heads" in found:
        found["max_sequence_length"] = places
    return found


class View:
    """A backbone of which a vector may stand in the place of a token.

    Args:
        backbone: The backbone.
    """

    def __init__(self, backbone):
        self._backbone = backbone

    def __getattr__(self, name):
        return getattr(self._backbone, name)

    def token_embedding(self, x, reverse=False):
        """Embeds ids; lets vectors through."""
        embedding = self._backbone.token_embedding
        if reverse:
            return embedding(x, reverse=True)
        kind = keras.backend.standardize_dtype(x.dtype)
        return embedding(x) if "int" in kind else x
