"""A training that was killed goes on to the same bits."""

import contextlib
import shutil
from dataclasses import replace

import keras
import numpy as np
import pytest
import tensorflow as tf
from training_toys import (
    BATCH,
    HEADS,
    SAMPLES,
    Kill,
    running_eagerly,
    toy_arrays,
    toy_data,
    toy_model,
)

from mmkeras import artefact
from mmkeras.training import ComponentPretrain, FullFineTune
from mmkeras.training.stages import (
    fingerprint_differences,
    make_fusion_stage,
    share_steps,
)

STRATEGIES = {
    "full": FullFineTune(epochs=4, weight_decay=0.1, learning_rate=0.01),
    "averaged": FullFineTune(epochs=3, ema_momentum=0.9),
    "patient": FullFineTune(epochs=6, patience=1, learning_rate=0.05),
    "balanced": FullFineTune(epochs=3, balance="uncertainty"),
    "component": ComponentPretrain(
        tower_epochs=2, fusion_epochs=2, epochs=2, warmup_epochs=0
    ),
    "steps": ComponentPretrain(
        tower_epochs=2, fusion_epochs=1, epochs=1, budget_steps=13
    ),
}
# Tracing a graph takes far longer than these trainings do.
pytestmark = pytest.mark.usefixtures("eagerly")
# Each stage of it is a run of its own.
STAGES = ["1-sound_tower", "2-view_tower", "3-fusion", "4-all"]
KEPT = {"tensorboard": False, "checkpoints": 1, "checkpoint_share": 1.0}


def toy_shuffled():
    """Toy data in another order each epoch."""
    samples = tf.data.Dataset.from_tensor_slices(toy_arrays())
    return toy_data(train=samples.shuffle(SAMPLES, seed=5).batch(BATCH))


def fit(strategy, out, callbacks=(), resume=False):
    model = toy_model(seed=1)
    history = strategy.fit(
        model,
        toy_shuffled(),
        HEADS,
        out=out,
        callbacks=callbacks,
        verbose=0,
        resume=resume,
    )
    return model, history.history


