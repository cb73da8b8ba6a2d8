"""Constraints that keep zeros or clusters of kernels during training."""

from collections.abc import Callable

import keras

from mmkeras import keras_private as private
from mmkeras.compress.kernels import kernels


class KernelConstraint:
    """A constraint on a variable and on the optimizer's average of it.

    Args:
        project: Function from a value to one with the constraint.
        before: The variable's own constraint, or None.
        average: The optimizer's moving average of the variable, or None.
        fit: Identifies one call of `fit`.
    """

    def __init__(
        self,
        project: Callable,
        before: Callable | None,
        average: keras.Variable | None,
        fit: object,
    ):
        self.project = project
        self.before = before
        self.average = average
        self.fit = fit

    def __call__(self, value):
        # Keras updates the average before it applies the constraint, so the
        # average holds the value from before the projection.
        if self.average is not None:
            self.average.assign(self.project(self.average))
        return self.project(self.before(value) if self.before else value)


class ConstrainKernels(keras.callbacks.Callback):
    """Base of the callbacks that constrain kernels within the training step.

    The optimizer applies the constraint within the compiled step, so that it
    holds for weights, averages, validation and checkpoints at any time, and a
    step costs little more. A subclass implements `projections`.

    Args:
        skip: Parts of paths of the kernels left alone.
    """

    def __init__(self, skip=()):
        super().__init__()
        self.skip = skip

    def projections(self):
        """Returns a function from value to constrained value for each kernel.

        None leaves a kernel unconstrained. The kernels are `self.kernels`.
        """
        raise NotImplementedError(
            f"{type(self).__name__} must implement `projections()`."
        )

    def on_train_begin(self, logs=None):
        if keras.backend.backend() == "jax":
            raise ValueError(
                f"`{type(self).__name__}` needs a backend whose callbacks can "
                'change weights. Received: "jax". Choices: tensorflow, torch'
            )
        found = kernels(self.model, self.skip)
        # Frozen kernels (of a tower, a teacher) do not change anyway.
        self.kernels = [k for k in found if k.variable.trainable]
        optimizer = self.model.optimizer
        if not optimizer.built:
            optimizer.build(self.model.trainable_variables)
        self._averages = averages(optimizer)
        for kernel, project in zip(
            self.kernels, self.projections(), strict=True
        ):
            if project is not None:
                self._constrain(kernel.variable, project)
        # A step compiled before has no constraints.
        self.model.make_train_function(force=True)

    def on_train_end(self, logs=None):
        for kernel in self.kernels:
            release(kernel.variable)
        self.model.train_function = None

    def average(self, variable):
        """Returns the optimizer's moving average of a variable, or None."""
        return self._averages.get(id(variable))

    def _constrain(self, variable, project):
        # All callbacks of a call of `fit` get one and the same dict; another
        # one is of a call that was interrupted.
        before = variable.constraint
        if (
            isinstance(before, KernelConstraint)
            and before.fit is not self.params
        ):
            release(variable)
            before = variable.constraint
        average = self.average(variable)
        variable.constraint = KernelConstraint(
            project, before, average, self.params
        )


def release(variable: keras.Variable) -> None:
    """Removes our constraints from a variable; its own one stays."""
    while isinstance(variable.constraint, KernelConstraint):
        variable.constraint = variable.constraint.before


def averages(optimizer: keras.optimizers.Optimizer) -> dict:
    """Returns the moving averages of an optimizer by the variable's id."""
    optimizer = getattr(optimizer, "inner_optimizer", optimizer)
    if not getattr(optimizer, "use_ema", False):
        return {}
    pairs = private.averages_of(optimizer)
    return {id(variable): average for variable, average in pairs}
