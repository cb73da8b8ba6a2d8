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

from mmkeras import artefact
from mmkeras.training import latest_checkpoint
from mmkeras.training.stages import find_checkpoint

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


def resumed(out):
    """The model of a training that goes on, and the warnings."""
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        model = fit(out, resume=True)
    return model, [str(one.message) for one in found]


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
    model, told = resumed(copy)
    told = [line for line in told if "is used, since" in line]
    # A folder without a manifest is a save that was killed, and no damage.
    assert len(told) == (name != "no manifest")
    for line in told:
        assert "epoch-0003" in line and "epoch-0004" in line
    for one, other in zip(weights, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def drop_state(folder):
    """The manifest no longer lists what it resumes from; its hash is right."""
    manifest = artefact.read_manifest(folder)
    del manifest["files"]["state.npz"]
    artefact.write_hashed(folder / "manifest.json", manifest)


def edited(**changes):
    def edit(folder):
        manifest = artefact.read_manifest(folder)
        manifest["progress"] |= changes
        artefact.write_hashed(folder / "manifest.json", manifest)

    return edit


def nested(folder):
    (folder / "manifest.json").write_text("[" * 100_000)


FORGED = {
    "rows null": (edited(rows=None), "`progress.rows`"),
    "share odd": (edited(share={"x": 1}), "`progress.share.x`"),
    "nested": (nested, "64 levels"),
}


@pytest.mark.parametrize("name", FORGED)
def test_what_is_valid_json_and_still_wrong_is_passed_over(
    name, trained, tmp_path
):
    copy = shutil.copytree(trained[0], tmp_path / "run")
    damage, message = FORGED[name]
    damage(copy / "checkpoints" / "epoch-0004")
    model, told = resumed(copy)
    (line,) = [line for line in told if "is used, since" in line]
    assert "epoch-0003" in line and "epoch-0004" in line and message in line
    for one, other in zip(trained[1], model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_state_that_the_manifest_does_not_list_is_not_read(trained, tmp_path):
    copy = shutil.copytree(trained[0], tmp_path / "run")
    newest = copy / "checkpoints" / "epoch-0004"
    wanted = artefact.read_manifest(newest)["fingerprint"]
    drop_state(newest)
    with pytest.warns(UserWarning, match="must list `state.npz`"):
        assert find_checkpoint(copy, wanted)["stage_epochs"] == 3


def test_where_none_is_whole_nothing_is_removed_unless_asked_for(
    trained, tmp_path
):
    copy = shutil.copytree(trained[0], tmp_path / "run")
    for number in (3, 4):
        tear(copy / "checkpoints" / f"epoch-000{number}" / "state.npz")
    before = sorted(path for path in copy.rglob("*"))
    with pytest.raises(ValueError, match="(?s)epoch-0004.*epoch-0003.*stay"):
        fit(copy, resume=True)
    assert sorted(path for path in copy.rglob("*")) == before
    with pytest.warns(UserWarning, match="(?s)no whole.*epoch-0004.*epoch-00"):
        assert latest_checkpoint(copy / "checkpoints") is None
    assert fit(copy, epochs=1, resume=False)


def test_a_file_of_a_checkpoints_name_stays(trained, tmp_path):
    copy = shutil.copytree(trained[0], tmp_path / "run")
    newest = copy / "checkpoints" / "epoch-0004"
    shutil.rmtree(newest)
    newest.write_text("theirs")
    model, told = resumed(copy)
    assert newest.read_text() == "theirs"
    (line,) = [line for line in told if "no checkpoint of ours" in line]
    assert str(newest) in line
    for one, other in zip(trained[1], model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_damaged_stage_is_named(tmp_path):
    """What it left is no longer known, and only said to be made anew."""
    from training_toys import HEADS, toy_data, toy_model

    from mmkeras.training import ComponentPretrain

    def train(resume):
        strategy = ComponentPretrain(
            tower_epochs=1, fusion_epochs=1, epochs=1, tensorboard=False,
            checkpoint_share=1.0,
        )  # fmt: skip
        strategy.fit(toy_model(seed=1), toy_data(), HEADS, out=tmp_path,
                     verbose=0, resume=resume)  # fmt: skip

    train(False)
    (first,) = tmp_path.glob("stages/1-*")
    tear(first / "manifest.json")
    before = sorted(path for path in tmp_path.rglob("*"))
    with pytest.raises(ValueError, match=f"{first.name}/manifest.json.*--rest"):
        train(True)
    assert sorted(path for path in tmp_path.rglob("*")) == before
