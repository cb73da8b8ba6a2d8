"""The whole evaluation: what it holds, compares, and writes."""

import json

import keras
import numpy as np
import pytest
from evaluation_toys import (
    CLASSES,
    OPTIONAL,
    TARGETS,
    ToyModel,
    toy_batches,
)
from target_toys import target_of

from mmkeras import artefact
from mmkeras.evaluation import (
    evaluate,
    predict,
    subsets,
    without,
    write_evaluation,
)
from mmkeras.metrics import measure

STATISTICS = {
    "digit": {"counts": {"zero": 5, "one": 30, "two": 10}},
    "size": {"mean": 50.0, "std": 29.0},
    "tags": {"counts": {"a": 10, "b": 90}},
}
TRAINED = {
    "image": {"digit": {"accuracy": {"value": 0.7, "low": 0.6, "high": 0.8}}},
    "audio": {"size": {"mae": 3.5}},
}


@pytest.fixture(scope="module")
def result():
    return evaluate(
        ToyModel(),
        toy_batches(),
        TARGETS,
        optional=OPTIONAL,
        statistics=STATISTICS,
        train_samples=100,
        baselines=TRAINED,
        resamples=100,
    )


def value(entry, metric):
    return entry["metrics"][metric]["value"]


def named(entries, name):
    return next(entry for entry in entries if entry["name"] == name)


def test_the_result_is_json(result):
    assert json.loads(json.dumps(result, allow_nan=False)) == result
    assert result["samples"] == 40 and sorted(result["targets"]) == [
        "digit",
        "size",
        "tags",
    ]


def test_metrics_are_those_of_all_labelled_samples(result):
    digit = result["targets"]["digit"]
    # Four wrong of forty, four of which have no label.
    assert digit["count"] == 36
    assert value(digit, "accuracy") == pytest.approx(32 / 36)
    assert value(result["targets"]["tags"], "subset_accuracy") == 1
    assert value(result["targets"]["size"], "r2") > 0.95


def test_confusion_counts_true_classes_by_row(result):
    digit = result["targets"]["digit"]
    counts = np.array(digit["confusion"])
    assert counts.sum() == 36 and np.trace(counts) == 32
    support = [row["support"] for row in digit["per_class"]]
    np.testing.assert_array_equal(counts.sum(axis=1), support)
    wrong = [(s["label"], s["answer"]) for s in digit["worst"][:4]]
    for true, answered in wrong:
        assert counts[CLASSES.index(true), CLASSES.index(answered)] > 0


def test_each_modality_is_taken_away_and_left_alone(result):
    digit = result["targets"]["digit"]["subsets"]
    full = value(result["targets"]["digit"], "accuracy")
    assert value(named(digit, "without audio"), "accuracy") == full
    assert value(named(digit, "without image"), "accuracy") < 0.6
    names = {subset["name"] for subset in digit}
    assert names == {
        *(f"without {name}" for name in OPTIONAL),
        "without image and text",
        "without audio and text",
        "without audio and image",
        "only table",
    }
    size = result["targets"]["size"]["subsets"]
    assert value(named(size, "without audio"), "r2") < 0.1
    assert value(named(size, "without image and text"), "r2") > 0.95


def test_baselines_stand_beside_the_model(result):
    digit = result["targets"]["digit"]["baselines"]
    assert [b["name"] for b in digit] == ["majority class", "image alone"]
    _, labels, weights = predict(ToyModel(), toy_batches())
    ones = np.mean(labels["digit"][weights["digit"] > 0] == 1)
    assert value(digit[0], "accuracy") == pytest.approx(ones)
    assert value(digit[0], "roc_auc") == 0.5
    assert digit[1]["metrics"] == TRAINED["image"]["digit"]
    size = result["targets"]["size"]["baselines"]
    spread = np.abs(labels["size"] - 50).mean()
    assert value(size[0], "mae") == pytest.approx(spread, rel=1e-5)
    assert size[1]["metrics"]["mae"] == {
        "value": 3.5,
        "low": None,
        "high": None,
    }
    tags = result["targets"]["tags"]["baselines"][0]
    assert value(tags, "macro_recall") == 0.5


def test_the_worst_samples_come_first(result):
    digit = result["targets"]["digit"]["worst"]
    assert sorted(s["index"] for s in digit[:4]) == [0, 1, 2, 3]
    assert all(s["label"] != s["answer"] for s in digit[:4])
    assert digit[0]["error"] >= digit[-1]["error"]
    size = result["targets"]["size"]["worst"]
    errors = [abs(s["label"] - s["answer"]) for s in size]
    assert errors == sorted(errors, reverse=True)
    predictions, labels, _ = predict(ToyModel(), toy_batches())
    error = np.abs(predictions["size"][:, 0] - labels["size"])
    assert size[0]["index"] == int(np.argmax(error))


def test_a_target_without_any_label_is_no_error():
    batches = toy_batches()
    for _, _, weights in batches:
        weights["size"][:] = 0
    entry = evaluate(ToyModel(), batches, TARGETS, resamples=5)
    assert entry["targets"]["size"]["metrics"] == {}
    assert entry["targets"]["size"]["worst"] == []


