"""Tokenizers: trained on the training split alone, or those of a model.

Each is saved as one JSON. It holds padding and truncation too, so a device
that reads it with `tokenizers` gets the ids the model was trained on.
"""

import collections
import contextlib
import string
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from mmkeras.artefact import write_text
from mmkeras.data.own_tokens import own_tokenizer
from mmkeras.data.reasons import BadSample
from mmkeras.data.samples import read_text
from mmkeras.kinds import Text
from mmkeras.spec import DataSpec

PADDING, UNKNOWN = "[PAD]", "[UNK]"  # ids 0 and 1


def make_tokenizers(
    spec: DataSpec,
    root: str | Path,
    folder: Path,
    cells: Mapping[str, Iterable[str]],
) -> dict[str, int]:
    """Writes a tokenizer for each text modality; returns their sizes.

    Args:
        spec: The spec.
        root: Folder of the data.
        folder: Folder that is written.
        cells: Those of the training split, by column.
    """
    sizes = {}
    for name, modality in spec.modalities.items():
        if modality.kind != "text":
            continue
        if modality.vocabulary:
            tokenizer = own_tokenizer(modality, root)
        else:
            texts = []
            for cell in cells[modality.column]:
                # What cannot be read is quarantined when its shard is made.
                with contextlib.suppress(BadSample):
                    texts.append(read_text(root, modality, cell))
            tokenizer = train_tokenizer(modality, texts)
        save_tokenizer(tokenizer, folder / tokenizer_file(name))
        sizes[name] = tokenizer.get_vocab_size()
    return sizes


def tokenizer_file(name: str) -> str:
    """Returns the name of the file of a modality's tokenizer."""
    return f"tokenizer_{name}.json"


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


def save_tokenizer(tokenizer, path: str | Path) -> None:
    """Writes the tokenizer's one JSON, atomically."""
    write_text(path, tokenizer.to_str(pretty=False) + "\n")


def load_tokenizer(path: str | Path):
    """Reads a tokenizer that `prepare` wrote."""
    from tokenizers import Tokenizer

    return Tokenizer.from_str(Path(path).read_text(encoding="utf-8"))


def encode_texts(path: str | Path, texts: Sequence[str]) -> np.ndarray:
    """Returns the token ids of `texts`: (len(texts), max_tokens) int32.

    Args:
        path: The JSON of a tokenizer, `data.tokenizer_path("text")`.
        texts: Strings, not paths.
    """
    encoded = load_tokenizer(path).encode_batch(list(texts))
    return np.array([one.ids for one in encoded], np.int32)


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
