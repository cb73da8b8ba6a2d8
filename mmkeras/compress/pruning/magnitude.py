"""Magnitude pruning: small weights become zero, and stay so in training."""

from collections.abc import Sequence

import keras
import numpy as np
from keras import ops

from mmkeras.arguments import check_fraction
from mmkeras.compress.kernels import copy_model, kernels
from mmkeras.compress.pruning.constraints import ConstrainKernels
from mmkeras.compress.pruning.masks import Pattern
from mmkeras.compress.pruning.schedules import (
    Schedule,
    last_turn,
    quick,
)


def prune(
    model: keras.Model,
    sparsity: float = 0.5,
    method: str | tuple[int, int] = "unstructured",
    block: tuple[int, int] = (1, 1),
    pooling: str = "AVG",
    scope: str = "layer",
    skip: Sequence[str] = (),
) -> keras.Model:
    """Returns a copy of a model whose smallest weights are zero.

    At once; `Prune` does it step by step in training, which keeps more of
    the accuracy. Zeros make the file smaller once it is compressed (gzip,
    HTTP, an app store); they make nothing faster.

    Args:
        model: A functional model.
        sparsity: Share of each kernel's weights that become zero, in [0, 1);
            unused where `method` is N:M.
        method: See `mmkeras.compress.pruning.masks.Pattern`, as for `block`,
            `pooling` and `scope`.
        skip: Parts of paths of kernels that are left alone.

    Example:

    >>> small = prune(model, 0.8)
    >>> sparsity(small)["all"]
    0.8
    """
    check_fraction("sparsity", sparsity)
    pattern = Pattern(method, block, pooling, scope)
    pruned = copy_model(model)
    found = kernels(pruned, skip)
    for kernel, mask in zip(found, pattern.masks(found, sparsity), strict=True):
        kernel.variable.assign(kernel.variable * mask)
    return pruned


def sparsity(model: keras.Model) -> dict[str, float]:
    """Returns the share of zeros of each kernel by path, and of "all".

    Example:

    >>> sparsity(model)
    {'conv/kernel': 0.8, 'digit/kernel': 0.8, 'all': 0.8}
    """
    found = [(k.path, ops.convert_to_numpy(k.variable)) for k in kernels(model)]
    shares = {path: float(np.mean(value == 0)) for path, value in found}
    zeros = sum(np.sum(value == 0) for _, value in found)
    size = sum(value.size for _, value in found)
    return shares | {"all": float(zeros / max(size, 1))}


class KeepSparsity(ConstrainKernels):
    """Keeps every zero of the kernels zero while a model is trained.

    For a model pruned before: fine-tuning, distillation, a last stage. A
    kernel that is all zeros is left alone, since that is how some layers
    start.

    Args:
        skip: Parts of paths of kernels whose zeros may go.

    Example:

    >>> model.fit(data.train, callbacks=[KeepSparsity()])
    """

    def projections(self):
        return [_keep_zeros(kernel.variable) for kernel in self.kernels]


def _keep_zeros(variable):
    mask = ops.convert_to_numpy(variable) != 0
    if mask.all() or not mask.any():
        return None
    return _Mask(mask)


class _Mask:
    """A mask that can change while the step that reads it is compiled."""

    def __init__(self, values):
        values = np.asarray(values, "float32")
        self.variable = keras.Variable(values, trainable=False)

    def __call__(self, value):
        return value * ops.cast(self.variable, value.dtype)


