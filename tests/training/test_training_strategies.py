"""Both strategies: what they train, freeze, record, refuse, and repeat."""

import csv
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf
from training_toys import (
    HEADS,
    SAMPLES,
    Batches,
    toy_arrays,
    toy_data,
    toy_model,
)

from mmkeras import artefact
from mmkeras.training import (
    ComponentPretrain,
    FullFineTune,
    latest_checkpoint,
    make_strategy,
)
from mmkeras.training.stages import (
    Stage,
    count_batches,
    make_optimizer,
    one_modality,
)

# Tracing a graph takes far longer than these trainings do.
eager = pytest.mark.usefixtures("eagerly")
SHORT = {"tower_epochs": 1, "fusion_epochs": 1, "epochs": 1}


def weights_of(model):
    return {w.path: keras.ops.convert_to_numpy(w) for w in model.weights}


@eager
def test_the_loss_falls_and_every_epoch_is_recorded():
    model = toy_model()
    history = FullFineTune(epochs=12, learning_rate=0.02).fit(
        model, toy_data(), HEADS, verbose=0
    )
    loss = history.history["loss"]
    assert loss[-1] < 0.5 * loss[0]
    assert history.epoch == list(range(12))
    assert set(history.history["stage"]) == {"all"}
    assert len(history.history["val_digit_accuracy"]) == 12
    rates = history.history["learning_rate"]
    assert max(rates) == pytest.approx(0.02, rel=0.05)
    assert rates[-1] == pytest.approx(0, abs=1e-9)


def check_repeats(strategy):
    runs = []
    for _ in range(2):
        model = toy_model(seed=1)
        strategy.fit(model, toy_data(), HEADS, seed=3, verbose=0)
        runs.append(model.get_weights())
    for first, second in zip(*runs, strict=True):
        np.testing.assert_array_equal(first, second)


def test_the_same_seed_gives_the_same_bits():
    check_repeats(FullFineTune(epochs=2, warmup_epochs=0))


@eager
@pytest.mark.parametrize(
    "strategy",
    [
        FullFineTune(epochs=2, ema_momentum=0.9, patience=1),
        ComponentPretrain(**SHORT),
    ],
    ids=["averaged", "component"],
)
def test_the_same_seed_gives_the_same_bits_step_by_step(strategy):
    check_repeats(strategy)


class Watch(keras.callbacks.Callback):
    """Keeps the whole model's weights at the start and end of each stage."""

    def __init__(self, model):
        super().__init__()
        self.whole = model
        self.seen = []

    def on_train_begin(self, logs=None):
        self.seen.append([weights_of(self.whole), None])

    def on_train_end(self, logs=None):
        self.seen[-1][1] = weights_of(self.whole)

    def changed(self):
        """Names of the layers that a stage changed, for each stage."""
        return [
            {
                path.split("/")[0]
                for path, before in start.items()
                if not np.array_equal(before, end[path])
            }
            for start, end in self.seen
        ]


@eager
def test_each_stage_of_pretraining_changes_its_own_layers():
    model = toy_model()
    layers = {layer.name for layer in model.layers if layer.weights}
    towers = {"sound_tower", "view_tower"}
    # Weights inside a tower carry the names of the tower's own layers.
    owner = {
        w.path.split("/")[0]: tower
        for tower in towers
        for w in model.get_layer(tower).weights
    }
    watch = Watch(model)
    history = ComponentPretrain(**SHORT).fit(
        model, toy_data(), HEADS, callbacks=[watch], verbose=0
    )
    stages = ["sound_tower", "view_tower", "fusion", "all"]
    assert history.history["stage"] == stages
    assert history.epoch == [0, 1, 2, 3]
    changed = [{owner.get(n, n) for n in names} for names in watch.changed()]
    assert changed[0] == {"sound_tower"}
    assert changed[1] == {"view_tower"}
    assert changed[2] == layers - towers
    assert changed[3] == layers


