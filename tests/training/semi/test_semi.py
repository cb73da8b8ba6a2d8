"""Strategies for few labels: stages, what they hide, and what they gain."""

from dataclasses import replace

import keras
import numpy as np
import pytest
from faults.stopped_toys import Moment, Stop
from semi_toys import (
    CLASSES,
    HEADS,
    MILD,
    accuracy,
    digit_model,
    few_labels,
    prepared,
)
from training_toys import Kill

from mmkeras import stopping
from mmkeras.data import load_data
from mmkeras.heads import Category, Number
from mmkeras.training import FullFineTune, make_strategy
from mmkeras.training.strategies.semi import (
    Consistency,
    CoTrain,
    FixMatch,
    PseudoLabel,
    outputs_of,
    with_everything,
)

# No more than FixMatch asks for: what moves pictures is slow to set up.
QUICK = {"left": {"contrast": 0.1}}
SHORT = {"labelled_epochs": 1, "epochs": 1, "learning_rate": 5e-3}
STRATEGIES = {
    "pseudo_label": PseudoLabel(rounds=2, confidence=0.3, **SHORT),
    "fixmatch": FixMatch(confidence=0.3, **SHORT),
    "co_train": CoTrain(rounds=1, round_epochs=1, confidence=0.3, **SHORT),
}
STAGES = {
    "pseudo_label": ["labelled", "round_1", "round_2"],
    "fixmatch": ["labelled", "consistency"],
    "co_train": [
        "left_labelled", "right_labelled", "left_round_1", "right_round_1",
        "all",
    ],
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return prepared(tmp_path_factory.mktemp("semi"), pairs=12)


@pytest.fixture(scope="module")
def lacking(tmp_path_factory):
    """The same, but some left pictures are missing."""
    return prepared(tmp_path_factory.mktemp("lacking"), pairs=12, optional=True)


def fit(name, data, out=None, **arguments):
    model = digit_model(1)
    history = STRATEGIES[name].fit(
        model, data, HEADS, out=out, seed=3, verbose=0, **arguments
    )
    return model, history.history


def check_same(one, other):
    for a, b in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.usefixtures("eagerly")
@pytest.mark.parametrize("name", STRATEGIES)
def test_hidden_labels_have_no_influence(name, folder, tmp_path):
    """Hidden here, and never written there: the same bits."""
    data = few_labels(folder, seed=1, augment=QUICK)
    kept = set(data.ids("train"))
    bare = prepared(tmp_path, pairs=12, only=kept)
    never = few_labels(bare, seed=1, fraction=1.0, augment=QUICK)
    assert set(never.ids("train")) == kept
    first, history = fit(name, data)
    second, _ = fit(name, never)
    check_same(first, second)
    assert history["stage"] == STAGES[name]
    assert make_strategy(name, {"epochs": 7}).plan(first)[-1] == (
        STAGES[name][-1], 7,
    )  # fmt: skip


@pytest.mark.usefixtures("eagerly")
@pytest.mark.parametrize(
    "name",
    [
        "pseudo_label",
        pytest.param("fixmatch", marks=pytest.mark.slow),
        pytest.param("co_train", marks=pytest.mark.slow),
    ],
)
def test_a_killed_training_ends_with_the_same_bits_and_in_its_budget(
    name, folder, tmp_path
):
    """Killed in the last stage, whose labels follow from those before it."""
    strategy = replace(
        STRATEGIES[name], epochs=2, budget_steps=12, tensorboard=False,
        checkpoints=1,
    )  # fmt: skip

    def run(out, **arguments):
        model, data = digit_model(1), few_labels(folder, seed=1, augment=QUICK)
        history = strategy.fit(
            model, data, HEADS, out=out, seed=3, verbose=0, **arguments
        )
        return model, history.history

    whole, expected = run(tmp_path / "whole")
    assert expected["steps"][-1] == 12
    last = sum(stage == STAGES[name][-1] for stage in expected["stage"])
    assert last >= 2
    step = expected["steps"][-last] + 1
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "killed", callbacks=[Kill(step)])
    model, found = run(tmp_path / "killed", resume=True)
    check_same(whole, model)
    assert found["stage"] == expected["stage"]
    assert found["loss"] == expected["loss"]
    stage = f"{len(STAGES[name])}-{STAGES[name][-1]}"
    saved = keras.saving.load_model(
        tmp_path / "killed" / "stages" / stage / "model.keras", compile=False
    )
    assert type(saved) is type(model)
    check_same(saved, model)


