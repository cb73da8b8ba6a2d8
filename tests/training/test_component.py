"""`ComponentPretrain`: what each stage sees, trains, freezes and leaves."""

from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf
from training_toys import (
    BATCH,
    HEADS,
    SAMPLES,
    Batches,
    running_eagerly,
    toy_arrays,
    toy_data,
    toy_model,
    toy_tower,
)

from mmkeras.fusion import Concat
from mmkeras.training import (
    ComponentPretrain,
    cache_embeddings,
    fusion_model,
    take_tower,
)
from mmkeras.training.embeddings import towers_sha256

SHORT = {"tower_epochs": 1, "align_epochs": 1, "fusion_epochs": 1, "epochs": 1}


def stages_of(strategy, model, data):
    """The stages, none of them run."""
    return list(strategy.stages(model, data, HEADS))


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        ({}, ["sound_tower", "view_tower"]),
        ({"pretrain": "none"}, []),
        ({"pretrain": "masked"}, ["sound_masked", "view_masked"]),
        (
            {"pretrain": {"view": "contrastive"}, "align": "masked"},
            ["sound_tower", "view_contrastive", "align"],
        ),
        (
            {"pretrain": {"sound": "none", "view": "autoencode"}},
            ["view_autoencode"],
        ),
        ({"pretrain": "none", "align": "siglip"}, ["align"]),
        (
            {
                "pretrain": {"view": {"objective": "masked", "fraction": 0.3}},
                "align": {"objective": "masked", "units": 5},
            },
            ["sound_tower", "view_masked", "align"],
        ),
    ],
    ids=str,
)
def test_the_plan_names_the_stages(settings, names):
    model = toy_model()
    strategy = ComponentPretrain(
        tower_epochs=2, align_epochs=3, fusion_epochs=4, epochs=5, **settings
    )
    epochs = {"align": 3, "fusion": 4, "all": 5}
    plan = strategy.plan(model)
    assert plan == [(n, epochs.get(n, 2)) for n in [*names, "fusion", "all"]]
    stages = stages_of(strategy, model, toy_data())
    assert [(stage.name, stage.epochs) for stage in stages] == plan
    for stage in stages:
        alone = not stage.name.endswith(("_tower", "fusion", "all"))
        assert (stage.heads == {}) == alone


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"pretrain": "simclr"}, "one of supervised, contrastive, masked"),
        ({"pretrain": {"view": "none", "sound": "x"}}, "or a table of these"),
        ({"pretrain": {"view": {"fraction": 0.3}}}, "or a table of these"),
        ({"align": {"objective": "clip"}}, "with one as `objective`"),
        ({"align": "clip"}, "`align` must be one of none, infonce, siglip"),
        ({"align_epochs": -1}, "`align_epochs` must be a whole number"),
        ({"cache": 2}, "`cache` must be true or false or None"),
        ({"cache_passes": 0}, "`cache_passes` must be a positive integer"),
    ],
    ids=str,
)
def test_wrong_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        ComponentPretrain(**settings)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"pretrain": {"smell": "masked"}}, "'smell'.*Choices: sound, view"),
        ({"pretrain": {"view": "next_step"}}, "Choices: contrastive, masked"),
        (
            {"pretrain": {"view": {"objective": "masked", "share": 1}}},
            "`pretrain.view.share` is not a known key. "
            "Choices: blocks, fraction",
        ),
        (
            {"pretrain": {"view": {"objective": "supervised", "share": 1}}},
            "`pretrain.view` must have no arguments",
        ),
        (
            {"align": {"objective": "infonce", "share": 1}, "pretrain": "none"},
            "share",
        ),
    ],
    ids=str,
)
def test_what_does_not_suit_the_model_is_refused_before_training(
    settings, message
):
    model = toy_model()
    before = model.get_weights()
    with pytest.raises(ValueError, match=message):
        ComponentPretrain(**settings).fit(model, toy_data(), HEADS, verbose=0)
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_arguments_reach_the_objectives():
    strategy = ComponentPretrain(
        pretrain={"view": {"objective": "contrastive", "temperature": 0.7}},
        align={"objective": "infonce", "units": 5},
    )
    stages = {
        stage.name: stage.model
        for stage in stages_of(strategy, toy_model(), toy_data())
    }
    found = [
        layer.temperature
        for layer in stages["view_contrastive"].layers
        if hasattr(layer, "temperature")
    ]
    assert found == [0.7]
    assert stages["align"].get_layer("alignment").units == 5


