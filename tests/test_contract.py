"""One contract, run on every tower and every fusion."""

import keras
import pytest
from contract import (
    check_absent_has_no_influence,
    check_batch_of_one_equals_the_batch,
    check_export,
    check_gradient_reaches_every_weight,
    check_outputs,
    check_saved_and_loaded_is_equal,
    classifier,
    fused_classifier,
    paired_classifier,
)

from mmkeras import fusion, towers


def image(**arguments):
    return towers.image_tower(16, 16, 3, units=16, **arguments)


def audio(**arguments):
    return towers.audio_tower(2000, 4000, units=16, mel_bands=16, **arguments)


def text(**arguments):
    return towers.text_tower(8, 24, units=16, **arguments)


TOWERS = {
    "image-cnn": lambda: image(filters=4, depth=2),
    "image-resnet18": lambda: image(variant="resnet18"),
    "audio-cnn": lambda: audio(width=8, depth=2),
    "audio-gru": lambda: audio(variant="gru", width=8),
    "text-transformer": lambda: text(),
    "text-transformer-phrases": lambda: text(phrase=3, stride=2),
    "text-gru": lambda: text(variant="gru"),
    "text-gru-one-way": lambda: text(variant="gru", bidirectional=False),
    "vector": lambda: towers.vector_tower(
        5, units=16, mean=[1.0] * 5, variance=[4.0] * 5
    ),
}
FUSIONS = {
    "concat": lambda: fusion.Concat(16, dropout=0.1),
    "gated": lambda: fusion.Gated(16),
    "cross_attention": lambda: fusion.CrossAttention(16),
}
# Eleven million weights: minutes to train, even on a toy problem.
UNTRAINED = {"image-resnet18"}
PAIRS = [(tower, fused) for tower in TOWERS for fused in FUSIONS]
# Each tower once, each fusion in turn; the rest is for `-m slow`.
FAST = set(zip(TOWERS, list(FUSIONS) * len(TOWERS)))
tower_case = pytest.mark.parametrize("tower", TOWERS, indirect=True)
fusion_case = pytest.mark.parametrize("fused", FUSIONS, indirect=True)
pair_case = pytest.mark.parametrize(
    "names",
    [
        pytest.param(pair, marks=() if pair in FAST else pytest.mark.slow)
        for pair in PAIRS
    ],
    ids="+".join,
)


# Building and training a part once for all its clauses saves minutes.
@pytest.fixture(scope="module")
def tower(request):
    keras.utils.set_random_seed(0)
    return TOWERS[request.param]()


@pytest.fixture(scope="module")
def fused(request):
    keras.utils.set_random_seed(0)
    return fused_classifier(FUSIONS[request.param]())


@tower_case
def test_a_tower_keeps_the_contract(tower, tmp_path):
    check_outputs(tower)
    model = classifier(tower)
    check_batch_of_one_equals_the_batch(model)
    check_gradient_reaches_every_weight(model)
    check_saved_and_loaded_is_equal(model, tmp_path)


@fusion_case
def test_a_fusion_keeps_the_contract(fused, tmp_path):
    check_batch_of_one_equals_the_batch(fused)
    check_gradient_reaches_every_weight(fused)
    check_saved_and_loaded_is_equal(fused, tmp_path)
    check_absent_has_no_influence(fused)


@pytest.mark.filterwarnings("ignore")  # of tf2onnx
@pair_case
def test_every_pair_is_the_same_model_in_every_format(names, tmp_path):
    keras.utils.set_random_seed(0)
    model = paired_classifier(TOWERS[names[0]](), FUSIONS[names[1]]())
    check_export(model, tmp_path, trained=names[0] not in UNTRAINED)


def test_the_fast_pairs_have_every_tower_and_every_fusion():
    assert {tower for tower, _ in FAST} == set(TOWERS)
    assert {fused for _, fused in FAST} == set(FUSIONS)
