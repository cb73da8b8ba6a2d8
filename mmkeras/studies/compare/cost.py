"""What a training run costs: samples, seconds and multiply-adds."""

import math
import time
from typing import Any

import keras

from mmkeras.compress.channels.groups import multiply_adds
from mmkeras.training.pretext.contrastive import Contrast
from mmkeras.training.trainable.single_towers import modalities, tower_of

# A training step takes the forward pass of what learns, and about twice that
# for the gradients of its inputs and of its weights.
PASSES = 3
# Views of each sample in a contrastive step.
VIEWS = 2


class Cost(keras.callbacks.Callback):
    """Counts the multiply-adds of every stage, and times the steps.

    A sample costs the multiply-adds of each part of the whole model that the
    stage's model holds: three times those of a part that learns, once those
    of a frozen one, none of a tower whose outputs are cached (the passes that
    fill the cache are counted). Heads, decoders and projections that a stage
    throws away count their kernels once a sample, three times over. Inference
    of a semi-supervised strategy that only makes pseudo-labels is not counted.
    It is an estimate that compares arms, no measurement.

    Args:
        whole: The whole model.
        batch_size: Samples a step.
        cached_samples: What filling a cache reads, its passes included.

    Attributes:
        total: Multiply-adds so far.
        longest_sec: Seconds of the longest step, with what came before it in
            its epoch: by so much, or by the set-up of a stage, a budget of
            seconds may be missed.
    """

    def __init__(self, whole, batch_size, cached_samples=0):
        super().__init__()
        self.batch_size = batch_size
        self.cached_samples = cached_samples
        self.parts = parts_of(whole)
        self.total = 0
        self.longest_sec = 0.0
        self._since = 0.0
        self._sample = 0
        self._cached = False

    def on_train_begin(self, logs=None):
        self._sample = sample_cost(self.model, self.parts)
        known = {id(w) for w in self.model.weights}
        held = {name for name, part in self.parts.items() if part[1] & known}
        if held == {""} and len(self.parts) > 1 and not self._cached:
            towers = sum(cost for name, (cost, _) in self.parts.items() if name)
            self.total += towers * self.cached_samples
            self._cached = True

    def on_epoch_begin(self, epoch, logs=None):
        self._since = time.perf_counter()

    def on_train_batch_end(self, batch, logs=None):
        self.total += self._sample * self.batch_size
        now = time.perf_counter()
        self.longest_sec = max(self.longest_sec, now - self._since)
        self._since = now

    def state(self):
        return {
            "total": self.total,
            "longest_sec": self.longest_sec,
            "cached": self._cached,
        }

    def restore(self, state):
        self.total, self._cached = int(state["total"]), bool(state["cached"])
        self.longest_sec = float(state["longest_sec"])


def parts_of(whole: keras.Model) -> dict[str, tuple[int, set[int]]]:
    """Returns multiply-adds and ids of the weights of a model's parts.

    Returns:
        `{modality: (multiply_adds, ids)}` of each tower, and under "" those
        of fusion and heads.
    """
    parts = {}
    for name in modalities(whole):
        tower = tower_of(whole, name)
        parts[name] = (multiply_adds(tower), {id(w) for w in tower.weights})
    towers = set().union(*(ids for _, ids in parts.values()))
    rest = multiply_adds(whole) - sum(cost for cost, _ in parts.values())
    parts[""] = (rest, {id(w) for w in whole.weights} - towers)
    return parts


def sample_cost(
    model: keras.Model, parts: dict[str, tuple[int, set[int]]]
) -> int:
    """Returns the multiply-adds of one sample in a training step of `model`.

    Args:
        model: What `fit` is called on.
        parts: Parts of the whole model, as `parts_of` returns them.
    """
    weights = {id(weight): weight for weight in model.weights}
    learns = {id(weight) for weight in model.trainable_weights}
    total = 0
    for cost, ids in parts.values():
        if ids & learns:
            total += PASSES * cost
        elif ids & set(weights):
            total += cost
    own = set().union(*(ids for _, ids in parts.values()))
    # Heads and decoders that a stage discards: no graph to count them in.
    extra = [w for i, w in weights.items() if i not in own and i in learns]
    total += PASSES * sum(_kernel(weight) for weight in extra)
    return total * (VIEWS if isinstance(model, Contrast) else 1)


def _kernel(weight: Any) -> int:
    return math.prod(weight.shape) if len(weight.shape) > 1 else 0
