"""Loss balancing: how much each of several targets counts in training."""

from collections.abc import Mapping
from typing import Any

import keras
from keras import ops

from mmkeras import heads as head_kinds
from mmkeras.arguments import check_choice
from mmkeras.training.balancing.gradients import gradient_norms

METHODS = ("fixed", "uncertainty", "gradnorm", "dwa")
# Step of "uncertainty" and of "gradnorm".
RATE = 0.02
# How strongly "gradnorm" favours the target that learns slowest.
PULL = 1.5
# "dwa": larger tells the targets less apart.
TEMPERATURE = 2.0
SMALLEST = 0.01


def balance(
    model: keras.Model, heads: Mapping[str, Any], method: str
) -> keras.Model:
    """Returns what to call `fit` on; `model` itself where nothing is to do.

    What is returned trains `model` in place, with its optimizer, and holds
    the balance; `model` stays as plain as it was, and is what to save.

    Args:
        model: Compiled model from `{modality: x}` to `{target: y}`.
        heads: Its heads by target; their weights multiply the losses before
            these are balanced.
        method: "fixed", or one of those that `Balanced` explains.

    Raises:
        ValueError: If the method is unknown, or not to be had on this
            backend, or the model is not compiled.

    Example:

    >>> model.compile("adam", loss=losses(heads))
    >>> trainer = balance(model, heads, "uncertainty")
    >>> history = trainer.fit(data.train, epochs=5)
    >>> history.history["digit_balance"]
    [0.98, 1.13, 1.35, 1.62, 1.94]
    >>> model.save("model.keras")
    """
    check_choice("balance", method, METHODS)
    if method == "gradnorm" and keras.backend.backend() == "jax":
        raise ValueError(
            "`balance` must be another method on JAX, where a loss cannot ask "
            "for its own gradient. Received: 'gradnorm'. Choices: "
            "fixed, uncertainty, dwa"
        )
    if method == "fixed" or len(heads) < 2:
        return model
    if getattr(model, "optimizer", None) is None:
        raise ValueError(
            "`model` must be compiled before its losses are balanced. "
            "Received: a model without an optimizer"
        )
    return Balanced(model, heads, method)


