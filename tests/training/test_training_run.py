"""The folder of a run and the checkpoints in it."""

import csv
import json
import resource
import time

import keras
import numpy as np
import pytest

from mmkeras import artefact
from mmkeras.training import (
    AtomicCheckpoint,
    CsvHistory,
    latest_checkpoint,
    save_run,
)
from mmkeras.training.stages import save_checkpoint


def tiny():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    return model


def fit(model, **arguments):
    x = np.zeros((4, 2))
    return model.fit(x, np.ones((4, 1)), verbose=0, **arguments)


def test_a_run_holds_model_history_and_their_proof(tmp_path):
    model = tiny()
    history = fit(model, epochs=2)
    recipe = tmp_path / "mine.toml"
    recipe.write_text("")
    tmp_path = tmp_path / "run"
    manifest = save_run(
        tmp_path, model, history, recipe_file=recipe, seed=5, strategy="full"
    )
    assert manifest == artefact.read_manifest(tmp_path, "run")
    assert manifest["seed"] == 5 and manifest["strategy"] == "full"
    assert list(manifest["files"]) == [
        "history.csv",
        "model.keras",
        "recipe.toml",
    ]
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    for a, b in zip(loaded.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    with open(tmp_path / "history.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert [float(r["loss"]) for r in rows] == history.history["loss"]


def test_weights_that_are_not_finite_are_not_saved(tmp_path):
    model = tiny()
    history = fit(model, epochs=1)
    save_run(tmp_path, model, history)
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    model.set_weights([np.full((2, 1), np.inf), np.zeros(1)])
    with pytest.raises(ValueError, match="NaN or Inf in `.*dense.*/kernel`"):
        save_run(tmp_path, model, history)
    assert before == {p.name: p.read_bytes() for p in tmp_path.iterdir()}


def test_a_disk_that_fills_up_leaves_the_older_run_whole(tmp_path):
    model = tiny()
    history = fit(model, epochs=1)
    save_run(tmp_path, model, history)
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    # A file system that takes no file above 4 kB, for root as well.
    resource.setrlimit(resource.RLIMIT_FSIZE, (4_000, limit[1]))
    try:
        with pytest.raises(OSError) as error:
            save_run(tmp_path, model, history)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    text = str(error.value)
    assert str(tmp_path) in text and "bytes are free there" in text
    assert "\n" not in text
    assert before == {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    artefact.read_manifest(tmp_path, "run")


def test_checkpoints_are_few_newest_and_finite(tmp_path):
    model = tiny()
    fit(model, epochs=4, callbacks=[AtomicCheckpoint(tmp_path, keep=2)])
    names = sorted(p.name for p in tmp_path.iterdir())
    assert names == ["epoch-0003", "epoch-0004"]
    newest = latest_checkpoint(tmp_path)
    loaded = keras.saving.load_model(newest / "model.keras")
    # The optimizer is in it, so that training can go on.
    assert int(loaded.optimizer.iterations) == 4

    model.set_weights([np.full((2, 1), np.nan), np.zeros(1)])
    fit(
        model,
        initial_epoch=4,
        epochs=5,
        callbacks=[AtomicCheckpoint(tmp_path, keep=2)],
    )
    assert latest_checkpoint(tmp_path) == newest


def test_short_epochs_are_not_all_saved(tmp_path, monkeypatch):
    # A save takes two seconds of a clock of its own, an epoch five.
    clock = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    saved = []

    def save(folder, model, epoch, *arrays, **fields):
        clock[0] += 2
        saved.append(epoch)

    monkeypatch.setattr(
        "mmkeras.training.stages.checkpoints.save_checkpoint", save
    )
    callback = AtomicCheckpoint(tmp_path, share=0.1)
    callback.set_model(tiny())
    callback.set_params({"epochs": 10})
    callback.on_train_begin()
    for epoch in range(10):
        clock[0] += 5
        callback.on_epoch_end(epoch)
    # Eighteen seconds of rest are four epochs; the last is always saved.
    assert saved == [1, 5, 9, 10]
    saved.clear()
    callback.set_params({"epochs": 30})
    callback.on_train_begin()
    callback.on_epoch_end(10)
    callback.on_epoch_end(11)
    callback.model.stop_training = True
    callback.on_epoch_end(12)
    assert saved == [11, 13]


@pytest.mark.parametrize("share", [0, 1.5])
def test_the_share_of_saving_is_a_share(share, tmp_path):
    with pytest.raises(ValueError, match="`share` must be above 0"):
        AtomicCheckpoint(tmp_path, share=share)


def test_checkpoints_of_an_older_run_give_way(tmp_path):
    model = tiny()
    for epoch in (7, 8):
        save_checkpoint(tmp_path, model, epoch)
    fit(model, epochs=1, callbacks=[AtomicCheckpoint(tmp_path, keep=2)])
    assert [p.name for p in tmp_path.iterdir()] == ["epoch-0001"]


def test_a_damaged_checkpoint_is_skipped_with_one_warning(tmp_path):
    model = tiny()
    for epoch in (1, 2):
        save_checkpoint(tmp_path, model, epoch)
    damaged = tmp_path / "epoch-0002" / "model.keras"
    content = bytearray(damaged.read_bytes())
    content[100] ^= 1
    damaged.write_bytes(content)
    with pytest.warns(UserWarning) as caught:
        assert latest_checkpoint(tmp_path) == tmp_path / "epoch-0001"
    assert len(caught) == 1
    text = str(caught[0].message)
    assert "epoch-0001" in text and str(damaged) in text


def test_a_save_without_its_manifest_is_no_checkpoint(tmp_path):
    model = tiny()
    for epoch in (1, 2):
        save_checkpoint(tmp_path, model, epoch)
    (tmp_path / "epoch-0002" / "manifest.json").unlink()
    assert latest_checkpoint(tmp_path) == tmp_path / "epoch-0001"
    assert latest_checkpoint(tmp_path / "nowhere") is None


def test_what_a_killed_save_left_is_removed_at_the_next_start(tmp_path):
    leftover = tmp_path / "epoch-0001" / ".tmp-77-model.keras"
    artefact.claim(leftover.parent, "checkpoint", ["model.keras"])
    leftover.write_bytes(b"half")
    fit(tiny(), epochs=1, callbacks=[AtomicCheckpoint(tmp_path)])
    assert not leftover.exists()
    assert latest_checkpoint(tmp_path) == leftover.parent


def test_keep_must_be_positive(tmp_path):
    with pytest.raises(ValueError, match="`keep` .* Received: keep=0"):
        AtomicCheckpoint(tmp_path, keep=0)


def test_a_csv_history_goes_on_over_several_fits(tmp_path):
    model, path = tiny(), tmp_path / "history.csv"
    rows = CsvHistory(path)
    fit(model, epochs=1, callbacks=[rows])
    rows.stage = "second"
    fit(
        model,
        initial_epoch=1,
        epochs=3,
        validation_split=0.5,
        callbacks=[rows],
    )
    with open(path, newline="") as file:
        read = list(csv.DictReader(file))
    assert [r["stage"] for r in read] == ["all", "second", "second"]
    assert [r["epoch"] for r in read] == ["1", "2", "3"]
    assert read[0]["val_loss"] == "" and float(read[1]["val_loss"]) >= 0
    assert json.loads(read[0]["learning_rate"]) == pytest.approx(0.01)
