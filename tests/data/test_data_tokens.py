"""Tokenizers: the same everywhere, bounded, and blind to the test split."""

import subprocess
import sys

import numpy as np
import pytest
from data.data_toys import learn_tokenizer

from mmkeras.data import SampleIO, encode_texts
from mmkeras.kinds import Text

WORDS = (
    "the quick brown fox jumps over a lazy dog café ☃ naïve 12 don't".split()
)
TEXTS = [" ".join(np.random.default_rng(i).choice(WORDS, 9)) for i in range(80)]


def spec(**values) -> Text:
    size = {"max_tokens": 8, "vocabulary_size": 60}
    return Text(kind="text", column="x", **{**size, **values})


@pytest.mark.parametrize("kind", ["wordpiece", "word"])
def test_another_process_trains_the_same_tokenizer(kind):
    # The library's own order follows a hash seeded anew in each process.
    here = learn_tokenizer(spec(tokenizer=kind), TEXTS).to_str()
    code = (
        "from mmkeras.kinds import Text\n"
        f"spec = Text(**{spec(tokenizer=kind).model_dump()!r})\n"
        f"found = spec.learn({{'x': {TEXTS!r}}}, None)\n"
        "print(ascii(spec.open_learned(found).to_str()), end='')"
    )
    for _ in range(3):
        there = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True
        )
        assert there.stdout == ascii(here), there.stderr


@pytest.mark.parametrize("kind", ["wordpiece", "word"])
@pytest.mark.parametrize("size", [16, 40, 500])
def test_the_vocabulary_keeps_its_bound(kind, size):
    tokenizer = learn_tokenizer(
        spec(tokenizer=kind, vocabulary_size=size), TEXTS
    )
    assert tokenizer.get_vocab_size() <= size
    assert tokenizer.id_to_token(0) == "[PAD]"
    assert tokenizer.id_to_token(1) == "[UNK]"


def test_texts_are_cut_and_padded():
    tokenizer = learn_tokenizer(spec(tokenizer="word"), TEXTS)
    short, long = (tokenizer.encode(t).ids for t in ("the fox", "dog " * 20))
    assert short[2:] == [0] * 6 and min(short[:2]) > 1
    assert len(long) == 8 and min(long) > 1


@pytest.mark.parametrize(
    "keys, same, apart",
    [
        ({}, ["CAFÉ café", "e\u0301 é"], ["café cafe", "й и"]),
        ({"lowercase": False}, ["e\u0301 é"], ["CAFÉ café", "café cafe"]),
        ({"strip_accents": True}, ["CAFÉ cafe", "й и", "ñ n"], ["か が"]),
        (
            {"strip_accents": True, "lowercase": False},
            ["café cafe", "Й И"],
            ["й Й", "कि की", "ก่ ก้", "كَتَبَ كتب"],
        ),
        ({"normalization": "NFKC"}, ["ＡＢ ab", "ﬁ fi", "™ tm"], ["é e"]),
        ({"normalization": "none"}, ["É é"], ["e\u0301 é", "ﬁ fi"]),
    ],
)
def test_case_accents_and_spellings_are_keys_of_their_own(keys, same, apart):
    learned = learn_tokenizer(
        spec(vocabulary_size=500, **keys), [*same, *apart]
    )
    ids = [
        [learned.encode(word).ids for word in pair.split()]
        for pair in (*same, *apart)
    ]
    assert all(1 not in row for pair in ids for row in pair)
    equal = [first == second for first, second in ids]
    assert equal == [True] * len(same) + [False] * len(apart)


def test_a_text_cannot_write_padding():
    tokenizer = learn_tokenizer(spec(), TEXTS)
    assert 0 not in tokenizer.encode("a [PAD] dog").ids[:3]


def test_the_saved_file_encodes_alike(tmp_path):
    learned = spec().learn({"x": TEXTS}, SampleIO("."))
    tokenizer = spec().open_learned(learned)
    (tmp_path / "t.json").write_text(learned.file, encoding="utf-8")
    ids = encode_texts(tmp_path / "t.json", TEXTS[:3])
    assert ids.dtype == np.int32 and ids.shape == (3, 8)
    assert ids.tolist() == [tokenizer.encode(t).ids for t in TEXTS[:3]]


def test_no_text_is_an_error():
    with pytest.raises(ValueError, match="must hold a text in `x`"):
        learn_tokenizer(spec(), [])