class Balanced(keras.Model):
    """Trains a model of several targets, and weighs their losses.

    "uncertainty": each target has a learned log-variance s, and the sum of
    `exp(-s) * loss + s` is minimised; a target that cannot be learned well
    counts less. Good as a first choice; a few operations a batch.

    "gradnorm": the gradients of all targets at the last layer that they
    share get one length, longer for a target that learns more slowly than
    the others. One more gradient of that layer for each target.

    "dwa" (dynamic weight average): at each epoch's end, a target whose loss
    fell less than the others' in that epoch gets more weight. Costs nothing;
    looks at how fast targets learn alone, and does not even out their scales.

    All three step by themselves, not by the optimizer, which stays the
    model's own. Validation always uses the fixed weights, so that `val_loss`
    compares epochs. `{target}_balance` joins the epoch's figures.

    Args:
        model: Compiled model.
        heads: Its heads, by target.
        method: One of the above.

    Source: Kendall et al., "Multi-Task Learning Using Uncertainty to Weigh
    Losses", 2018 (arXiv 1705.07115), without its factor of one half; Chen et
    al., "GradNorm", 2018 (arXiv 1711.02257), whose step is divided by the mean
    length, so that it does not depend on the model; Liu et al., "End-to-End
    Multi-Task Learning with Attention", 2019 (arXiv 1803.10704).
    """

    def __init__(self, model, heads, method):
        super().__init__(name=f"balanced_{model.name}")
        self.model, self.method = model, method
        self.targets = sorted(heads)
        self.loss_of = head_kinds.losses(heads, model)
        self.fixed = head_kinds.loss_weights(heads)
        size = (len(heads),)
        # Not trainable: no optimizer keeps slots for them, so that the
        # optimizer is the model's own, and a checkpoint of that is whole.
        self.balance = self.add_weight(
            size, initializer="ones", trainable=False, name="balance"
        )
        # Log-variances, or losses of the first step or the last epoch.
        self.memory = self.add_weight(
            size, initializer="zeros", trainable=False, name="memory"
        )
        self.compile(
            optimizer=model.optimizer,
            loss=self.loss_of,
            loss_weights=self.fixed,
            weighted_metrics=head_kinds.metrics(heads, model),
            jit_compile=model.jit_compile,
        )

    def call(self, x, training=None):
        return self.model(x, training=training)

    def fit(self, *args, callbacks=None, **kwargs):
        # First, so that what is logged, and saved, is this epoch's.
        callbacks = [_EpochEnd(), *(callbacks or ())]
        return super().fit(*args, callbacks=callbacks, **kwargs)

    def compute_loss(
        self, x=None, y=None, y_pred=None, sample_weight=None, training=True
    ):
        total = super().compute_loss(x, y, y_pred, sample_weight, training)
        if not training:
            return total
        losses = [self._loss(n, y, y_pred, sample_weight) for n in self.targets]
        values = ops.stack(losses)
        total = total + ops.sum((self.balance - 1.0) * values)
        known = self._labelled(values, sample_weight)
        if self.method == "uncertainty":
            self._learn_variances(ops.stop_gradient(values), known)
        elif self.method == "gradnorm":
            norms = gradient_norms(losses, self.model.trainable_weights)
            self._level_gradients(ops.stop_gradient(values), known, norms)
        return total

    def _loss(self, name, y, y_pred, sample_weight):
        weight = None if sample_weight is None else sample_weight[name]
        loss = self.loss_of[name](y[name], y_pred[name], weight)
        return self.fixed[name] * loss

    def _labelled(self, values, sample_weight):
        """Returns 1 for each target that has a label in the batch."""
        if sample_weight is None:
            return ops.ones_like(values)
        most = [ops.max(sample_weight[name]) for name in self.targets]
        return ops.cast(ops.stack(most) > 0, values.dtype)

    def _learn_variances(self, values, known):
        # The gradient of exp(-s) * loss + s. Cut off: the first losses may
        # be thousands.
        slope = ops.clip(1 - ops.exp(-self.memory) * values, -1, 1)
        self.memory.assign(self.memory - RATE * slope * known)
        self.balance.assign(ops.exp(-self.memory))

    def _level_gradients(self, values, known, norms):
        memory = ops.convert_to_tensor(self.memory)
        first = ops.where(memory > 0, memory, values)
        self.memory.assign(first * known + memory * (1 - known))
        pace = values / ops.maximum(first, keras.config.epsilon())
        pace = pace / ops.maximum(ops.mean(pace), keras.config.epsilon())
        length = self.balance * norms
        wanted = ops.mean(length) * pace**PULL
        scale = ops.maximum(ops.mean(norms), keras.config.epsilon())
        step = RATE * ops.sign(length - wanted) * norms / scale
        self._assign(ops.maximum(self.balance - step * known, SMALLEST))

    def _assign(self, balance):
        # The sum of all weights stays, and with it the learning rate.
        self.balance.assign(balance * len(self.targets) / ops.sum(balance))

    def end_epoch(self, logs):
        """Adds the balance to the epoch's figures; "dwa" then renews it."""
        for name, value in self.balance_state()["balance"].items():
            logs[f"{name}_balance"] = value
        if self.method == "dwa":
            now = ops.stack([logs[f"{name}_loss"] for name in self.targets])
            now = ops.cast(now, self.memory.dtype)
            memory = ops.convert_to_tensor(self.memory)
            before = ops.where(memory > 0, memory, now)
            pace = now / ops.maximum(before, keras.config.epsilon())
            self._assign(ops.softmax(pace / TEMPERATURE))
            self.memory.assign(now)

    def balance_state(self) -> dict[str, dict[str, float]]:
        """Returns what `restore` takes: JSON values, exact."""
        return {
            part: dict(zip(self.targets, map(float, values), strict=True))
            for part, values in (
                ("balance", ops.convert_to_numpy(self.balance)),
                ("memory", ops.convert_to_numpy(self.memory)),
            )
        }

    def restore(self, state: Mapping[str, Mapping[str, float]]) -> None:
        """Goes on from a checkpoint: its manifest's `balance`."""
        for part, weight in (
            ("balance", self.balance),
            ("memory", self.memory),
        ):
            weight.assign([state[part][name] for name in self.targets])


class _EpochEnd(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        self.model.end_epoch(logs)