@pytest.mark.slow
@pytest.mark.usefixtures("eagerly")
@pytest.mark.parametrize("name", STRATEGIES)
def test_a_stopped_training_goes_on_at_its_step(name, folder, tmp_path):
    """Within an epoch, in a validation, in a stage with pseudo-labels."""
    strategy = replace(
        STRATEGIES[name], labelled_epochs=2, epochs=2, tensorboard=False,
        checkpoint_share=1.0,
    )  # fmt: skip

    def run(out, stop):
        model = digit_model(1)
        data = few_labels(folder, seed=1, augment=QUICK, times=4)
        checked = load_data(folder, batch_size=4, seed=1, augment=False)
        data.validation = data.everything.validation = checked.test.take(3)
        history = strategy.fit(
            model, data, HEADS, out=out, callbacks=[stop], seed=3, verbose=0,
            resume=True,
        ).history  # fmt: skip
        return model, history

    stop = Stop(None)
    whole, expected = run(None, stop)
    steps, done, saved = stop.seen["train"], 0, []
    for moment in (
        Moment("train", 2), Moment("test", 2), Moment("train", steps // 2),
        Moment("train", 3),
    ):  # fmt: skip
        stop = Stop(moment)
        with pytest.raises(stopping.Stopped) as stopped:
            run(tmp_path / "stopped", stop)
        # Of the first step of a stage, nothing is kept.
        done += stop.seen["train"] - (stopped.value.kept is None)
        saved.append(stopped.value.kept)
    assert all(" is saved in " in each for each in saved[:2])
    rest = Stop(None)
    model, found = run(tmp_path / "stopped", rest)
    assert done + rest.seen["train"] == steps
    check_same(whole, model)
    expected.pop("seconds"), found.pop("seconds")
    assert found == expected


def test_a_class_is_labelled_from_its_own_threshold_on(folder):
    data = few_labels(folder, seed=1).everything
    model = digit_model(1)
    outputs, there = outputs_of(model, data)
    found = outputs["digit"].argmax(axis=-1)
    sure = outputs["digit"].max(axis=-1)
    limits = [
        float(np.median(sure[found == label])) if label in found else 1.0
        for label in range(CLASSES)
    ]
    strategy = PseudoLabel(
        confidence={"digit": limits}, adaptive=False, balanced=False,
        label_weight=0.25,
    )  # fmt: skip
    labels = strategy.pseudo_labels(outputs, there, data.labels, HEADS)
    labelled = strategy.with_pseudo_labels(data, labels).labels
    own = data.labels.weights["digit"] > 0
    expected = ~own & (sure >= np.array(limits)[found])
    assert 0 < expected.sum() < (~own).sum()
    np.testing.assert_array_equal(
        labelled.weights["digit"], np.where(own, 1, np.where(expected, 0.25, 0))
    )
    np.testing.assert_array_equal(
        labelled.values["digit"][expected], found[expected]
    )
    np.testing.assert_array_equal(
        labelled.values["digit"][own], data.labels.values["digit"][own]
    )
    assert labelled.only
    np.testing.assert_array_equal(labelled.known, own | expected)


def test_a_modality_that_is_absent_gives_no_label(lacking):
    data = few_labels(lacking, seed=1).everything
    present = np.concatenate(
        [x["present"][:, 0].numpy() > 0 for x, _, _ in data.ordered("train")]
    )
    assert 0 < present.sum() < len(present)
    strategy = CoTrain(confidence=0.01)
    alone = {name: _one(name) for name in ("left", "right")}
    labels = strategy._pseudo_labels(alone, data, {"left": 0}, HEADS)
    unknown = data.labels.weights["digit"] == 0
    np.testing.assert_array_equal(labels["left"]["digit"][1], unknown & present)
    np.testing.assert_array_equal(labels["right"]["digit"][1], unknown)


def _one(name):
    x = keras.Input((8, 8, 1), name=name)
    y = keras.layers.Flatten()(x)
    y = keras.layers.Dense(CLASSES, activation="softmax", name="digit")(y)
    return keras.Model({name: x}, {"digit": y})


def test_samples_that_never_had_a_label_need_no_with_labels(folder):
    data = load_data(folder)
    found = with_everything(data)
    assert found.counts == data.counts
    assert with_everything(found) is found
    with pytest.raises(ValueError, match="so that samples can be given"):
        with_everything(object())


def test_co_training_needs_two_modalities(folder):
    keras.utils.set_random_seed(0)
    strategy = CoTrain(**SHORT)
    with pytest.raises(ValueError, match="two modalities. Received: left"):
        next(strategy.stages(_one("left"), load_data(folder), HEADS))


def test_the_loss_of_consistency_is_its_formula():
    heads = {
        "digit": Category(3),
        "size": Number(mean=0.0, std=1.0, weight=2.0),
    }
    x = keras.Input((4,), name="x")
    outputs = {name: head(x, name) for name, head in heads.items()}
    model = keras.Model({"x": x}, outputs)
    draw = np.random.default_rng(0)
    batch = {
        name: {"x": draw.normal(size=(size, 4)).astype("float32")}
        for name, size in (("labelled", 3), ("weak", 8), ("strong", 8))
    }
    y = {"digit": np.array([0, 1, 2]), "size": np.array([0.5, 1.0, 2.0])}
    weights = {"digit": np.array([1.0, 0, 1]), "size": np.ones(3)}
    middle = np.median(np.max(model(batch["weak"])["digit"], axis=1))
    limits = middle + np.array([0, 0.01, -0.01])
    learner = Consistency(model, heads, {"digit": limits}, weight=0.5)
    learner.compile(optimizer="sgd")
    found = learner(batch, training=True)
    loss = float(learner.compute_loss(batch, y, found, weights))
    plain = {name: model(part) for name, part in batch.items()}
    p = np.asarray(plain["labelled"]["digit"])
    supervised = -np.sum(np.log(p[[0, 2], [0, 2]])) / 3
    error = np.asarray(plain["labelled"]["size"])[:, 0] - y["size"]
    supervised += 2 * np.mean(error**2)
    weak = np.asarray(plain["weak"]["digit"])
    label = weak.argmax(axis=1)
    sure = weak.max(axis=1) >= limits[label]
    assert 0 < sure.sum() < 8
    strong = np.asarray(plain["strong"]["digit"])[np.arange(8), label]
    expected = supervised + 0.5 * np.sum(-np.log(strong[sure])) / 8
    assert loss == pytest.approx(expected, rel=1e-5)
    figures = learner.compute_metrics(batch, y, found, weights)
    assert float(figures["digit_sure"]) == pytest.approx(sure.mean())
    alone = learner(batch["labelled"])
    assert float(
        learner.compute_loss(batch["labelled"], y, alone, weights)
    ) == pytest.approx(supervised, rel=1e-5)


RATE = {"learning_rate": 5e-3, "warmup_epochs": 0.2}
ALONE = FullFineTune(epochs=5, **RATE)
# What each gains in accuracy over the labelled samples alone, at least: the
# mean of three seeds.
GAINS = {
    "pseudo_label": (
        PseudoLabel(
            labelled_epochs=3, rounds=2, epochs=3, confidence=0.9, **RATE
        ),
        0.02,
    ),
    "fixmatch": (
        FixMatch(labelled_epochs=3, epochs=8, confidence=0.9, **RATE),
        0.03,
    ),
    "co_train": (
        CoTrain(labelled_epochs=3, rounds=1, round_epochs=4, epochs=10, **RATE),
        0.06,
    ),
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """All pairs: some 600 to train, of which 20 have a label."""
    return prepared(tmp_path_factory.mktemp("whole"))


def accuracies(strategy, folder):
    found = []
    for seed in range(3):
        # An epoch of twenty samples would be all overhead.
        data = few_labels(folder, seed, augment=MILD, times=40)
        model = digit_model(seed)
        strategy.fit(model, data, HEADS, seed=seed, verbose=0)
        found.append(accuracy(model, data))
    return np.array(found)


@pytest.fixture(scope="module")
def alone(whole):
    return accuracies(ALONE, whole)


@pytest.mark.slow
@pytest.mark.parametrize("name", GAINS)
def test_samples_without_a_label_help(name, whole, alone):
    strategy, margin = GAINS[name]
    found = accuracies(strategy, whole)
    print(name, found.round(3), "instead of", alone.round(3))
    assert (found - alone).mean() >= margin


@pytest.mark.parametrize(
    "name, settings, message",
    [
        ("pseudo_label", {"confidence": 1.5}, "`confidence` must be a number"),
        (
            "pseudo_label",
            {"label_weight": 0},
            "`label_weight` must be a number",
        ),
        ("pseudo_label", {"rounds": -1}, "`rounds` must be a whole number"),
        ("co_train", {"adaptive": 1}, "`adaptive` must be true or false"),
        ("fixmatch", {"ratio": 0}, "`ratio` must be a positive integer"),
        ("fixmatch", {"strength": 0.5}, "`strength` must be a number from 1"),
        ("fixmatch", {"rounds": 1}, "not a setting of the strategy"),
    ],
)
def test_wrong_settings_are_refused_by_name(name, settings, message):
    with pytest.raises(ValueError, match=message):
        make_strategy(name, settings)
