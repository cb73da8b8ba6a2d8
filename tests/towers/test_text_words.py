"""Word vectors of a text file: read, refused, in the embedding, frozen."""

import json

import keras
import numpy as np
import pytest

from mmkeras.towers import read_word_vectors, text_tower, word_matrix

VOCABULARY = {"[PAD]": 0, "[UNK]": 1, "cat": 2, "dog": 3, "café": 4, ".": 5}
GLOVE = "cat 1 2 3\n. . . 9 9 9\ncafé -1 0.5 1e-3\nbird 7 7 7\ncat 8 8 8\n"
FOUND = {"cat": [1, 2, 3], "café": [-1, 0.5, 1e-3]}
IDS = np.array([[2, 4, 3, 0]], "int32")


@pytest.fixture
def files(tmp_path):
    """Writes the vectors and a tokenizer; returns the arguments."""

    def write(text=GLOVE):
        (tmp_path / "words.txt").write_bytes(
            text if isinstance(text, bytes) else text.encode()
        )
        tokenizer = {"model": {"vocab": VOCABULARY}}
        (tmp_path / "tokenizer.json").write_text(json.dumps(tokenizer))
        return {
            "word_vectors": tmp_path / "words.txt",
            "tokenizer": tmp_path / "tokenizer.json",
        }

    return write


@pytest.mark.parametrize(
    "text",
    [
        GLOVE,
        "5 3\n" + GLOVE,  # word2vec's first line
        GLOVE.replace("\n", " \n"),  # fastText's blank at the end
        GLOVE.replace("\n", "\r\n"),
        GLOVE.encode() + b"\xff\xfe 1 2 3\n",
    ],
    ids=["glove", "word2vec", "fasttext", "windows", "no utf-8"],
)
def test_the_words_of_both_are_read(files, text):
    found = read_word_vectors(files(text)["word_vectors"], VOCABULARY)
    assert set(found) == set(FOUND)
    for word, vector in FOUND.items():
        np.testing.assert_array_equal(found[word], np.float32(vector))


@pytest.mark.parametrize(
    "text, said",
    [
        ("cat 1 2\ndog 1\n", "line 2, must hold a word and 2 numbers.*'dog 1'"),
        ("cat 1 2\nbird\n", "line 2, must hold a word and 2 numbers"),
        ("cat 1 2\n\n", "line 2"),
        ("cat 1 two\n", "line 1, must hold numbers after.*'cat 1 two'"),
        ("dog 1 2\ncat nan 2\n", "line 2, must hold finite numbers"),
        ("cat\n", "line 1, must hold a word and some numbers"),
    ],
)
def test_a_broken_line_is_named(files, text, said):
    with pytest.raises(ValueError, match=f"words.txt`, {said}"):
        read_word_vectors(files(text)["word_vectors"], VOCABULARY)


def test_other_words_are_drawn_like_the_known_ones(files):
    arguments = files("cat 10 20 30\ndog 30 20 10\n")
    matrix, found = word_matrix(*arguments.values(), 500)
    assert found == 2 and matrix.shape == (500, 3)
    np.testing.assert_array_equal(matrix[2:4], [[10, 20, 30], [30, 20, 10]])
    assert abs(matrix[4:].std() - matrix[2:4].std()) < 1
    again, _ = word_matrix(*arguments.values(), 500)
    np.testing.assert_array_equal(matrix, again)
    with pytest.raises(ValueError, match="must have words of the tokenizer"):
        word_matrix(*files("bird 1 2\n").values(), 500)


@pytest.mark.parametrize("units", [3, 5])
def test_the_embedding_starts_from_the_vectors(files, units, capsys):
    tower = text_tower(4, 6, variant="bag", units=units, **files())
    assert "has 2 of 6 tokens" in capsys.readouterr().out
    table = tower.get_layer("text_embedding")
    np.testing.assert_array_equal(
        table.embeddings[4], np.float32([-1, 0.5, 1e-3])
    )
    names = [layer.name for layer in tower.layers]
    assert ("text_embedding_units" in names) == (units == 5)
    assert tower(IDS)["vector"].shape == (1, units)


@pytest.mark.parametrize("freeze", [True, False])
def test_freeze_words_keeps_them(files, freeze, tmp_path):
    tower = text_tower(
        4, 6, variant="cnn", units=3, freeze_words=freeze, **files()
    )
    model = keras.Model(
        tower.input, keras.layers.Dense(1)(tower.output["vector"])
    )
    model.compile("sgd", "mse", jit_compile=False)
    table = tower.get_layer("text_embedding")
    before = np.array(table.embeddings)
    model.fit(IDS, np.ones((1, 1)), epochs=2, verbose=0)
    assert (np.array(table.embeddings) == before).all() == freeze
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert len(again.trainable_weights) == len(model.trainable_weights)