def test_one_modality_has_nothing_to_align_with():
    x = keras.Input((4,), name="sound")
    fused = Concat(4, name="fusion")({"sound": toy_tower("sound", 4)(x)})
    outputs = {"digit": HEADS["digit"](fused, "digit")}
    model = keras.Model({"sound": x}, outputs)
    with pytest.raises(ValueError, match="two modalities or more"):
        ComponentPretrain(align="infonce").plan(model)


def test_what_needs_no_labels_sees_all_samples():
    everything = SimpleNamespace(train=toy_data(samples=2 * SAMPLES).train)
    data = toy_data(everything=everything)
    strategy = ComponentPretrain(
        pretrain={"sound": "contrastive"}, align="infonce", cache=False
    )
    batches = {
        stage.name: len(stage.data.train)
        for stage in stages_of(strategy, toy_model(), data)
    }
    few, many = SAMPLES // BATCH, 2 * SAMPLES // BATCH
    assert batches == {
        "sound_contrastive": many,
        "view_tower": few,
        "align": many,
        "fusion": few,
        "all": few,
    }


class Watch(keras.callbacks.Callback):
    """Hashes the towers at the start and end of each stage."""

    def __init__(self, model):
        super().__init__()
        self.whole, self.seen = model, []

    def state_now(self):
        fusion = self.whole.get_layer("fusion").get_weights()
        return towers_sha256(self.whole), [w.tobytes() for w in fusion]

    def on_train_begin(self, logs=None):
        self.seen.append([self.state_now(), None])

    def on_train_end(self, logs=None):
        self.seen[-1][1] = self.state_now()


def trained(seed=3, **settings):
    """A model that went through all stages, and which parts changed."""
    model = toy_model(seed=1)
    watch = Watch(model)
    history = ComponentPretrain(**SHORT, **settings).fit(
        model, toy_data(), HEADS, callbacks=[watch], seed=seed, verbose=0
    )
    changed = {
        name: (start[0] != end[0], start[1] != end[1])
        for name, (start, end) in zip(
            history.history["stage"], watch.seen, strict=True
        )
    }
    return model, changed


@pytest.mark.usefixtures("eagerly")
@pytest.mark.parametrize("cache", [True, False])
def test_each_stage_trains_its_own_and_the_same_seed_gives_the_same_bits(
    cache,
):
    """Towers and fusion are as told at the end of each stage."""
    settings = {
        "pretrain": {"sound": "autoencode"},
        "align": "infonce",
        "cache": cache,
    }
    model, changed = trained(**settings)
    assert changed == {
        "sound_autoencode": (True, False),
        "view_tower": (True, False),
        "align": (True, False),
        "fusion": (False, True),
        "all": (True, True),
    }
    assert all(layer.trainable for layer in model._flatten_layers())
    # Without a cache the fit is the one that other tests repeat.
    again, _ = trained(**settings) if cache else (model, None)
    for a, b in zip(model.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_disk_without_room_costs_the_cache_alone(monkeypatch):
    usage = SimpleNamespace(free=10)
    model, data = toy_model(), toy_data()
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage)
    with pytest.warns(UserWarning, match="run in every epoch.*10 bytes avail"):
        stages = stages_of(ComponentPretrain(pretrain="none"), model, data)
    assert stages[0].data is data
    with pytest.raises(OSError, match="choose `cache=False`"):
        stages_of(ComponentPretrain(pretrain="none", cache=True), model, data)


@pytest.mark.parametrize("epochs", [0, 1, 4])
def test_no_more_passes_are_kept_than_are_read(epochs, monkeypatch):
    passes = []

    def cache(model, data, folder, number, seed):
        passes.append(number)
        return data

    monkeypatch.setattr(
        "mmkeras.training.stages.fusion_stage.cache_embeddings", cache
    )
    for budget in (None, 100):
        strategy = ComponentPretrain(
            pretrain="none",
            fusion_epochs=epochs,
            cache_passes=3,
            budget_steps=budget,
        )
        stages_of(strategy, toy_model(), toy_data())
    assert passes == {0: [], 1: [1, 3], 4: [3, 3]}[epochs]


