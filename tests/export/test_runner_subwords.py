"""The runner tokenizes as BERT and RoBERTa do, and reads rows of a table."""

import json
import random
import types

import numpy as np
import pytest
from data.data_toys import learn_tokenizer
from export.export_toys import reader
from export.test_runner_tokens import (
    SCRIPTS,
    Tokenizer,
    odd_texts,
    old_letter,
)

from mmkeras.export import bundle
from mmkeras.kinds import Text, Vector
from mmkeras.spec import DataSpec

WORDS = "the good film wasn't bad, it's 12 café 中 naïve!".split()


@pytest.fixture(scope="module")
def vocabularies(tmp_path_factory):
    from tokenizers import ByteLevelBPETokenizer

    folder = tmp_path_factory.mktemp("vocabularies")
    rng = random.Random(0)
    texts = [" ".join(rng.choices(WORDS, k=9)) for _ in range(60)]
    plain = Text(kind="text", column="x", max_tokens=8, vocabulary_size=200)
    trained = sorted(set(learn_tokenizer(plain, texts).get_vocab()))
    marks = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    pieces = [*marks, *(t for t in trained if t not in marks)]
    (folder / "bert").write_text("\n".join(pieces))
    pairs = ByteLevelBPETokenizer()
    pairs.train_from_iterator(
        texts, 330, special_tokens=["<s>", "<pad>", "</s>", "<unk>"],
        show_progress=False,
    )  # fmt: skip
    pairs.save_model(str(folder))
    (folder / "vocab.json").rename(folder / "roberta")
    return folder


CLEANED = {"strip_markup": True, "strip_links": True, "normalization": "NFKC"}


@pytest.mark.parametrize(
    "kind, keys",
    [
        ("bert", {}),
        ("bert", {"lowercase": False}),
        ("bert", {"strip_accents": False, **CLEANED}),
        ("roberta", {}),
        ("roberta", CLEANED),
    ],
)
def test_ids_equal_those_of_training(vocabularies, tmp_path, kind, keys):
    spec = Text(kind="text", column="c", max_tokens=40, tokenizer=kind,
                vocabulary=kind, **keys)  # fmt: skip
    library = learn_tokenizer(spec, root=vocabularies)
    library.save(str(tmp_path / "t.json"))
    ours = Tokenizer(tmp_path / "t.json")
    library.no_padding()
    rng = random.Random(1)
    words = [*WORDS, "The", "I'd've", "  ", "2026's", "\U0001f600", "''re"]
    texts = [" ".join(rng.choices(words, k=12)) for _ in range(200)]
    for text in [*texts, *odd_texts(), *SCRIPTS]:
        assert ours(text, 40) == library.encode(text).ids, text


@pytest.mark.parametrize("kind", ["bert", "roberta"])
def test_every_character_of_unicode_3_splits_alike(
    vocabularies, tmp_path, kind
):
    spec = Text(kind="text", column="c", max_tokens=40, tokenizer=kind,
                vocabulary=kind)  # fmt: skip
    library = learn_tokenizer(spec, root=vocabularies)
    library.save(str(tmp_path / "t.json"))
    ours = Tokenizer(tmp_path / "t.json")
    library.no_padding()
    # What Unicode calls these three has changed since the library was made.
    letters = [
        chr(c)
        for c in range(1, 0x10000)
        if old_letter(chr(c)) and chr(c) not in "\u1734\u1885\u1886"
    ]
    texts = [f"the{c}film {c}" for c in letters if not "\uac00" <= c < "\ud7a4"]
    texts = texts[:: 5 if kind == "roberta" else 1]
    found = library.encode_batch(texts)
    wrong = [ascii(t) for t, one in zip(texts, found, strict=True)
             if ours(t) != one.ids]  # fmt: skip
    assert len(texts) > 5000 and not wrong


ENTRY = {
    "kind": "vector", "shape": [4], "dtype": "float32", "optional": False,
    "columns": ["age", "mass"], "categorical": ["town", "job"],
    "categories": "categories_table.json",
}  # fmt: skip


@pytest.fixture
def table(tmp_path):
    """What the reader of rows is told of a table, by `Runner` too."""
    known = {"town": ["Rome", "Oslo, Norway"], "job": ["cook"]}
    (tmp_path / "categories_table.json").write_text(json.dumps(known))
    return {**ENTRY, "name": "table", "folder": tmp_path}


@pytest.mark.parametrize(
    "value, expected",
    [
        ("41,70.5,Rome,cook", [41, 70.5, 2, 2]),
        (' , nan ,"Oslo, Norway", cook', [np.nan, np.nan, 3, 2]),
        ("-1e3,0,Paris,", [-1000, 0, 1, 0]),
    ],
)
def test_a_row_is_read_as_at_ingest(table, value, expected):
    found = reader(Vector).read(value, table)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, np.float32(expected))
    reader(Vector).check(found, table)


@pytest.mark.parametrize(
    "value, message",
    [
        ("old,1,Rome,cook", "`--table` must be numbers with commas.*old"),
        ("1,2,Rome", r"of \['age', 'mass', 'town', 'job'\].*shape \[3\]"),
        ("1,2,Rome,cook,5", r"shape \[4\].*shape \[5\]"),
        (",,,", "leave it out if there is none"),
        ("", r"shape \[0\]"),
    ],
)
def test_a_wrong_row_is_refused(table, value, message):
    with pytest.raises(ValueError, match=message):
        reader(Vector).read(value, table)


def test_a_bundle_holds_what_the_runner_needs(tmp_path):
    words = {"kind": "text", "column": "w", "max_tokens": 8,
             "tokenizer": "bert", "vocabulary": "v"}  # fmt: skip
    keys = ("columns", "categorical")
    row = {"kind": "vector", **{key: ENTRY[key] for key in keys}}
    spec = DataSpec.from_dict(
        {
            "name": "people",
            "modalities": {"table": row, "words": words},
            "targets": {"size": {"kind": "number", "column": "s"}},
        }
    )
    (tmp_path / "t.json").write_text('{"model": {"vocab": {"a": 0}}}')
    known = {"town": ["Rome"], "job": []}
    data = types.SimpleNamespace(
        spec=spec,
        statistics={"modalities": {"table": {"categories": known}}},
        tokenizer_path=lambda name: tmp_path / "t.json",
    )
    (tmp_path / "bundle").mkdir()
    shipped = {"tflite": tmp_path / "t.json"}
    bundle.fill(tmp_path / "bundle", spec, data, shipped, {})
    manifest = bundle.seal(tmp_path / "bundle", spec, shipped, "none")
    assert {"subwords.py", "categories_table.json"} <= set(manifest["files"])
    entry = manifest["inputs"]["table"]
    assert (
        entry | {"shape": [4], "categories": "categories_table.json"} == entry
    )
    assert entry["categorical"] == ["town", "job"]
    text = (tmp_path / "bundle" / "categories_table.json").read_text()
    missing = list(spec.data.missing_tokens)
    assert json.loads(text) == {**known, "": missing} and "NA" in missing


def test_infinity_is_refused(table):
    with pytest.raises(ValueError, match="`table` must be finite"):
        reader(Vector).check(np.float32([1, np.inf, 2, 2]), table)