class Prune(ConstrainKernels):
    """Prunes a model while `fit` trains it.

    At each turn of the schedule the smallest weights become zero; those that
    were zero before compete with what the optimizer made of them in the last
    step. In between, zeros stay zero: in validation and in checkpoints too.

    The zeros are the only state: the model stays a plain model. A model
    saved with its optimizer resumes the schedule; without it (or
    after a compilation) the schedule starts over, but zeros that a kernel
    already has are never given back.

    Args:
        schedule: `ConstantSparsity`, `PolynomialDecay`, a schedule of tfmot,
            or any callable from the step (1 is the first) to `(should_prune,
            sparsity)`. Unused where `method` is N:M, whose masks are made
            once, before the first step.
        method: See `mmkeras.compress.pruning.masks.Pattern`, as for `block`,
            `pooling` and `scope`.
        skip: Parts of paths of kernels that are left alone.
        start: Steps of the schedule that are over. None: those that this
            callback or the optimizer has counted, where the zeros agree with
            the count, or else 0.

    Early stopping that restores the best weights may restore those of an
    epoch with fewer zeros: let it start from the epoch the schedule ends in.

    Example:

    >>> schedule = PolynomialDecay(0.0, 0.8, begin_step=0, end_step=1000)
    >>> model.fit(data.train, epochs=20, callbacks=[Prune(schedule)])
    >>> sparsity(model)["all"]
    0.8
    """

    def __init__(
        self,
        schedule: Schedule | None = None,
        method="unstructured",
        block=(1, 1),
        pooling="AVG",
        scope="layer",
        skip=(),
        start=None,
    ):
        super().__init__(skip)
        self.pattern = Pattern(method, block, pooling, scope)
        if schedule is None and not self.pattern.group:
            raise ValueError(
                "`schedule` must be given unless `method` is N:M. Received: "
                f"schedule=None, method={method!r}. Choices: "
                "ConstantSparsity, PolynomialDecay, or any callable from the "
                "step to (should_prune, sparsity)"
            )
        self.schedule = _never if self.pattern.group else quick(schedule)
        self.start = start
        self.step = None

    def projections(self):
        values = [ops.convert_to_numpy(k.variable) for k in self.kernels]
        self._floor = self._zeros(values)
        self.masks = [_Mask(np.ones_like(value)) for value in values]
        self.step = self._first_step(values)
        turn = last_turn(self.schedule, self.step + 1)
        self._update(float(self.schedule(turn)[1]) if turn else 0.0)
        return self.masks

    def on_train_batch_begin(self, batch, logs=None):
        # The masks that hold from the next step on are made after this one.
        ahead = self.step + 2
        steps = range(ahead, ahead + self.model.steps_per_execution)
        turns = [self.schedule(step) for step in steps]
        self._next = [share for is_turn, share in turns if bool(is_turn)]
        self._begin = batch
        if self._next and len(steps) == 1:
            self._lift()

    def on_train_batch_end(self, batch, logs=None):
        self.step += batch - self._begin + 1
        if self._next:
            self._update(float(self._next[-1]))

    def _first_step(self, values):
        """Returns the steps of the schedule that are over.

        The count of this callback or of the optimizer is used if the zeros
        agree with it: both may have trained something else before.
        """
        if self.step is None and self.start is not None:
            return self.start
        size = sum(value.size for value in values)
        zeros = sum(np.sum(value == 0) for value in values)
        # Each kernel's share is rounded to whole weights or blocks.
        zeros += len(values) * np.prod(self.pattern.block)
        for done in (self.step or 0, int(self.model.optimizer.iterations)):
            turn = last_turn(self.schedule, done + 1)
            if turn and zeros >= float(self.schedule(turn)[1]) * size:
                return done
        return 0

    def _zeros(self, values):
        """Returns the share of zeros, of each kernel or over all of them.

        A kernel of nothing but zeros has not been pruned: some start so.
        """
        pruned = [np.sum(v == 0) if v.any() else 0 for v in values]
        sizes = [value.size for value in values]
        if self.pattern.scope == "global":
            return sum(pruned) / sum(sizes)
        return np.divide(pruned, sizes)

    def _lift(self):
        """Lets the next step change every weight."""
        for mask in self.masks:
            mask.variable.assign(ops.ones_like(mask.variable))

    def _update(self, share):
        """Makes new masks from the weights, and applies them."""
        shares = np.maximum(self._floor, share)
        new = self.pattern.masks(self.kernels, shares)
        for kernel, mask, values in zip(
            self.kernels, self.masks, new, strict=True
        ):
            mask.variable.assign(values)
            kernel.variable.assign(mask(kernel.variable))
            average = self.average(kernel.variable)
            if average is not None:
                average.assign(mask(average))


def _never(step):
    return False, 0.0
