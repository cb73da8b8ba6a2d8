"""Tokenizers: trained on the training split alone, or those of a model.

Each is saved as one JSON. It holds padding and truncation too, so a device
that reads it with `tokenizers` gets the ids the model was trained on.
"""

import collections
import contextlib
import string
import unicodedata
from collections.abc import Iterable, Mapping, Sequence

from mmkeras.data import BadSample, SampleIO
from mmkeras.kinds.text import Text
from mmkeras.kinds.text.pretrained import pretrained_tokenizer
from mmkeras.kinds.text.read import text_of
from mmkeras.spec import Learned

PADDING, UNKNOWN = "[PAD]", "[UNK]"  # ids 0 and 1


def learn(
    modality: Text, cells: Mapping[str, Iterable[str]], io: SampleIO
) -> Learned:
    """Returns the tokenizer of the training split, or of a model."""
    if modality.vocabulary:
        tokenizer = pretrained_tokenizer(modality, io)
    else:
        texts = []
        for cell in cells[modality.column]:
            # What cannot be read is quarantined when its shard is made.
            with contextlib.suppress(BadSample):
                texts.append(text_of(modality, cell, io))
        tokenizer = train_tokenizer(modality, texts)
    size = tokenizer.get_vocab_size()
    text = tokenizer.to_str(pretty=False) + "\n"
    return Learned({"vocabulary_size": size}, text)


def train_tokenizer(modality: Text, texts: Sequence[str]):
    """Trains a tokenizer; the same texts give the same one, always.

    Args:
        modality: Kind, size and length.
        texts: The texts of the training split.

    Returns:
        A `tokenizers.Tokenizer` that pads and cuts to `max_tokens`.
    """
    if not texts:
        raise ValueError(
            f"The training split must hold a text in `{modality.column}` to "
            "train a tokenizer. Received: none"
        )
    train = _wordpiece if modality.tokenizer == "wordpiece" else _words
    tokenizer = train(modality, texts)
    tokenizer.enable_truncation(modality.max_tokens)
    tokenizer.enable_padding(
        pad_id=0, pad_token=PADDING, length=modality.max_tokens
    )
    return tokenizer


def _base(modality: Text, model):
    from tokenizers import Tokenizer, normalizers, pre_tokenizers

    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizers.Sequence(
        [
            normalizers.NFD(),
            normalizers.StripAccents(),
            normalizers.Lowercase(),
        ]
        if modality.lowercase
        else [normalizers.NFC()]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Punctuation()]
    )
    return tokenizer


def _words(modality: Text, texts: Sequence[str]):
    from tokenizers import models, trainers

    tokenizer = _base(modality, models.WordLevel(unk_token=UNKNOWN))
    trainer = trainers.WordLevelTrainer(
        vocab_size=modality.vocabulary_size,
        special_tokens=[PADDING, UNKNOWN],
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return _base(
        modality,
        models.WordLevel(tokenizer.get_vocab(), unk_token=UNKNOWN),
    )


def _wordpiece(modality: Text, texts: Sequence[str]):
    """Trains WordPiece with an order of its own.

    The library numbers the pieces inside words in the order of a hash map,
    which differs from run to run and decides ties. Given them all as special
    tokens, sorted, it has nothing left to number; the tokenizer is then built
    anew, so that they are no special tokens.
    """
    from tokenizers import models, trainers

    tokenizer = _base(modality, models.WordPiece(unk_token=UNKNOWN))
    letters = _letters(tokenizer.normalizer, texts, modality.vocabulary_size)
    trainer = trainers.WordPieceTrainer(
        vocab_size=modality.vocabulary_size,
        special_tokens=[
            PADDING,
            UNKNOWN,
            *(f"##{c}" for c in letters if not _splits(c)),
        ],
        initial_alphabet=letters,
        limit_alphabet=len(letters),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return _base(
        modality,
        models.WordPiece(tokenizer.get_vocab(), unk_token=UNKNOWN),
    )


def _letters(normalizer, texts: Sequence[str], vocabulary_size: int) -> list:
    """Returns the commonest characters, as many as the vocabulary can hold."""
    counts = collections.Counter()
    for text in texts:
        counts.update(normalizer.normalize_str(text))
    found = sorted(
        (c for c in counts if not c.isspace()), key=lambda c: (-counts[c], c)
    )
    return sorted(found[: min(1000, (vocabulary_size - 2) // 2)])


def _splits(letter: str) -> bool:
    """Whether the pre-tokenizer makes a token of this character alone."""
    return letter in string.punctuation or unicodedata.category(
        letter
    ).startswith("P")
