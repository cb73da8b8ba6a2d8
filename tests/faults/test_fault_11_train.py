"""Fault 11: a training needs no more room than it asks for at its start."""

import collections
import shutil

import pytest
from training.training_toys import (
    HEADS,
    running_eagerly,
    toy_data,
    toy_model,
)

from mmkeras.training import ComponentPretrain, FullFineTune, save_run

KEPT = {"tensorboard": False, "checkpoint_share": 1.0}
STRATEGIES = {
    "full": FullFineTune(epochs=4, **KEPT),
    "averaged": FullFineTune(epochs=4, ema_momentum=0.9, **KEPT),
    "component": ComponentPretrain(
        tower_epochs=1, fusion_epochs=1, epochs=2, **KEPT
    ),
}


def fit(strategy, out):
    model = toy_model(seed=1)
    history = strategy.fit(model, toy_data(), HEADS, out=out, verbose=0)
    save_run(out, model, history)


@pytest.mark.parametrize("name", STRATEGIES)
def test_all_that_is_saved_is_asked_for(tmp_path, monkeypatch, name):
    with running_eagerly():
        fit(STRATEGIES[name], tmp_path / "out")
        saved = [p for p in (tmp_path / "out").rglob("*") if p.is_file()]
        used = sum(p.stat().st_size for p in saved)
        # While the last checkpoint was saved, one more was there.
        checkpoints = [p for p in saved if "epoch-0004" in p.parts]
        used += sum(p.stat().st_size for p in checkpoints)
        usage = collections.namedtuple("usage", "total used free")
        full = lambda path: usage(10**9, 10**9, used)  # noqa: E731
        monkeypatch.setattr(shutil, "disk_usage", full)
        with pytest.raises(OSError, match=f"{used:,} bytes available"):
            fit(STRATEGIES[name], tmp_path / "other")
    assert not (tmp_path / "other").exists()
