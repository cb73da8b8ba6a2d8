"""Fault 7: a loss or weights that are NaN or infinite."""

from types import SimpleNamespace

import keras
import numpy as np
import pytest

from mmkeras import artefact
from mmkeras.heads import Number
from mmkeras.training import FullFineTune, latest_checkpoint, save_run

HEADS = {"size": Number()}


def linear():
    x = keras.Input((1,), name="x")
    return keras.Model({"x": x}, {"size": HEADS["size"](x, "size")})


class Poisoned(keras.utils.PyDataset):
    """Ten batches; one of them is infinite as soon as someone says so."""

    poisoned = False

    def __init__(self):
        super().__init__()

    def __len__(self):
        return 10

    def __getitem__(self, index):
        x = np.ones((4, 1), "float32")
        if self.poisoned:
            x[0] = np.inf
        return {"x": x}, {"size": np.ones(4)}, {"size": np.ones(4)}


class Poison(keras.callbacks.Callback):
    """Spoils the data from the third epoch on."""

    def __init__(self, dataset):
        super().__init__()
        self.dataset = dataset
        self.begun = 0

    def on_epoch_begin(self, epoch, logs=None):
        self.begun += 1
        self.dataset.poisoned = epoch >= 2


def test_training_stops_and_keeps_the_last_finite_checkpoint(tmp_path):
    data = SimpleNamespace(train=Poisoned(), validation=None)
    poison = Poison(data.train)
    model = linear()
    with pytest.raises(ValueError) as error:
        FullFineTune(epochs=8, tensorboard=False, checkpoint_share=1.0).fit(
            model, data, HEADS, out=tmp_path, callbacks=[poison], verbose=0
        )
    # It ended in the epoch that went wrong.
    assert poison.begun == 3
    text = str(error.value)
    assert "epoch 3" in text and "must stay finite" in text

    kept = latest_checkpoint(tmp_path / "checkpoints")
    assert str(kept) in text and kept.name == "epoch-0002"
    manifest = artefact.read_manifest(kept, "checkpoint")
    assert manifest["epoch"] == 2
    good = keras.saving.load_model(kept / "model.keras", compile=False)
    assert all(np.isfinite(w).all() for w in good.get_weights())

    # And what is broken does not become a run.
    with pytest.raises(ValueError, match="must be finite"):
        save_run(tmp_path, model, keras.callbacks.History())
    assert not (tmp_path / "model.keras").exists()


def test_a_loss_that_explodes_stops_too(tmp_path):
    data = SimpleNamespace(train=Poisoned(), validation=None)
    strategy = FullFineTune(
        epochs=2,
        learning_rate=1e30,
        warmup_epochs=0,
        clip_norm=None,
        schedule="constant",
    )
    with pytest.raises(ValueError, match="in epoch 1 .*learning_rate"):
        strategy.fit(linear(), data, HEADS, verbose=0)
