"""Texts of a batch: words unknown, left out, moved or replaced, in the graph.

For tokenizers that were trained and for those of pretrained models, whose ids
mean other things.
"""

import json

import numpy as np
import pytest
import tensorflow as tf
from data.data_toys import learn_tokenizer, make_spec

from mmkeras.data import augmenter, settings_of
from mmkeras.kinds import Text
from mmkeras.spec import Learned

BERT = ["[PAD]", "the", "cat", "dog", "[UNK]", "[CLS]", "[SEP]", "king",
        "##s", "queen", "sofa", "runs"]  # fmt: skip
VECTORS = """\
cat 1 0 0.1
dog 1 0.1 0
king 0 1 0
queen 0.1 1 0
sofa 0 0 -1
the -1 -1 0
"""


def spec(**keys):
    table = {"kind": "text", "column": "text", "max_tokens": 12, **keys}
    return make_spec(modalities__text=table)


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    """A spec, and the tokenizer of a BERT of a few words."""
    root = tmp_path_factory.mktemp("root")
    (root / "vocab").write_text("\n".join(BERT))
    found = spec(tokenizer="bert", vocabulary="vocab")
    tokenizer = learn_tokenizer(found.modalities["text"], root=root)
    return found, Learned({}, tokenizer.to_str())


def changed(spec, settings, ids, learned=None, seed=1):
    known = {"text": learned} if learned else None
    change = augmenter(spec, settings_of(spec, {"text": settings}), known)
    return change({"text": tf.constant(ids, tf.int32)}, seed)["text"].numpy()


def rows(count=400, words=8):
    """[CLS], different words of BERT's, [SEP], padding."""
    drawn = np.random.default_rng(0).permuted(
        np.tile([1, 2, 3, 7, 9, 10, 11, 8], (count, 1)), axis=1
    )[:, :words]
    edge = np.ones((count, 1), int)
    padding = np.zeros((count, 10 - words), int)
    return np.concatenate([5 * edge, drawn, 6 * edge, padding], axis=1)


def test_dropout_sets_the_unknown_token_of_the_tokenizer_at_hand(bert):
    ids = rows()
    found = changed(bert[0], {"token_dropout": 0.3}, ids, bert[1])
    lost = found != ids
    assert set(found[lost]) == {4}
    assert 0.25 < lost[:, 1:9].mean() < 0.35
    assert not lost[:, [0, 9, 10, 11]].any()  # marks and padding
    plain = changed(spec(), {"token_dropout": 0.3}, ids)
    assert set(plain[plain != ids]) == {1}


def test_deletion_closes_up_and_leaves_a_word(bert):
    ids = rows()
    found = changed(bert[0], {"deletion": 0.3}, ids, bert[1])
    lengths = (found != 0).sum(axis=1)
    for before, after, length in zip(ids, found, lengths, strict=True):
        assert after[0] == 5 and after[length - 1] == 6
        assert not after[length:].any()
        left = [i for i in before if i in after[1 : length - 1]]
        assert left == after[1 : length - 1].tolist()
    assert 0.25 < 1 - (lengths - 2).mean() / 8 < 0.35
    found = changed(bert[0], {"deletion": 1}, ids, bert[1])
    assert ((found != 0).sum(axis=1) == 3).all()
    assert len(set(found[:, 1])) > 4  # which word is left is drawn
    nothing = np.zeros((4, 12), int)
    assert not changed(bert[0], {"deletion": 1}, nothing, bert[1]).any()


def test_a_swap_moves_words_to_the_place_beside(bert):
    ids = rows(words=7)
    found = changed(bert[0], {"swap": 0.4}, ids, bert[1])
    moved = found != ids
    assert not moved[:, [0, 8, 9, 10, 11]].any()
    assert (np.sort(found, axis=1) == np.sort(ids, axis=1)).all()
    for before, after in zip(ids, found, strict=True):
        place = {token: i for i, token in enumerate(before[1:8])}
        steps = [abs(place[t] - i) for i, t in enumerate(after[1:8])]
        assert max(steps) <= 1
    # Three pairs of seven words, whichever the first one is.
    assert 0.35 < moved[:, 1:8].sum() / (400 * 6) < 0.45
    assert {1, 2} <= set(np.flatnonzero(moved.any(axis=0)))


