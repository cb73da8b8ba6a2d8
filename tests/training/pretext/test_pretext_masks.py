"""Which token hides another: that of the vocabulary, whoever made it."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf
import zoo
from pretext_toys import over

from mmkeras.kinds import Text
from mmkeras.spec import Learned
from mmkeras.training import ComponentPretrain
from mmkeras.training.pretext import pretext_model

# Ids 1 of both are no unknown token.
WORDS = [f"w{i}" for i in range(20)]
BERT = ["[PAD]", "a", *WORDS, "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
ROBERTA = ["<pad>", "<s>", *WORDS, "</s>", "<unk>", "<mask>"]
TRAINED = ["[PAD]", "[UNK]", "[MASK]", *WORDS]


def tokenizer(tokens, unknown, marks=(), without=()):
    """The JSON of a tokenizer."""
    vocab = {token: i for i, token in enumerate(tokens) if token not in without}
    table = {"model": {"vocab": vocab, "unk_token": unknown}}
    if marks:
        special = {m: {"id": m, "ids": [vocab[m]]} for m in marks}
        table["post_processor"] = {"special_tokens": special}
    return Learned({"vocabulary_size": len(tokens)}, json.dumps(table))


BERT_MARKS = {"unknown": "[UNK]", "marks": ("[CLS]", "[SEP]")}
ROBERTA_MARKS = {"unknown": "<unk>", "marks": ("<s>", "</s>")}
FOUND = [
    (tokenizer(BERT, **BERT_MARKS), 25),
    (tokenizer(ROBERTA, **ROBERTA_MARKS), 24),
    # A word that texts have is no mask.
    (tokenizer(TRAINED, "[UNK]"), 1),
    (None, 1),
]


def mask_of(objective, learned, **options):
    tower = zoo.TOWERS["text-gru-one-way"]()
    model = pretext_model(
        over(tower, "text"), "text", objective, learned=learned, **options
    )
    layer = "views" if objective == "contrastive" else "hide"
    return model.get_layer(layer).mask_id


@pytest.mark.parametrize(
    ("objective", "options", "own"),
    [
        ("masked", {}, {"mask_id": 7}),
        ("autoencode", {"hidden": 0.2}, {"mask_id": 7}),
        ("contrastive", {}, {"views": {"mask_id": 7}}),
    ],
)
def test_the_mask_token_of_the_vocabulary_hides(objective, options, own):
    for learned, wanted in FOUND:
        assert mask_of(objective, learned, **options) == wanted
        assert mask_of(objective, learned, **{**options, **own}) == 7


def test_without_a_mask_token_the_unknown_one_hides_and_that_is_said():
    learned = tokenizer(BERT, **BERT_MARKS, without=("[MASK]",))
    with pytest.warns(UserWarning, match="unknown token, id 22, hides"):
        assert mask_of("masked", learned) == 22


def test_a_vocabulary_that_has_neither_is_refused():
    learned = tokenizer(BERT, None, BERT_MARKS["marks"], ("[MASK]",))
    with pytest.raises(ValueError, match="a mask token or an unknown token"):
        mask_of("masked", learned)


def test_a_training_asks_its_data():
    tower = zoo.TOWERS["text-gru-one-way"]()
    words = {"column": "t", "tokenizer": "bert", "vocabulary": "v.txt"}
    text = Text(kind="text", max_tokens=8, **words)
    spec = SimpleNamespace(modalities={"text": text}, optional=())
    ids = np.ones((4, tower.inputs[0].shape[1]), "int32")
    train = tf.data.Dataset.from_tensors(({"text": ids}, {}))
    data = SimpleNamespace(
        spec=spec, train=train, validation=None, learned={"text": FOUND[0][0]}
    )
    strategy = ComponentPretrain(pretrain="masked", cache=False)
    stage = next(iter(strategy.stages(over(tower, "text"), data, {})))
    assert stage.model.get_layer("hide").mask_id == 25
