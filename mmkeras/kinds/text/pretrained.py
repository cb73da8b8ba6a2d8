"""Tokenizers of pretrained models, built from the files they come with.

The JSON is that of every other tokenizer here, so a device reads it too. Id 0
is padding; RoBERTa, which pads with 1, has its first two ids swapped, and
`text_tower` swaps them back.
"""

import json
from pathlib import PurePosixPath

from mmkeras.data import BadSample, SampleIO
from mmkeras.kinds.text import Text
from mmkeras.kinds.text.normalization import cleaning

MERGES = "merges.txt"


def pretrained_tokenizer(modality: Text, io: SampleIO):
    """Builds the tokenizer of a BERT or a RoBERTa.

    Args:
        modality: Kind, file of the vocabulary, length.
        io: The files of the data root, which holds it.

    Returns:
        A `tokenizers.Tokenizer` that marks start and end, and pads and cuts
        to `max_tokens`, marks included.

    Raises:
        ValueError: If a file is missing, or no such vocabulary.
    """
    from tokenizers import normalizers

    make = {"bert": _wordpieces, "roberta": _byte_pairs}[modality.tokenizer]
    try:
        tokenizer, padding = make(modality, io)
    # The library raises an Exception for merges that do not fit.
    except Exception as error:
        raise ValueError(
            f"`vocabulary` must be the file of a {modality.tokenizer} inside "
            f"`{io.root}`. Received: {modality.vocabulary!r} ({error})"
        ) from None
    steps = [*cleaning(modality), *_form(modality)]
    if steps:
        own = tokenizer.normalizer
        tokenizer.normalizer = normalizers.Sequence(
            [*steps, *([own] if own is not None else [])]
        )
    tokenizer.enable_truncation(modality.max_tokens)
    tokenizer.enable_padding(
        pad_id=0, pad_token=padding, length=modality.max_tokens
    )
    return tokenizer


def _wordpieces(modality: Text, io: SampleIO):
    """Returns BERT's tokenizer, and its padding: one token a line."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

    accents = modality.strip_accents
    text = _read(io, modality.vocabulary).rstrip("\n")
    lines = [line.rstrip() for line in text.split("\n")]
    vocabulary = {token: i for i, token in enumerate(lines)}
    _check(vocabulary, len(lines), ["[PAD]"], ["[UNK]", "[CLS]", "[SEP]"])
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(
        clean_text=True,
        handle_chinese_chars=True,
        strip_accents=modality.lowercase if accents is None else accents,
        lowercase=modality.lowercase,
    )
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    _mark(tokenizer, "[CLS]", "[SEP]")
    return tokenizer, "[PAD]"


def _byte_pairs(modality: Text, io: SampleIO):
    """Returns RoBERTa's tokenizer, and its padding: a JSON and merges."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    vocabulary = json.loads(_read(io, modality.vocabulary))
    if not isinstance(vocabulary, dict):
        raise ValueError("it holds no JSON object")
    _check(vocabulary, len(vocabulary), ["<s>", "<pad>"], ["</s>", "<unk>"])
    vocabulary |= {"<pad>": 0, "<s>": 1}
    name = str(PurePosixPath(modality.vocabulary).with_name(MERGES))
    merges = []
    for number, line in enumerate(_read(io, name).splitlines(), 1):
        if line.startswith("#version") or not line:
            continue
        if line.count(" ") != 1:
            raise ValueError(f"{name}, line {number}: {line[:60]!r}")
        merges.append(tuple(line.split(" ")))
    tokenizer = Tokenizer(models.BPE(vocabulary, merges, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    # For the words of a report.
    tokenizer.decoder = decoders.ByteLevel()
    _mark(tokenizer, "<s>", "</s>")
    return tokenizer, "<pad>"


def _form(modality: Text) -> list:
    from tokenizers import normalizers

    form = modality.normalization
    return [] if form in (None, "none") else [getattr(normalizers, form)()]


def _mark(tokenizer, start: str, end: str) -> None:
    from tokenizers import processors

    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{start} $A {end}",
        special_tokens=[(t, tokenizer.token_to_id(t)) for t in (start, end)],
    )


def _read(io: SampleIO, name: str) -> str:
    try:
        return io.bytes(name).decode("utf-8-sig")
    except BadSample as error:
        raise ValueError(str(error)) from None


def _check(vocabulary: dict, size: int, first: list, needed: list) -> None:
    """Raises ValueError unless ids are 0 to `size`, and begin with `first`."""
    ids = [i for i in vocabulary.values() if type(i) is int]
    if sorted(ids) != list(range(size)):
        raise ValueError("its tokens must differ, and so must their ids")
    for i, token in enumerate(first):
        if vocabulary.get(token) != i:
            raise ValueError(f"{token!r} must have the id {i}")
    for token in needed:
        if token not in vocabulary:
            raise ValueError(f"{token!r} must be in it")