@eager
def test_trainable_flags_come_back_after_success_and_after_an_error():
    class Stop(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if epoch == 2:
                raise RuntimeError("stop")

    model = toy_model()
    model.get_layer("sound_tower").layers[1].trainable = False
    frozen = [
        (layer.trainable, [w.trainable for w in layer.weights])
        for layer in model._flatten_layers()
    ]
    for callbacks in ([], [Stop()]):
        try:
            ComponentPretrain(**SHORT).fit(
                model, toy_data(), HEADS, callbacks=callbacks, verbose=0
            )
        except RuntimeError:
            assert callbacks
        assert frozen == [
            (layer.trainable, [w.trainable for w in layer.weights])
            for layer in model._flatten_layers()
        ]


def test_a_tower_learns_nothing_from_samples_that_lack_its_modality():
    x, y, w = toy_arrays()
    dataset = tf.data.Dataset.from_tensor_slices((x, y, w)).batch(SAMPLES)
    for name, column in (("sound", 0), ("view", 1)):
        got_x, got_y, got_w = next(iter(one_modality(dataset, name, column)))
        assert set(got_x) == {name}
        np.testing.assert_array_equal(got_y["digit"], y["digit"])
        here = x["present"][:, column]
        np.testing.assert_array_equal(got_w["digit"], w["digit"] * here)
        np.testing.assert_array_equal(got_w["size"], here)


@eager
def test_pretraining_takes_a_py_dataset_and_data_without_validation():
    data = SimpleNamespace(train=Batches(), validation=None)
    history = ComponentPretrain(**SHORT).fit(
        toy_model(), data, HEADS, verbose=0
    )
    assert len(history.epoch) == 4
    assert not any(name.startswith("val_") for name in history.history)


@eager
def test_out_gets_history_logs_and_checkpoints(tmp_path):
    model = toy_model()
    history = ComponentPretrain(**SHORT).fit(
        model, toy_data(), HEADS, out=tmp_path / "run", verbose=0
    )
    with open(tmp_path / "run" / "logs" / "history.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["stage"] for row in rows] == history.history["stage"]
    assert float(rows[-1]["loss"]) == history.history["loss"][-1]
    logs = {p.name for p in (tmp_path / "run" / "logs").glob("*/")}
    assert logs == {"sound_tower", "view_tower", "fusion", "all"}
    assert list((tmp_path / "run" / "logs" / "all").rglob("events.out*"))
    newest = latest_checkpoint(tmp_path / "run" / "checkpoints")
    assert artefact.read_manifest(newest, "checkpoint")["epoch"] == 4
    saved = keras.saving.load_model(newest / "model.keras", compile=False)
    for a, b in zip(saved.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_disk_without_room_is_told_before_the_first_step(
    tmp_path, monkeypatch
):
    usage = SimpleNamespace(free=1000)
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage)
    with pytest.raises(OSError, match="bytes needed, 1,000 bytes available"):
        FullFineTune().fit(
            toy_model(), toy_data(), HEADS, out=tmp_path / "run", verbose=0
        )
    assert not (tmp_path / "run").exists()


@eager
@pytest.mark.parametrize("ema_momentum", [None, 0.9])
def test_patience_ends_a_stage_and_brings_its_best_weights_back(ema_momentum):
    """Labels that cannot be learned: validation gets worse with each step."""
    x, y, w = toy_arrays()
    wrong = {"digit": (y["digit"] + 1) % 3, "size": -y["size"]}
    worse = tf.data.Dataset.from_tensor_slices((x, wrong, w)).batch(24)
    strategy = FullFineTune(
        epochs=30, learning_rate=0.05, patience=2, ema_momentum=ema_momentum
    )
    model = toy_model()
    history = strategy.fit(model, toy_data(validation=worse), HEADS, verbose=0)
    assert len(history.epoch) < 30
    result = model.evaluate(worse, return_dict=True, verbose=0)
    best = min(history.history["val_loss"])
    assert result["loss"] == pytest.approx(best, rel=1e-6)


@eager
@pytest.mark.parametrize(
    "monitor, pick",
    [("val_digit_accuracy", max), ("val_size_rmse", min)],
)
def test_patience_knows_what_is_better_of_any_figure(monitor, pick):
    strategy = FullFineTune(
        epochs=12, learning_rate=0.05, patience=1, monitor=monitor
    )
    model, data = toy_model(), toy_data()
    history = strategy.fit(model, data, HEADS, verbose=0).history
    result = model.evaluate(data.validation, return_dict=True, verbose=0)
    best = pick(history[monitor])
    assert result[monitor.removeprefix("val_")] == pytest.approx(best)


@eager
def test_patience_names_the_figures_where_there_is_no_such():
    strategy = FullFineTune(patience=1, monitor="val_side_accuracy")
    with pytest.raises(ValueError, match="Choices: .*val_digit_accuracy"):
        strategy.fit(toy_model(), toy_data(), HEADS, verbose=0)


@eager
@pytest.mark.parametrize("stop_at", [None, 1])
def test_the_average_of_the_weights_is_the_result(stop_at):
    """Against a moving average kept by hand, also when `fit` stops early."""

    class Average(keras.callbacks.Callback):
        def __init__(self):
            super().__init__()
            self.value = None

        def on_train_batch_end(self, batch, logs=None):
            now = self.model.get_layer("fusion").get_weights()
            if self.value is None:
                self.value = now
            self.value = [
                0.9 * a + 0.1 * b for a, b in zip(self.value, now, strict=True)
            ]

        def on_epoch_end(self, epoch, logs=None):
            if epoch == stop_at:
                self.model.stop_training = True

    model, average = toy_model(), Average()
    FullFineTune(epochs=3, ema_momentum=0.9).fit(
        model, toy_data(), HEADS, callbacks=[average], verbose=0
    )
    got = model.get_layer("fusion").get_weights()
    for a, b in zip(got, average.value, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_the_rate_warms_up_then_falls_and_biases_do_not_decay():
    model = toy_model()
    settings = FullFineTune(warmup_epochs=2, weight_decay=0.01)
    stage = Stage("all", model, toy_data(), epochs=10, learning_rate=1.0)
    optimizer = make_optimizer(settings, stage, steps=10)
    optimizer.build(model.trainable_variables)
    rate = [float(optimizer._learning_rate(step)) for step in range(100)]
    assert np.argmax(rate) == 20
    assert rate[20] == pytest.approx(1)
    assert rate[0] == pytest.approx(1 / 21)
    assert np.all(np.diff(rate[:20]) > 0) and np.all(np.diff(rate[20:]) < 0)
    # Half-way down the cosine, and next to nothing at the end.
    assert rate[60] == pytest.approx(0.5)
    assert rate[99] < 1e-3
    decays = {
        w.path.split("/")[-1]
        for w in model.trainable_variables
        if optimizer._use_weight_decay(w)
    }
    assert decays == {"kernel"}


def test_a_constant_schedule_stays():
    stage = Stage("all", toy_model(), toy_data(), epochs=10, learning_rate=0.3)
    settings = FullFineTune(warmup_epochs=0, schedule="constant")
    optimizer = make_optimizer(settings, stage, steps=10)
    rate = [float(optimizer._learning_rate(s)) for s in (1, 50, 99)]
    np.testing.assert_allclose(rate, 0.3, rtol=1e-6)


@eager
def test_a_split_without_a_batch_is_refused():
    empty = toy_data(train=toy_data().train.take(0))
    with pytest.raises(ValueError, match="`data.train` must have at least one"):
        FullFineTune().fit(toy_model(), empty, HEADS, verbose=0)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"epochs": -1}, "`epochs` must be a whole number from 0"),
        ({"epochs": True}, "Received: epochs=True"),
        ({"learning_rate": 0}, "`learning_rate` must be a positive number"),
        ({"learning_rate": float("nan")}, "Received: learning_rate=nan"),
        ({"weight_decay": "1"}, "`weight_decay` must be a number from 0"),
        (
            {"schedule": "linear"},
            "cosine, constant. Received: schedule='linear'",
        ),
        ({"patience": 0}, "`patience` must be a positive integer or None"),
        ({"ema_momentum": 1.0}, "above 0 and below 1"),
        ({"clip_norm": -1.0}, "`clip_norm` must be a positive number or None"),
        ({"checkpoints": 1.5}, "`checkpoints` must be a whole number"),
        ({"tensorboard": 1}, "`tensorboard` must be true or false"),
        ({"monitor": ""}, "`monitor` must be a metric's name"),
        ({"monitor": "val_x", "patience": 1}, "Received: 'val_x'. Such as"),
        ({"learning_rat": 1}, "Did you mean `learning_rate`?"),
        ({"tower_epochs": 1}, "not a setting of the strategy 'full'"),
    ],
)
def test_wrong_settings_are_refused_by_name(settings, message):
    with pytest.raises(ValueError) as error:
        make_strategy("full", settings)
    assert message in str(error.value)


