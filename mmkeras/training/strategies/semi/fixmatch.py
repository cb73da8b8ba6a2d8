"""FixMatch: the same output for a weakly and a strongly augmented sample."""

from dataclasses import dataclass
from types import SimpleNamespace

import keras
from keras import ops

from mmkeras import heads as head_kinds
from mmkeras.options import option
from mmkeras.training.stages.definition import Stage
from mmkeras.training.strategies.semi.base import FewLabels, with_everything
from mmkeras.training.strategies.semi.confidence import confidences
from mmkeras.values import COUNT, FROM_ZERO, WHOLE, is_real


@dataclass(frozen=True, kw_only=True)
class FixMatch(FewLabels):
    """Learns labels, and equal outputs for weakly and strongly augmented views.

    1. "labelled": the whole model learns the labelled samples.
    2. "consistency": each batch holds labelled samples and, `ratio` times as
       many, any samples in two views, one augmented as the data are and one
       `strength` times as much. A confident class of the weak view is the
       label of the strong view.

    Good for modalities with a good augmentation: pictures, sound, series. A
    batch has as many samples as any other, so that a step costs about twice
    as much as a plain one: any sample takes one pass of inference and one of
    training.

    Args:
        epochs: Passes over all training samples.
        ratio: Samples without, for each with a label, in a batch.
        strength: How many times as far the strong view is changed.
        consistency_weight: Weight of the loss on the strong views.

    Every argument of `FewLabels` and `Strategy` is taken too.

    Source: Sohn et al., "FixMatch: Simplifying Semi-Supervised Learning with
    Consistency and Confidence", 2020 (arXiv 2001.07685). Here the weak view
    is predicted without dropout, by the batch statistics so far, which the
    first stage makes; and the strong view is more of the weak one's changes,
    not RandAugment.

    Example:

    >>> strategy = FixMatch(labelled_epochs=5, epochs=10)
    >>> history = strategy.fit(model, data.with_labels(0.1), heads)
    """

    epochs: int = option(10, WHOLE, "epochs")
    ratio: int = option(3, COUNT)
    strength: float = option(
        3.0, ("a number from 1", lambda v: is_real(v) and v >= 1)
    )
    consistency_weight: float = option(1.0, FROM_ZERO)

    def plan(self, model):
        return [
            ("labelled", self.labelled_epochs),
            ("consistency", self.epochs),
        ]

    def stages(self, model, data, heads):
        data = with_everything(data)
        learner = Consistency(
            model,
            heads,
            confidences(self.confidence, heads),
            self.consistency_weight,
        )
        labelled = max(1, data.batch_size // (1 + self.ratio))
        unlabelled = max(1, data.batch_size - labelled)
        both = SimpleNamespace(
            train=data.views(labelled, unlabelled, self.strength),
            validation=data.validation,
        )
        yield Stage(
            "labelled", model, data, self.labelled_epochs, self.learning_rate
        )
        yield Stage(
            "consistency",
            learner,
            both,
            self.epochs,
            self.learning_rate,
            heads={},
            product=model,
        )


class Consistency(keras.Model):
    """Trains `model`, which stays as it is, on labels and on pairs of views.

    A batch to train on is `({"labelled": x, "weak": x, "strong": x}, y,
    weights)`, to validate on `(x, y, weights)`. The loss is that of the
    heads on the labelled samples, and for each target with a confidence
    `weight * mean(sure * loss(argmax(weak output), strong output))`, over
    all pairs, sure or not. Labelled and strong samples go through the model
    together, so that they share batch statistics.

    Args:
        model: From `{modality: x}` to `{target: y}`.
        heads: Its heads by target.
        confidence: `(classes,)` by target.
        weight: Weight of the loss on the strong views.
    """

    def __init__(self, model, heads, confidence, weight=1.0):
        super().__init__(name=f"consistent_{model.name}")
        self.model = model
        self.loss_of = head_kinds.losses(heads, model)
        self.weight_of = head_kinds.loss_weights(heads)
        self.confidence = confidence
        self.weight = weight
        # Named as Keras names them: by the target where there are several.
        self.figures = {
            target: [
                _named(metric, f"{target}_" if len(heads) > 1 else "")
                for metric in each
            ]
            for target, each in head_kinds.metrics(heads, model).items()
        }
        self.sure = {
            target: keras.metrics.Mean(name=f"{target}_sure")
            for target in confidence
        }

    def call(self, x, training=None):
        if "labelled" not in x:
            return self.model(x, training=training)
        size = ops.shape(next(iter(x["labelled"].values())))[0]
        both = {
            name: ops.concatenate([value, x["strong"][name]])
            for name, value in x["labelled"].items()
        }
        found = self.model(both, training=training)
        return {
            "labelled": {name: value[:size] for name, value in found.items()},
            "strong": {name: value[size:] for name, value in found.items()},
            "weak": self.model(x["weak"], training=False),
        }

    def compute_loss(
        self, x=None, y=None, y_pred=None, sample_weight=None, training=True
    ):
        labelled = y_pred.get("labelled", y_pred)
        total = sum(self.losses)
        for name, loss in self.loss_of.items():
            weight = None if sample_weight is None else sample_weight[name]
            found = loss(y[name], labelled[name], weight)
            total = total + self.weight_of[name] * found
        if labelled is y_pred:
            return total
        for name in self.confidence:
            found = self._consistency(name, y_pred["weak"], y_pred["strong"])
            total = total + self.weight * self.weight_of[name] * found
        return total

    def _consistency(self, name, weak, strong):
        answer = ops.stop_gradient(weak[name])
        label = ops.argmax(answer, axis=-1)
        limits = ops.convert_to_tensor(self.confidence[name], answer.dtype)
        sure = ops.max(answer, axis=-1) >= ops.take(limits, label)
        sure = ops.cast(sure, answer.dtype)
        self.sure[name].update_state(sure)
        return self.loss_of[name](label, strong[name], sure)

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        labelled = y_pred.get("labelled", y_pred)
        for name, metrics in self.figures.items():
            weight = None if sample_weight is None else sample_weight[name]
            for metric in metrics:
                metric.update_state(y[name], labelled[name], weight)
        found = self.get_metrics_result()
        if labelled is y_pred:
            for metric in self.sure.values():
                found.pop(metric.name)
        return found


def _named(metric, start):
    config = {**metric.get_config(), "name": start + metric.name}
    return type(metric).from_config(config)
