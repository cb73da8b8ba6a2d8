"""Text towers: token ids in, one vector and one row per position out."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras

from mmkeras.arguments import check_positive
from mmkeras.options import Part, Variants
from mmkeras.towers import text_encoders as readers
from mmkeras.towers.hub import as_tower
from mmkeras.towers.text_embedding import embed
from mmkeras.towers.text_hub import HUB, TextBackbone, token_backbone


def text_tower(
    max_tokens: int,
    vocabulary_size: int,
    name: str = "text",
    variant: str = "transformer",
    *,
    tokenizer: str | Path | None = None,
    **options: Any,
) -> keras.Model:
    """Builds a tower that reads one text.

    Embedded tokens pass an optional convolution over neighbours (words to
    phrases), are optionally averaged in groups, then read by the variant. The
    vector is the mean of the tokens that are not padding (their maximum with
    "cnn"), and zeros where all are.

    | variant | good for |
    | --- | --- |
    | `"bag"` | topics; the mean of the embeddings, which knows no order |
    | `"cnn"` | phrases that decide alone (Kim 2014, arXiv 1408.5882) |
    | `"gru"`, `"lstm"` | order, in texts of up to some hundred tokens |
    | `"transformer"` | words far apart; learned positions, pre-norm blocks |
    | `"bert"`, `"distilbert"`, `"roberta"` | little data, with `pretrained` |

    Args:
        max_tokens: Tokens of a text; shorter ones are padded with id 0.
        vocabulary_size: Token ids, padding among them.
        name: Name of the modality, and of the input.
        variant: One of the table above.
        tokenizer: JSON of the tokenizer, with the word of each id; for
            `word_vectors`.
        options: Those of the variant: `units` (64), `dropout` (0.1), and what
            `TextBag`, `TextCnn`, `TextRecurrent`, `TextTransformer` or
            `TextBackbone` have.

    Returns:
        Model from int32 `(batch, max_tokens)` to
        `{"vector": (batch, units), "tokens": (batch, positions, units),
        "mask": (batch, positions)}`, positions being
        `max_tokens / stride`; the mask is 1 where any token is real.

    Raises:
        ValueError: If the variant lacks an option, options do not fit each
            other, or a file is no preset or no word vectors.

    Example:

    >>> tower = text_tower(max_tokens=8, vocabulary_size=1000)
    >>> tower(np.array([[7, 3, 0, 0, 0, 0, 0, 0]]))["vector"].shape
    TensorShape([1, 64])
    """
    chosen = TEXT_TOWERS.read({"variant": variant, **options})
    check_positive(max_tokens=max_tokens, vocabulary_size=vocabulary_size)
    build = TEXT_TOWERS.build(chosen)
    return build(max_tokens, vocabulary_size, tokenizer, chosen, name)


def _embedded(read: Callable) -> Callable:
    """Returns what builds a tower of which `read` reads embedded tokens."""

    def build(max_tokens, vocabulary_size, tokenizer, options, name):
        if max_tokens % options.stride:
            raise ValueError(
                "`stride` must divide `max_tokens`. Received: "
                f"stride={options.stride}, max_tokens={max_tokens}"
            )
        token_ids = keras.Input((max_tokens,), dtype="int32", name=name)
        x, mask = embed(token_ids, vocabulary_size, tokenizer, options, name)
        tokens, vector = read(x, mask, options, name)
        outputs = {"vector": vector, "tokens": tokens, "mask": mask}
        return keras.Model(token_ids, outputs, name=f"{name}_tower")

    return build


def _backbone(max_tokens, vocabulary_size, tokenizer, options, name):
    hub = token_backbone(max_tokens, vocabulary_size, options)
    return as_tower(hub, name, options.units, (max_tokens,))


TEXT_TOWERS = Variants(
    "variant",
    "transformer",
    {
        "bag": Part(readers.TextBag, _embedded(readers.bag)),
        "cnn": Part(readers.TextCnn, _embedded(readers.convolutions)),
        "gru": Part(readers.TextRecurrent, _embedded(readers.recurrent)),
        "lstm": Part(readers.TextRecurrent, _embedded(readers.recurrent)),
        "transformer": Part(
            readers.TextTransformer, _embedded(readers.transformer)
        ),
        **dict.fromkeys(HUB, Part(TextBackbone, _backbone)),
    },
)
