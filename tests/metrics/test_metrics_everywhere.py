"""The same outputs and weights give the same figure through every door."""

from pathlib import Path

import numpy as np
import pytest
from metrics.metrics_toys import fractions
from target_toys import KEYS, problem, target_of

from mmkeras.evaluation import evaluate
from mmkeras.export import ProducedFile, guarded
from mmkeras.export.verification import compare_outputs
from mmkeras.spec import TARGETS
from mmkeras.studies.compare import Table
from mmkeras.studies.compare import figures_of as compared
from mmkeras.studies.ensemble import figures_of as ensembled

# What a head's metrics and the figures of the target both have.
IN_TRAINING = {
    "category": ("accuracy",),
    "categories": (),
    "ordinal": ("accuracy", "mae"),
    "sequence": ("accuracy",),
    "mask": ("dice",),
    "number": ("rmse",),
    "boxes": (),
    "embedding": ("recall_at_1",),
    "text": (),
    "forecast": ("mae",),
    "anomaly": (),
    "transcript": (),
    "tags": (),
}


def arrays(kind):
    """Labels, outputs, and weights between 0 and 2, per step of a sequence."""
    labels, outputs, known = problem(kind, samples=60)
    return labels, outputs, known * fractions(known.shape)


class Answers:
    """A model that gives one target's outputs, whatever it is asked."""

    input = {"x": None}
    output = {"y": None}

    def __init__(self, outputs):
        self.outputs = outputs

    def predict_on_batch(self, x):
        return {"y": self.outputs[np.asarray(x["x"]).astype(int)]}


def batches(labels, weights, size=16):
    for start in range(0, len(labels), size):
        rows = np.arange(start, min(start + size, len(labels)))
        yield {"x": rows}, {"y": labels[rows]}, {"y": weights[rows]}


def evaluated(target, labels, outputs, weights):
    found = evaluate(
        Answers(outputs), batches(labels, weights), {"y": target}, resamples=0
    )["targets"]["y"]["metrics"]
    return {name: figure["value"] for name, figure in found.items()}


def test_every_kind_is_measured():
    assert set(KEYS) == set(TARGETS.known) == set(IN_TRAINING)


@pytest.mark.parametrize("kind", KEYS)
def test_evaluation_comparison_and_ensemble_say_the_same(kind):
    target, (labels, outputs, weights) = target_of(kind), arrays(kind)
    wanted = evaluated(target, labels, outputs, weights)
    assert wanted[target.headline] is not None
    found = compared(
        ({"y": outputs}, {"y": labels}, {"y": weights}), {"y": target}
    )
    assert found["y"] == wanted
    parts = {"y": outputs}, {"y": labels}, {"y": weights}
    assert ensembled({"y": target}, *parts)["y"] == wanted


@pytest.mark.parametrize("kind", KEYS)
def test_the_card_of_a_bundle_says_the_same(kind):
    target, (labels, outputs, weights) = target_of(kind), arrays(kind)
    file = ProducedFile("tflite", "int8", Path("int8.tflite"))
    found = compare_outputs(
        target, labels, weights, outputs, None, {file: outputs}
    )
    wanted = evaluated(target, labels, outputs, weights)
    wanted = {
        name: value for name, value in wanted.items() if value is not None
    }
    assert target.guard in wanted
    assert found.keras.figures == found.files[file.name].figures == wanted
    parts = {"y": target}, {"y": labels}, {"y": weights}, {"y": outputs}
    assert guarded(*parts) == {"y": wanted[target.guard]}


@pytest.mark.parametrize("kind", KEYS)
def test_the_table_of_a_comparison_says_the_same(kind):
    target, (labels, outputs, weights) = target_of(kind), arrays(kind)
    result = {"fraction": 1.0, "arm": "a", "seed": 0}
    table = Table(
        "y", target, {"seeds": [0], "resamples": 5, "groups": None}, [result],
        lambda *_: (labels, outputs, weights),
    )  # fmt: skip
    (value,), resampled = table.of(1.0, "a")
    wanted = evaluated(target, labels, outputs, weights)[target.headline]
    assert value == wanted and resampled.shape == (1, 5)


@pytest.mark.parametrize(
    "kind", [kind for kind, names in IN_TRAINING.items() if names]
)
def test_they_weigh_as_keras_does_while_training_and_tuning(kind):
    import keras

    target, (labels, outputs, weights) = target_of(kind), arrays(kind)
    mean, std = (np.full(target.shape[1:], x).tolist() for x in (50.0, 9.0))
    head = target.head({"mean": mean, "std": std}, target.head_options()())
    found = evaluated(target, labels, outputs, weights)
    metrics = {metric.name: metric for metric in head.metrics()}
    assert target.training_metric in metrics
    for name in IN_TRAINING[kind]:
        metric = metrics[name]
        metric.update_state(labels, outputs.astype("float32"), weights)
        value = keras.ops.convert_to_numpy(metric.result())
        assert found[name] == pytest.approx(float(value), rel=1e-5), name


def test_a_constant_finds_nothing_while_training_either():
    target = target_of("embedding")
    labels, outputs, weights = arrays("embedding")
    constant = np.ones_like(outputs, "float32") / np.sqrt(outputs.shape[1])
    (metric,) = target.head({}, target.head_options()()).metrics()
    metric.update_state(labels, constant, weights)
    assert float(metric.result()) == 0.0
    assert evaluated(target, labels, constant, weights)["recall_at_1"] == 0.0
