"""Fault 3: what a resume reads is torn, cut or missing.

The generation before is used, one warning names both folders, and the weights
still become the same bits.
"""

import shutil
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "training"))


def tear(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


DAMAGES = {
    "cut manifest": lambda folder: tear(folder / "manifest.json"),
    "no manifest": lambda folder: (folder / "manifest.json").unlink(),
    "cut state": lambda folder: tear(folder / "state.npz"),
    "no state": lambda folder: (folder / "state.npz").unlink(),
    "cut model": lambda folder: tear(folder / "model.keras"),
}


def fit(out, epochs=4, resume=False):
    from training_toys import HEADS, toy_data, toy_model

    from mmkeras.training import FullFineTune

    model = toy_model(seed=1)
    strategy = FullFineTune(
        epochs=epochs, tensorboard=False, checkpoint_share=1.0
    )
    strategy.fit(model, toy_data(), HEADS, out=out, verbose=0, resume=resume)
    return model


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    out = tmp_path_factory.mktemp("torn") / "run"
    return out, fit(out).get_weights()


@pytest.mark.parametrize("name", DAMAGES)
def test_the_generation_before_is_used(name, trained, tmp_path):
    out, weights = trained
    copy = tmp_path / "run"
    shutil.copytree(out, copy)
    newest = copy / "checkpoints" / "epoch-0004"
    DAMAGES[name](newest)
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        model = fit(copy, resume=True)
    told = [str(w.message) for w in found if "is used, since" in str(w.message)]
    # A folder without a manifest is a save that was killed, and no damage.
    assert len(told) == (name != "no manifest")
    for line in told:
        assert "epoch-0003" in line and "epoch-0004" in line
    for one, other in zip(weights, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