@pytest.fixture
def vectors(tmp_path):
    path = tmp_path / "vectors.txt"
    path.write_text(VECTORS)
    return str(path)


def test_a_replacement_is_a_neighbour_of_a_whole_word(bert, vectors):
    near = {2: {3}, 3: {2}, 7: {9}, 9: {7}}
    ids = rows()
    settings = {"replacement": 0.5, "word_vectors": vectors}
    found = changed(bert[0], settings, ids, bert[1])
    free = np.isin(ids, list(near))
    free[:, :-1] &= ids[:, 1:] != 8  # "king" of "kings" is none
    assert (found[~free] == ids[~free]).all()
    lost = found != ids
    assert 0.45 < lost[free].mean() < 0.55
    for before, after in zip(ids[lost], found[lost], strict=True):
        assert after in near[before]


def test_neighbours_are_near_and_drawn_from_several(bert, tmp_path):
    path = tmp_path / "v.txt"
    path.write_text("2 3\ncat 1 0.1 0\ndog 1 0 0.1\nking 1 0 0\n")
    table, inside = Text.part("neighbours").neighbour_table(path, bert[1].file)
    assert table.shape == (12, 5) and inside.tolist().index(True) == 8
    assert set(table[2]) == {3, 7} and set(table[10]) == {10}


def test_all_of_it_follows_from_the_seed_eager_or_not(bert, vectors):
    settings = {
        "token_dropout": 0.2, "deletion": 0.2, "swap": 0.3,
        "replacement": 0.3, "word_vectors": vectors,
    }  # fmt: skip
    ids = rows(16)
    first, other, again = (
        changed(bert[0], settings, ids, bert[1], seed=seed)
        for seed in (1, 2, 1)
    )
    assert np.array_equal(first, again) and not np.array_equal(first, other)
    change = augmenter(
        bert[0], settings_of(bert[0], {"text": settings}), {"text": bert[1]}
    )
    batches = tf.data.Dataset.from_tensors({"text": tf.constant(ids, "int32")})
    seeds = tf.data.Dataset.from_tensors(tf.constant(1, "int64"))
    (graph,) = tf.data.Dataset.zip(batches, seeds).map(change)
    assert np.array_equal(graph["text"], first)


@pytest.mark.parametrize(
    "settings, said",
    [
        ({"replacement": 0.1}, "needs `word_vectors`.*None"),
        ({"replacement": 0.1, "word_vectors": 3}, "must be the path of a file"),
        ({"swap": 2}, "`augment.text.swap` must be a number from 0 to 1"),
    ],
)
def test_wrong_settings_are_one_message(bert, settings, said):
    with pytest.raises(ValueError, match=said):
        changed(bert[0], settings, rows(2), bert[1])


def test_a_pretrained_tokenizer_must_be_there(bert):
    with pytest.raises(ValueError, match="need its tokenizer"):
        changed(bert[0], {"swap": 0.1}, rows(2))


def test_vectors_without_neighbours_are_refused(bert, tmp_path):
    (tmp_path / "v.txt").write_text("cat 1 0\nking 0 1\n")
    with pytest.raises(ValueError, match="near each other.*2 of 1"):
        Text.part("neighbours").neighbour_table(
            tmp_path / "v.txt", bert[1].file
        )


def test_byte_pairs_are_words_where_a_blank_is_before_them(tmp_path):
    tokens = ["<pad>", "<s>", "\u0120cat", "cat", "\u0120dog"]
    vocabulary = {token: i for i, token in enumerate(tokens)}
    model = {"type": "BPE", "vocab": vocabulary}
    (tmp_path / "v.txt").write_text("cat 1 0\ndog 1 0.1\n")
    table, inside = Text.part("neighbours").neighbour_table(
        tmp_path / "v.txt", json.dumps({"model": model})
    )
    assert set(table[2]) == {4} and set(table[3]) == {3}
    assert inside.tolist() == [True, True, False, True, False]