@pytest.mark.parametrize("name", STRATEGIES)
def test_a_training_that_was_killed_ends_with_the_same_bits(
    name, tmp_path, component_run
):
    strategy = replace(STRATEGIES[name], **KEPT)
    _, whole, history = component_run
    if name != "component":
        whole, history = fit(strategy, tmp_path / "whole")
    steps = history["steps"][-1]
    # Twice in the middle of an epoch, with a checkpoint before it.
    place = tmp_path / "killed"
    for step in (3, steps // 2 + 1):
        with pytest.raises(KeyboardInterrupt):
            fit(strategy, place, [Kill(step)], resume=True)
    rest = Kill(steps)
    again, found = fit(strategy, place, [rest], resume=True)
    # All but the last epochs is read, and not trained a third time.
    assert 0 < steps - rest.left <= steps // 2
    assert found["stage"] == history["stage"]
    assert found["loss"] == history["loss"]
    assert found["steps"] == history["steps"]
    for one, other in zip(whole.weights, again.weights, strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy(), one.path)


@pytest.fixture(scope="module")
def component_run(tmp_path_factory):
    """The folder, model and history of a whole training by components."""
    folder = tmp_path_factory.mktemp("component")
    with running_eagerly():
        found = fit(replace(STRATEGIES["component"], **KEPT), folder)
    return folder, *found


class Batches(keras.utils.PyDataset):
    """Toy data that Keras has to shuffle."""

    def __init__(self):
        super().__init__()
        self.parts = list(toy_data().train.as_numpy_iterator())

    def __len__(self):
        return len(self.parts)

    def __getitem__(self, index):
        return self.parts[index]


def test_batches_that_keras_shuffles_come_in_the_same_order(tmp_path):
    strategy = replace(STRATEGIES["full"], **KEPT)
    found = []
    for name, kills in (("whole", ()), ("killed", (5, 2))):
        for kill in kills:
            with pytest.raises(KeyboardInterrupt):
                strategy.fit(
                    toy_model(), toy_data(train=Batches()), HEADS,
                    out=tmp_path / name, verbose=0, resume=True,
                    callbacks=[Kill(kill)],
                )  # fmt: skip
        model = toy_model()
        strategy.fit(
            model, toy_data(train=Batches()), HEADS, out=tmp_path / name,
            verbose=0, resume=True,
        )  # fmt: skip
        found.append(model.get_weights())
    for one, other in zip(*found, strict=True):
        np.testing.assert_array_equal(one, other)


def test_each_stage_leaves_a_run_that_names_those_before_it(component_run):
    stages = component_run[0] / "stages"
    manifests = [
        artefact.read_manifest(stages / name, "run") for name in STAGES
    ]
    assert [m["stage"] for m in manifests] == [n[2:] for n in STAGES]
    for place, manifest in enumerate(manifests):
        assert manifest["previous"] == {
            name: artefact.sha256_of(stages / name / artefact.MANIFEST)
            for name in STAGES[:place]
        }
        assert sorted(manifest["files"]) == [
            "history.csv",
            "model.keras",
            "state.npz",
        ]


def test_a_damaged_stage_is_refused_by_name(component_run, tmp_path):
    strategy = replace(STRATEGIES["component"], **KEPT)
    out = shutil.copytree(component_run[0], tmp_path / "out")
    with open(out / "stages" / STAGES[0] / "state.npz", "r+b") as file:
        file.seek(200)
        file.write(b"!")
    with pytest.raises(ValueError, match="1-sound_tower/state.npz` is not"):
        fit(strategy, out, resume=True)


def test_other_settings_are_refused_field_by_field(tmp_path):
    strategy = replace(STRATEGIES["full"], **KEPT, epochs=2)
    with pytest.raises(KeyboardInterrupt):
        fit(strategy, tmp_path, [Kill(3)])
    other = replace(strategy, learning_rate=0.02, clip_norm=None)
    with pytest.raises(ValueError) as error:
        fit(other, tmp_path, resume=True)
    assert "`settings.clip_norm`: 1.0 -> None" in str(error.value)
    assert "`settings.learning_rate`: 0.01 -> 0.02" in str(error.value)
    assert "`--restart`" in str(error.value)
    # Without `resume`, the old checkpoints go.
    _, history = fit(other, tmp_path)
    assert len(history["loss"]) == 2
    assert not fingerprint_differences(
        history, fit(other, tmp_path, resume=True)[1]
    )


def test_without_a_checkpoint_a_training_begins(tmp_path):
    strategy = replace(STRATEGIES["full"], **KEPT, epochs=2)
    _, history = fit(strategy, tmp_path, resume=True)
    assert history["steps"] == [2, 4]


def test_stages_of_an_older_training_are_not_named(tmp_path):
    """They lie there where nothing is left to go on from."""
    short = {"tower_epochs": 1, "fusion_epochs": 1, "epochs": 1}
    strategy = replace(STRATEGIES["component"], **KEPT, **short)
    artefact.claim(tmp_path, "run")
    for name in ("1-sound_tower", "9-old"):
        (tmp_path / "stages" / name).mkdir(parents=True)
        artefact.write_manifest(tmp_path / "stages" / name, "run", [])
    fit(strategy, tmp_path, resume=True)
    assert sorted(p.name for p in (tmp_path / "stages").iterdir()) == STAGES
    first = tmp_path / "stages" / STAGES[0]
    assert artefact.read_manifest(first, "run")["previous"] == {}


def test_a_finished_training_is_read_and_not_redone(component_run, tmp_path):
    strategy = replace(STRATEGIES["component"], **KEPT)
    folder, whole, history = component_run
    out = shutil.copytree(folder, tmp_path / "out")
    again, found = fit(strategy, out, [Kill(1)], resume=True)
    assert found == history
    for one, other in zip(whole.weights, again.weights, strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy(), one.path)


@pytest.mark.parametrize(
    ("total", "epochs", "shares"),
    [
        (100, [2, 2, 3], [29, 28, 43]),
        (7, [1, 1, 1], [2, 3, 2]),
        (5, [0, 10], [0, 5]),
        (1, [1, 1, 1], [0, 1, 0]),
    ],
)
def test_steps_are_shared_out_to_the_last(total, epochs, shares):
    assert share_steps(total, epochs) == shares
    assert sum(shares) == total


@pytest.mark.parametrize("name", ["full", "component"])
@pytest.mark.parametrize("steps", [1, 5, 12])
def test_a_budget_of_steps_is_spent_to_the_step(name, steps, tmp_path):
    strategy = replace(STRATEGIES[name], **KEPT, budget_steps=steps)
    model = toy_model(seed=1)
    told = contextlib.nullcontext()
    if len(strategy.plan(model)) > steps:
        told = pytest.warns(UserWarning, match="budget was over before")
    with told:
        history = strategy.fit(model, toy_data(), HEADS, verbose=0).history
    assert history["steps"][-1] == steps


def test_the_rate_comes_down_within_the_budget():
    strategy = replace(STRATEGIES["full"], **KEPT, budget_steps=20)
    history = strategy.fit(toy_model(), toy_data(), HEADS, verbose=0).history
    assert len(history["steps"]) == 10
    assert history["learning_rate"][-1] == pytest.approx(0, abs=1e-6)
    assert max(history["learning_rate"]) == pytest.approx(0.01, rel=0.05)


class Slow(keras.callbacks.Callback):
    """Makes each step take 0.1 s by the clock that the budget reads."""

    def __init__(self, monkeypatch):
        super().__init__()
        self.now = 0.0
        monkeypatch.setattr("time.perf_counter", lambda: self.now)

    def on_train_batch_begin(self, batch, logs=None):
        self.now += 0.1

    def on_test_begin(self, logs=None):
        self.now += 100

    def on_test_end(self, logs=None):
        self.now += 100


@pytest.mark.parametrize("name", ["full", "component"])
def test_a_budget_of_seconds_is_kept_within_one_step(name, monkeypatch):
    strategy = replace(STRATEGIES[name], **KEPT, budget_sec=1.55)
    clock = Slow(monkeypatch)
    history = strategy.fit(
        toy_model(), toy_data(), HEADS, callbacks=[clock], verbose=0
    ).history
    # Validation, which takes a hundred seconds here, is no training.
    assert 1.55 <= history["seconds"][-1] < 1.65
    assert history["steps"][-1] == 16
    assert history["learning_rate"][-1] < 0.1 * max(history["learning_rate"])
    if name == "component":
        stages = dict(zip(history["stage"], history["steps"], strict=True))
        assert list(stages.values()) == [4, 8, 12, 16]


def test_a_training_killed_in_each_stage_keeps_to_its_seconds(
    tmp_path, monkeypatch
):
    strategy = replace(STRATEGIES["component"], **KEPT, budget_sec=1.55)

    def resume(*callbacks):
        return strategy.fit(
            toy_model(), toy_data(), HEADS, out=tmp_path, verbose=0,
            resume=True, callbacks=[Slow(monkeypatch), *callbacks],
        ).history  # fmt: skip

    # At the steps 3, 7, 11 and 15; a checkpoint lies one step before each.
    for step in (3, 5, 5, 5):
        with pytest.raises(KeyboardInterrupt):
            resume(Kill(step))
    rest = Kill(16)
    history = resume(rest)
    assert 16 - rest.left == 2
    # As many steps as without an interruption.
    spent = dict(zip(history["stage"], history["steps"], strict=True))
    assert list(spent.values()) == [4, 8, 12, 16]


def test_what_a_stage_needs_before_its_first_step_is_its_own(monkeypatch):
    """Caching the outputs of the towers takes 1 of the 1.55 s here."""
    strategy = replace(STRATEGIES["component"], **KEPT, budget_sec=1.55)
    clock = Slow(monkeypatch)

    def slowly(*arguments, **others):
        stage = make_fusion_stage(*arguments, **others)
        clock.now += 1
        return stage

    monkeypatch.setattr(
        "mmkeras.training.strategies.component.fusion_stage", slowly
    )
    with pytest.warns(UserWarning, match="stages fusion, all, which"):
        history = strategy.fit(
            toy_model(), toy_data(), HEADS, callbacks=[clock], verbose=0
        ).history
    # Two towers took 0.8 s: the time was over, and the rest is left out.
    assert history["steps"][-1] == 8
    assert set(history["stage"]) == {"sound_tower", "view_tower"}


@pytest.mark.parametrize(
    "settings, told",
    [
        (
            {"budget_sec": 0.01},
            pytest.warns(UserWarning, match="stages view_tower, fusion, all"),
        ),
        ({"budget_sec": 1.55, "epochs": 0}, contextlib.nullcontext()),
    ],
)
def test_a_budget_that_leaves_stages_nothing(settings, told, monkeypatch):
    strategy = replace(STRATEGIES["component"], **{**KEPT, **settings})
    with told:
        history = strategy.fit(
            toy_model(), toy_data(), HEADS, callbacks=[Slow(monkeypatch)],
            verbose=0,
        ).history  # fmt: skip
    assert settings["budget_sec"] <= history["seconds"][-1]
    assert history["seconds"][-1] < settings["budget_sec"] + 0.1


def test_one_budget_is_enough():
    with pytest.raises(ValueError, match="of steps or of seconds. Received"):
        FullFineTune(budget_steps=3, budget_sec=2.0)
