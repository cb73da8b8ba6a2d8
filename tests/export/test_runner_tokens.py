"""The runner's own tokenizer gives the ids the model was trained on."""

import csv
import gzip
import random
import unicodedata

import pytest
import tokenizers
from data.data_toys import learn_tokenizer
from export.export_toys import device_code, write_tokenizer

from mmkeras.kinds import Text

load = tokenizers.Tokenizer.from_file
Tokenizer = device_code().load("tokenizer").Tokenizer


def old_letter(char):
    """The library's tables are of an older Unicode than Python's.

    Letters of this one have been the same in both; newer ones may differ.
    """
    return unicodedata.ucd_3_2_0.category(char) not in ("Cn", "Cs", "Co")


def odd_texts():
    rng = random.Random(0)
    letters = [chr(c) for c in range(32, 0x3000) if old_letter(chr(c))]
    drawn = ["".join(rng.choices(letters, k=30)) for _ in range(300)]
    return [
        "", " ", "\t\n", "don't STOP -- it's (very) good!!!", "a" * 101,
        "Cr\u00e8me br\u00fbl\u00e9e, na\u00efve fa\u00e7ade",
        "\u03a3\u039f\u03a6\u039f\u03a3", "\u0130stanbul",
        "\U0001f600\ufe0f film", "x\u00a0y\u2028z\u3000w\x1cv\x85u",
        "[PAD] [UNK] ##ing", "\u4e00\u4e8c\u3002\u4e09",
        "\u0939\u093f\u0928\u094d\u0926\u0940", "e\u0301\u0301\u0301",
        "\ufb01lm", "$5 + 3 = `8`",
        *drawn,
    ]  # fmt: skip


@pytest.mark.parametrize("kind", ["wordpiece", "word"])
@pytest.mark.parametrize("lowercase", [True, False])
def test_token_ids_equal_those_of_training(tmp_path, shared, kind, lowercase):
    with gzip.open(shared / "imdb" / "train.csv.gz", "rt", "utf-8") as file:
        reviews = [row[-1] for row in csv.reader(file)][1:3001:2]
    spec = Text(kind="text", column="c", max_tokens=300, tokenizer=kind,
                vocabulary_size=2000, lowercase=lowercase)  # fmt: skip
    library = learn_tokenizer(spec, reviews[:500])
    path = tmp_path / "tokenizer.json"
    library.save(str(path))
    ours = Tokenizer(path)
    library.no_padding()
    texts = [*reviews, *odd_texts()]
    for text, encoded in zip(texts, library.encode_batch(texts), strict=True):
        assert ours(text)[:300] == encoded.ids, text


@pytest.mark.parametrize("lowercase", [True, False])
def test_token_ids_of_odd_texts(tmp_path, lowercase):
    path = tmp_path / "tokenizer.json"
    write_tokenizer(path, lowercase)
    ours, library = Tokenizer(path), load(str(path))
    for text in odd_texts():
        assert ours(text) == library.encode(text).ids, text


def test_every_character_of_unicode_3_splits_alike(tmp_path):
    path = tmp_path / "tokenizer.json"
    write_tokenizer(path)
    ours, library = Tokenizer(path), load(str(path))
    texts = [
        f"a{chr(c)}b"
        for c in range(1, 0x110000)
        if old_letter(chr(c))
        and not 0xAC00 <= c < 0xD7A4  # Hangul: eleven thousand of one kind
        and not 0x3400 <= c < 0x9FFF
        and not 0x20000 <= c < 0x2FA00
    ]
    encoded = library.encode_batch(texts)
    wrong = [
        ascii(text)
        for text, one in zip(texts, encoded, strict=True)
        if ours(text) != one.ids
    ]
    assert len(texts) > 10_000 and not wrong


def test_a_tokenizer_of_another_make_is_refused(tmp_path):
    path = tmp_path / "tokenizer.json"
    write_tokenizer(path)
    path.write_text(path.read_text().replace("Punctuation", "ByteLevel"))
    with pytest.raises(ValueError, match="tokenizer.json.*ByteLevel"):
        Tokenizer(path)
