"""Every tower and every fusion ends in files that are the same model."""

import keras
import pytest
from zoo import (
    EPOCHS,
    EXCEPTIONS,
    FUSIONS,
    OPTIONS,
    PAIRS,
    TOWERS,
    UNTRAINED,
)

from mmkeras.checks import (
    DEVICE_FILES,
    EVERY_FILE,
    FUSION_NAME,
    FileKind,
    check_exports,
    paired_classifier,
)

pair_case = pytest.mark.parametrize("pair", PAIRS, ids="+".join)
# What ships; the rest is for `-m slow`.
USUAL = (*DEVICE_FILES, FileKind("onnx", "float32"))


def check(pair, kinds):
    keras.utils.set_random_seed(0)
    tower, fused = pair
    # Some options name a modality.
    name = {"name": FUSION_NAME} if fused in OPTIONS else {}
    model = paired_classifier(TOWERS[tower](**name), FUSIONS[fused]())
    cannot = {*EXCEPTIONS.get(tower, ()), *EXCEPTIONS.get(fused, ())}
    kinds = tuple(kind for kind in kinds if str(kind) not in cannot)
    epochs = EPOCHS.get(tower, 12)
    check_exports(model, kinds, trained=tower not in UNTRAINED, epochs=epochs)


@pytest.mark.filterwarnings("ignore")  # of tf2onnx
@pair_case
def test_a_pair_is_the_same_model_in_what_ships(pair):
    check(pair, USUAL)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of tf2onnx
@pair_case
def test_a_pair_is_the_same_model_in_every_format(pair):
    check(pair, EVERY_FILE)