def test_an_unknown_strategy_is_refused_with_the_choices():
    with pytest.raises(
        ValueError, match="full, component, .*. Received: strategy='both'"
    ):
        make_strategy("both")


@pytest.mark.parametrize(
    ("strategy", "data", "heads", "message"),
    [
        (FullFineTune(), object(), HEADS, "without `train`"),
        (
            FullFineTune(patience=2),
            toy_data(validation=None),
            HEADS,
            "`patience` needs a validation split",
        ),
        (
            FullFineTune(),
            toy_data(),
            {"digit": HEADS["digit"]},
            "['digit', 'size']. Received: ['digit']",
        ),
        (
            FullFineTune(),
            toy_data(train=toy_data().train.repeat()),
            HEADS,
            "leave `.repeat()` out",
        ),
        (
            ComponentPretrain(),
            toy_data(spec=SimpleNamespace(optional=("sound",))),
            HEADS,
            "`present` must have a column for each",
        ),
        (
            ComponentPretrain(),
            toy_data(train=[toy_arrays()]),
            HEADS,
            "a `tf.data.Dataset` or a `keras.utils.PyDataset`",
        ),
    ],
    ids=["no-split", "patience", "heads", "endless", "present", "list"],
)
def test_what_cannot_be_trained_is_refused(strategy, data, heads, message):
    with pytest.raises(ValueError) as error:
        strategy.fit(toy_model(), data, heads, verbose=0)
    assert message in str(error.value)


def test_pretraining_needs_towers_of_the_modalities_names():
    x = keras.Input((4,), name="sound")
    outputs = {"digit": HEADS["digit"](keras.layers.Dense(4)(x), "digit")}
    model = keras.Model({"sound": x}, outputs)
    heads = {"digit": HEADS["digit"]}
    with pytest.raises(ValueError, match="must have a layer `sound_tower`"):
        ComponentPretrain().fit(model, toy_data(), heads, verbose=0)


def test_batches_are_counted_where_the_length_is_unknown():
    dataset = toy_data().train
    assert count_batches(dataset) == 2
    assert count_batches(dataset.filter(lambda x, y, w: True)) == 2


@eager
def test_a_stage_without_epochs_is_left_out():
    strategy = ComponentPretrain(tower_epochs=0, fusion_epochs=1, epochs=0)
    history = strategy.fit(toy_model(), toy_data(), HEADS, verbose=0)
    assert history.history["stage"] == ["fusion"]
