"""Tokenizers: trained on the training split alone, or those of a model.

Each is saved as one JSON. It holds padding and truncation too, so a device
that reads it with `tokenizers` gets the ids the model was trained on.
"""

import collections
import contextlib
import functools
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from mmkeras.data import BadSample, SampleIO
from mmkeras.kinds.text import Text
from mmkeras.kinds.text.characters import Singles
from mmkeras.kinds.text.normalization import normalizer, splitter
from mmkeras.kinds.text.pretrained import pretrained_tokenizer
from mmkeras.kinds.text.read import read_file, text_of
from mmkeras.spec import Learned

PADDING, UNKNOWN = "[PAD]", "[UNK]"  # ids 0 and 1
# Share of the characters of a text that must be known, as SentencePiece has
# it for scripts of many letters.
COVERAGE = 0.9995


def learn(
    modality: Text, cells: Mapping[str, Iterable[str]], io: SampleIO
) -> Learned:
    """Returns the tokenizer of the training split, or of a model."""
    if modality.vocabulary:
        tokenizer = pretrained_tokenizer(modality, io)
    else:
        texts = Texts(modality, cells[modality.column], io)
        tokenizer = train_tokenizer(modality, texts, stop_words(modality, io))
    size = tokenizer.get_vocab_size()
    text = tokenizer.to_str(pretty=False) + "\n"
    return Learned({"vocabulary_size": size}, text)


@dataclass(frozen=True)
class Texts:
    """The texts of cells, read anew whenever they are gone through.

    Args:
        modality: How a cell is read.
        cells: Of the training split.
        io: The files of the data root.
    """

    modality: Text
    cells: Iterable[str]
    io: SampleIO

    def __iter__(self) -> Iterator[str]:
        for cell in self.cells:
            # What cannot be read is quarantined when its shard is made.
            with contextlib.suppress(BadSample):
                yield text_of(self.modality, cell, self.io)


def stop_words(modality: Text, io: SampleIO) -> tuple[str, ...]:
    """Returns the words to leave out: those of the spec, and of its file.

    Raises:
        ValueError: If the file is missing or no UTF-8.
    """
    words = list(modality.stop_words)
    if modality.stop_words_file:
        try:
            lines = read_file(modality, modality.stop_words_file, io)
        except BadSample as error:
            raise ValueError(
                "`stop_words_file` must be a UTF-8 file of words, one a line, "
                f"inside `{io.root}`. Received: "
                f"{modality.stop_words_file!r} ({error})"
            ) from None
        words += lines.splitlines()
    return tuple(words)


def train_tokenizer(
    modality: Text, texts: Iterable[str], stop_words: tuple[str, ...] = ()
):
    """Trains a tokenizer; the same texts give the same one, always.

    Args:
        modality: Kind, size and length.
        texts: The texts of the training split, gone through more than once;
            they are never all in memory.
        stop_words: Words that are left out.

    Returns:
        A `tokenizers.Tokenizer` that pads and cuts to `max_tokens`.
    """
    base = functools.partial(
        _base, normalizer(modality, stop_words), splitter()
    )
    if next(iter(texts), None) is None:
        raise ValueError(
            f"The training split must hold a text in `{modality.column}` to "
            "train a tokenizer. Received: none"
        )
    train = _wordpiece if modality.tokenizer == "wordpiece" else _words
    tokenizer = train(modality.vocabulary_size, texts, base)
    tokenizer.enable_truncation(modality.max_tokens)
    tokenizer.enable_padding(
        pad_id=0, pad_token=PADDING, length=modality.max_tokens
    )
    return tokenizer


def _base(normalizer, splitter, model):
    from tokenizers import Tokenizer

    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = splitter
    return tokenizer


def _words(size: int, texts: Iterable[str], base: Callable):
    from tokenizers import models, trainers

    tokenizer = base(models.WordLevel(unk_token=UNKNOWN))
    trainer = trainers.WordLevelTrainer(
        vocab_size=size,
        special_tokens=[PADDING, UNKNOWN],
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return base(models.WordLevel(tokenizer.get_vocab(), unk_token=UNKNOWN))


def _wordpiece(size: int, texts: Iterable[str], base: Callable):
    """Trains WordPiece with an order of its own.

    The library numbers the pieces inside words in the order of a hash map,
    which differs from run to run and decides ties. Given them all as special
    tokens, sorted, it has nothing left to number; the tokenizer is then built
    anew, so that they are no special tokens.
    """
    from tokenizers import models, trainers

    tokenizer = base(models.WordPiece(unk_token=UNKNOWN))
    letters = _letters(tokenizer.normalizer, texts, size)
    singles = Singles()
    trainer = trainers.WordPieceTrainer(
        vocab_size=size,
        special_tokens=[
            PADDING,
            UNKNOWN,
            *(f"##{c}" for c in letters if c not in singles),
        ],
        initial_alphabet=letters,
        limit_alphabet=len(letters),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return base(models.WordPiece(tokenizer.get_vocab(), unk_token=UNKNOWN))


def _letters(normalizer, texts: Iterable[str], vocabulary_size: int) -> list:
    """Returns the commonest characters, sorted.

    Half of the vocabulary is theirs at most, if that covers the texts:
    beyond `COVERAGE`, a word is worth more than a letter that is never seen.
    """
    counts = collections.Counter()
    for text in texts:
        counts.update(normalizer.normalize_str(text))
    found = sorted(
        (c for c in counts if not c.isspace()), key=lambda c: (-counts[c], c)
    )
    wanted = COVERAGE * sum(counts[c] for c in found)
    room, covered, singles = vocabulary_size - 2, 0, Singles()
    used, letters = 0, []
    for char in found:
        # A letter stands at the start of a word, and inside of one.
        used += 1 if char in singles else 2
        if used > (room if covered < wanted else room // 2):
            break
        letters.append(char)
        covered += counts[char]
    return sorted(letters)