def test_predictions_keep_the_order_of_a_keras_model_and_its_data():
    """Several batch sizes, tensors or arrays, weights or none."""
    import tensorflow as tf

    x = keras.Input((2,), name="table")
    y = keras.layers.Dense(1, name="size", kernel_initializer="ones")(x)
    model = keras.Model({"table": x}, {"size": y})
    table = np.arange(10, dtype="float32").reshape(5, 2)
    labels = np.arange(5, dtype="float32")
    arrays = ({"table": table}, {"size": labels})

    class Batches(keras.utils.PyDataset):
        def __len__(self):
            return 2

        def __getitem__(self, index):
            part = slice(3 * index, 3 * index + 3)
            return keras.tree.map_structure(lambda a: a[part], arrays)

    for dataset in (
        tf.data.Dataset.from_tensor_slices(arrays).batch(2),
        Batches(),
        [arrays],
    ):
        outputs, found, weights = predict(model, dataset)
        np.testing.assert_allclose(outputs["size"][:, 0], table.sum(axis=1))
        np.testing.assert_array_equal(found["size"], labels)
        np.testing.assert_array_equal(weights["size"], np.ones(5))
    targets = {"size": target_of("number", unit="")}
    result = evaluate(model, [arrays], targets, resamples=5)
    assert result["modalities"] == ["table"]
    assert result["targets"]["size"]["subsets"] == []


def test_an_absent_modality_is_zero_and_says_so():
    batches = toy_batches()
    changed = list(without(batches, ["image"], OPTIONAL))
    for (x, y, w), (new_x, new_y, new_w) in zip(batches, changed, strict=True):
        assert not new_x["image"].any()
        assert new_x["image"].dtype == x["image"].dtype
        # The columns are audio, image, text.
        np.testing.assert_array_equal(
            new_x["present"], x["present"] * [1, 0, 1]
        )
        np.testing.assert_array_equal(new_x["audio"], x["audio"])
        assert x["present"].all(), "the data set itself was changed"
        for old, new in ((y, new_y), (w, new_w)):
            for name in old:
                np.testing.assert_array_equal(old[name], new[name])


@pytest.mark.parametrize(
    ("optional", "modalities", "names"),
    [
        ([], ["a", "b"], []),
        (["a"], ["a"], []),
        (["b"], ["a", "b"], ["only a"]),
        (["a", "b"], ["a", "b"], ["only b", "only a"]),
        (
            ["a", "b", "c"],
            ["a", "b", "c"],
            ["without a", "without b", "without c", "only a", "only b",
             "only c"],
        ),
        (
            ["a", "b"],
            ["a", "b", "c"],
            ["without a", "without b", "only c"],
        ),
    ],
)  # fmt: skip
def test_every_subset_is_named_once(optional, modalities, names):
    found = subsets(optional, modalities)
    assert [subset["name"] for subset in found] == names
    for subset in found:
        assert set(subset["absent"]) | set(subset["present"]) == set(modalities)
        assert subset["present"], "a subset with nothing in it"


@pytest.mark.parametrize(
    ("kind", "classes", "statistics", "samples", "expected"),
    [
        (
            "category",
            CLASSES,
            {"counts": {"zero": 1, "two": 3}},
            None,
            [0.25, 0, 0.75],
        ),
        (
            "categories",
            ["a", "b"],
            {"counts": {"a": 1, "b": 3}},
            4,
            [0.25, 0.75],
        ),
        ("number", None, {"mean": 4.0}, None, [4.0]),
        ("number", None, {}, None, None),
        ("category", CLASSES, {"counts": {}}, None, None),
        ("categories", ["a", "b"], {"counts": {"a": 1}}, None, None),
        ("category", CLASSES, {}, None, None),
        ("embedding", None, {"identities": 3}, 9, None),
    ],
)
def test_a_constant_knows_the_training_labels_alone(
    kind, classes, statistics, samples, expected
):
    target = target_of(kind, **({"classes": classes} if classes else {}))
    output = target.constant(statistics, samples)
    if expected is None:
        assert output is None
    else:
        np.testing.assert_allclose(output, expected)


def test_the_majority_class_scores_its_share():
    target = target_of("category", classes=CLASSES)
    output = target.constant({"counts": {"zero": 9, "one": 1}})
    labels = np.array([0, 0, 0, 2])
    outputs = np.broadcast_to(output, (4, 3))
    got = measure(target.figures(labels, outputs), resamples=0)
    assert got["accuracy"]["value"] == 0.75


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: evaluate(ToyModel(), toy_batches(), {"age": None}),
            r"\['digit', 'size', 'tags'\]. Received: \['age'\]",
        ),
        (lambda: predict(ToyModel(), []), "at least one sample"),
        (
            lambda: list(without(toy_batches(), ["table"], OPTIONAL)),
            r"must name optional modalities. Received: \['table'\]",
        ),
    ],
)
def test_what_cannot_be_evaluated_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_outputs_that_are_not_finite_are_refused_by_target():
    class Broken(ToyModel):
        def predict_on_batch(self, x):
            outputs = super().predict_on_batch(x)
            outputs["size"][3] = np.nan
            return outputs

    with pytest.raises(ValueError, match="Inf in `size` for 3 of 40 .*index 3"):
        evaluate(Broken(), toy_batches(), TARGETS)


def test_an_evaluation_is_written_with_its_proof(result, tmp_path):
    out = tmp_path / "run" / "evaluation"
    manifest = write_evaluation(out, result, "<p>é</p>", model_sha256="00")
    assert artefact.read_manifest(out, "evaluation") == manifest
    assert manifest["model_sha256"] == "00"
    assert json.loads((out / "evaluation.json").read_text()) == result
    assert (out / "report.html").read_text(encoding="utf-8") == "<p>é</p>"