def test_the_cache_is_gone_when_its_stage_ends(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    strategy = ComponentPretrain(pretrain="none")
    stages = strategy.stages(toy_model(), toy_data(), HEADS)
    fusion = next(stages)
    assert len(list(tmp_path.rglob("*.bin"))) == 3
    assert len(list(fusion.data.train)) == SAMPLES // BATCH
    assert next(stages).name == "all"
    assert list(tmp_path.iterdir()) == []


def test_a_py_dataset_is_cached_too():
    data = SimpleNamespace(train=Batches(), validation=None)
    strategy = ComponentPretrain(pretrain="none", cache=True)
    fusion, _ = strategy.stages(toy_model(), data, HEADS)
    assert fusion.data is not data and fusion.data.validation is None


def test_mixed_precision_says_the_same_from_the_cache(tmp_path):
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = toy_model()
    finally:
        keras.config.set_dtype_policy("float32")
    data = toy_data()
    cached = cache_embeddings(model, data, tmp_path)
    fused = fusion_model(model)
    for ours, raw in zip(cached.validation, data.validation, strict=True):
        got, wanted = fused(ours[0]), model(raw[0])
        for name, value in wanted.items():
            np.testing.assert_array_equal(
                tf.cast(got[name], "float32"), tf.cast(value, "float32")
            )


class Stop(keras.callbacks.Callback):
    """Ends the process, as far as the training can tell, within an epoch."""

    def __init__(self, epoch, batch):
        super().__init__()
        self.place = epoch, batch
        self.epoch = 0

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_begin(self, batch, logs=None):
        if (self.epoch + 1, batch) >= self.place:
            raise KeyboardInterrupt


def shuffled_fit(out, **arguments):
    """A training of four stages, and the model that it ends with."""
    strategy = ComponentPretrain(
        pretrain={"sound": "contrastive", "view": "none"},
        align="masked",
        tower_epochs=2,
        align_epochs=2,
        fusion_epochs=2,
        epochs=1,
        cache=True,
        checkpoint_share=1.0,
        tensorboard=False,
    )
    model, data = toy_model(seed=1), toy_data()
    data.train = (
        tf.data.Dataset.from_tensor_slices(toy_arrays())
        .shuffle(SAMPLES, seed=5)
        .batch(BATCH)
    )
    history = strategy.fit(model, data, HEADS, out=out, verbose=0, **arguments)
    return model, history


@pytest.fixture(scope="module")
def never_stopped(tmp_path_factory):
    """Its weights; looked at as the one that was killed."""
    out = tmp_path_factory.mktemp("whole") / "run"
    with running_eagerly():
        model, history = shuffled_fit(out)
        check_stages(out, history)
    return model.get_weights()


def check_stages(out, history):
    assert history.history["stage"] == [
        *["sound_contrastive"] * 2,
        *["align"] * 2,
        *["fusion"] * 2,
        "all",
    ]
    stages = sorted(place.name for place in (out / "stages").iterdir())
    assert stages == ["1-sound_contrastive", "2-align", "3-fusion", "4-all"]
    # Each leaves towers to be taken, and from the fusion on, all.
    for stage, rest in zip(stages, (set(), set(), {"fusion"}, {"fusion"})):
        kept = keras.saving.load_model(out / "stages" / stage / "model.keras")
        towers = {"sound_tower", "view_tower"}
        if stage == "1-sound_contrastive":
            towers = {"sound_tower"}
        assert towers | rest <= {layer.name for layer in kept.layers}
        take_tower(toy_model(), "sound", kept)


@pytest.mark.usefixtures("eagerly")
@pytest.mark.parametrize(
    "stop",
    [
        pytest.param((2, 1), id="contrastive", marks=pytest.mark.slow),
        pytest.param((4, 1), id="align"),
        pytest.param((6, 1), id="fusion"),
        pytest.param((7, 1), id="all", marks=pytest.mark.slow),
    ],
)
def test_a_resumed_training_ends_in_the_same_bits(
    stop, never_stopped, tmp_path
):
    """Killed within the second epoch of a stage, or the first of the last.

    The cache is written anew, from the same towers, in the same order.
    """
    with pytest.raises(KeyboardInterrupt):
        shuffled_fit(tmp_path, callbacks=[Stop(*stop)], resume=False)
    model, history = shuffled_fit(tmp_path, resume=True)
    check_stages(tmp_path, history)
    for a, b in zip(never_stopped, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
