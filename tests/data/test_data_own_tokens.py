"""Tokenizers of pretrained models give the ids of keras_hub's own."""

import json

import numpy as np
import pytest
from data.data_toys import learn_tokenizer, read_cell

from mmkeras.data import BadSample, encode_texts
from mmkeras.kinds import Text

TEXTS = [
    "The quick brown fox jumps over the lazy dog.",
    "I'm sure they've won; it's 2026, isn't it?  (Yes!)",
    "Crème brûlée, naïve façade: $5.00 + 3% = `x`",
    "unbelievably  supercalifragilistic\tnew\nlines",
    "日本 and 中文 beside words, \U0001f600 too",
    "[CLS] it's not a mark [SEP] <s> nor this </s> <pad>",
    "a" * 101,
    " leading and trailing ",
]
MARKS = {"bert": ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"],
         "roberta": ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]}  # fmt: skip


def spec(kind, **values) -> Text:
    size = {"max_tokens": 64, "vocabulary": f"{kind}/vocab"}
    return Text(kind="text", column="x", tokenizer=kind, **{**size, **values})


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A vocabulary of each, as models come with them."""
    from tokenizers import ByteLevelBPETokenizer

    folder = tmp_path_factory.mktemp("root")
    plain = Text(kind="text", column="x", max_tokens=8, vocabulary_size=300)
    trained = learn_tokenizer(plain, TEXTS * 3).get_vocab()
    pieces = [t for t in sorted(trained) if t not in MARKS["bert"]]
    (folder / "bert").mkdir()
    (folder / "bert" / "vocab").write_text(
        "\n".join(MARKS["bert"] + pieces) + "\n"
    )
    pairs = ByteLevelBPETokenizer()
    pairs.train_from_iterator(
        TEXTS * 3, 400, special_tokens=MARKS["roberta"], show_progress=False
    )
    (folder / "roberta").mkdir()
    pairs.save_model(str(folder / "roberta"))
    vocabulary = folder / "roberta" / "vocab.json"
    vocabulary.rename(folder / "roberta" / "vocab")
    return folder


def hub_tokenizer(kind, root, lowercase=True):
    from keras_hub import tokenizers

    if kind == "bert":
        names = (root / "bert" / "vocab").read_text().splitlines()
        return tokenizers.BertTokenizer(
            names, lowercase=lowercase, strip_accents=lowercase
        )
    folder = root / "roberta"
    merges = (folder / "merges.txt").read_text().splitlines()[1:]
    return tokenizers.RobertaTokenizer(
        json.loads((folder / "vocab").read_text()), merges
    )


def hub_ids(kind, root, lowercase, text):
    """What keras_hub gives a backbone, but for the padding."""
    ids = np.asarray(hub_tokenizer(kind, root, lowercase)(text)).tolist()
    return [2, *ids, 3] if kind == "bert" else [0, *ids, 2]


@pytest.mark.parametrize("kind, suffix", [("bert", "txt"), ("roberta", "json")])
def test_the_files_of_a_preset_serve_as_they_are(root, tmp_path, kind, suffix):
    hub_tokenizer(kind, root).save_to_preset(str(tmp_path / "preset"))
    name = f"preset/assets/tokenizer/vocabulary.{suffix}"
    made = learn_tokenizer(spec(kind, vocabulary=name), root=tmp_path)
    wanted = learn_tokenizer(spec(kind), root=root)
    assert made.to_str() == wanted.to_str()


CASES = [("bert", True), ("bert", False), ("roberta", True)]
CASES = [
    (kind, lowercase, text)
    for kind, lowercase in CASES
    for text in range(len(TEXTS))
    # keras_hub's RoBERTa takes `<s>` in a text for a mark.
    if kind == "bert" or "<s>" not in TEXTS[text]
]


@pytest.mark.parametrize("kind, lowercase, text", CASES)
def test_ids_are_those_of_keras_hub(root, kind, lowercase, text):
    made = learn_tokenizer(
        spec(kind, lowercase=lowercase, max_tokens=256), root=root
    )
    found = np.array(made.encode(TEXTS[text]).ids)
    wanted = np.array(hub_ids(kind, root, lowercase, TEXTS[text]))
    if kind == "roberta":
        # As `text_tower` does it.
        found = np.where(found < 2, 1 - found, found)
        wanted = np.pad(wanted, (0, 256 - len(wanted)), constant_values=1)
    else:
        wanted = np.pad(wanted, (0, 256 - len(wanted)))
    np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("kind, marks", [("bert", [2, 3]), ("roberta", [1, 2])])
def test_a_text_is_cut_between_its_marks_and_cannot_write_them(
    root, kind, marks
):
    made = learn_tokenizer(spec(kind, max_tokens=8), root=root)
    long = made.encode(" ".join(TEXTS)).ids
    assert len(long) == 8 and [long[0], long[-1]] == marks and 0 not in long
    inside = made.encode(f"{TEXTS[5]}").ids[1:-1]
    assert not set(inside) & {0, *marks}


def test_the_saved_file_is_the_tokenizer(root, tmp_path):
    for kind in MARKS:
        made = learn_tokenizer(spec(kind), root=root)
        made.save(str(tmp_path / "t.json"))
        found = encode_texts(tmp_path / "t.json", TEXTS)
        assert found.tolist() == [made.encode(text).ids for text in TEXTS]


@pytest.mark.parametrize("kind", MARKS)
def test_a_text_without_a_token_is_empty(root, kind):
    modality = spec(kind, max_tokens=8)
    made = learn_tokenizer(modality, root=root)
    ids = read_cell(modality, root, "the fox", learned=made)
    assert ids.dtype == np.int32 and ids.shape == (8,) and ids.any()
    if kind == "bert":  # every byte is a token of RoBERTa's
        with pytest.raises(BadSample, match="no token"):
            read_cell(modality, root, "\u0301", learned=made)


@pytest.mark.parametrize(
    "kind, content, said",
    [
        ("bert", None, "not_found"),
        ("bert", b"\xff\xfe", "utf-8"),
        ("bert", b"[UNK]\n[PAD]\n[CLS]\n[SEP]", "'.PAD.' must have the id 0"),
        ("bert", b"[PAD]\n[UNK]\n[CLS]\n", "'.SEP.' must be in it"),
        ("bert", b"[PAD]\n[UNK]\n[CLS]\n[SEP]\na\na", "tokens must differ"),
        ("roberta", b"[1]", "no JSON object"),
        ("roberta", b"not json", "Expecting value"),
        ("roberta", b'{"<s>": 0, "<pad>": 3}', "so must their ids"),
        ("roberta", b'{"<pad>": 0, "<s>": 1}', "'<s>' must have the id 0"),
    ],
)
def test_a_wrong_vocabulary_is_refused(tmp_path, kind, content, said):
    if content is not None:
        (tmp_path / "v").write_bytes(content)
    with pytest.raises(ValueError, match=f"`vocabulary` must be.*{said}"):
        learn_tokenizer(spec(kind, vocabulary="v"), root=tmp_path)


@pytest.mark.parametrize(
    "merges, said", [("a b c\n", "line 1"), ("x y\n", "x")]
)
def test_wrong_merges_are_refused(tmp_path, merges, said):
    names = ["<s>", "<pad>", "</s>", "<unk>", "a", "b"]
    table = {name: i for i, name in enumerate(names)}
    (tmp_path / "v").write_text(json.dumps(table))
    (tmp_path / "merges.txt").write_text(merges)
    with pytest.raises(ValueError, match=f"must be.*roberta.*{said}"):
        learn_tokenizer(spec("roberta", vocabulary="v"), root=tmp_path)
