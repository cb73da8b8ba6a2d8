"""The model that trains a student on labels and on its teachers' outputs."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
from keras import ops

from mmkeras import keras_private as private
from mmkeras.arguments import check_number
from mmkeras.compress.distillation.losses import Relations, SoftLabels
from mmkeras.compress.distillation.pairs import Plan, layer_names, times

__all__ = ["Distiller", "Relations", "SoftLabels", "distill"]


class Distiller(keras.Model):
    """Trains a student on labels and on its teachers' outputs.

    The loss is `student_loss_weight * (loss of the labels) +
    (1 - student_loss_weight) * (sum of the distillation losses)`. Compile and
    fit it as the student itself: losses, metrics and sample weights by target.
    A sample weight of 0, a missing label, takes the sample out of the loss of
    the labels alone: the teacher's outputs still count. Data without labels
    train on the teacher alone.

    Batches hold the inputs of the teachers and of the student; each model
    takes its own, so a teacher of images, sound and text can train a student
    of sound alone. Several teachers are averaged by their probabilities.

    The teachers are no part of this model: they run as in inference, and are
    neither trained nor saved. Its only entry in `layers` is the student, so
    that callbacks that hold masks or clusters find the student's weights.
    Save `distiller.student`, a plain model as before.

    Args:
        teacher: A functional model, or several.
        student: A functional model whose targets are among the teachers'.
        distillation_losses: One or more of `SoftLabels`, `Relations`,
            `keras.distillation.FeatureDistillation` (several pairs of layers
            are several losses) and losses of your own. `SoftLabels()` by
            default. Layer names are paths, as in `"image_tower/vector"`; a
            student's layer of another width is projected by a Dense layer
            that is thrown away. Layers need a single teacher.
        distillation_loss_weights: A weight for each; 1.0 by default.
        student_loss_weight: Weight of the labels, 0 to 1.
        optional: Names of the columns of the batch's `present`. With it,
            each model gets the columns of its own modalities; and where a
            student without `present` lacks a modality in a sample, that
            sample does not count.

    Raises:
        ValueError: If models, losses and weights do not fit each other.

    References: Hinton et al., 2015 (soft labels); Romero et al., 2015 (layers);
    Park et al., 2019 (relations).

    Example:

    >>> distiller = Distiller(teacher, student, SoftLabels(temperature=4.0))
    >>> distiller.compile("adam", loss=losses(heads),
    ...                   weighted_metrics=metrics(heads))
    >>> distiller.fit(data.train, validation_data=data.validation, epochs=20)
    >>> distiller.student.save("student.keras")
    """

    def __init__(
        self,
        teacher,
        student,
        distillation_losses=None,
        distillation_loss_weights=None,
        student_loss_weight=0.5,
        optional=(),
        name="distiller",
    ):
        super().__init__(name=name)
        self.student = student
        self.distillation_losses = _as_list(distillation_losses, SoftLabels())
        self.distillation_loss_weights = _check_weights(
            distillation_loss_weights,
            self.distillation_losses,
            student_loss_weight,
        )
        self.student_loss_weight = student_loss_weight
        # A plain object: Keras would track teachers as layers of this model.
        self._plan = Plan(
            _as_list(teacher), student, self.distillation_losses, optional
        )
        self._projections = self._plan.projections()
        self._label_loss = keras.metrics.Mean(name="label_loss")
        self._distillation_loss = keras.metrics.Mean(name="distillation_loss")
        self.built = True

    @property
    def layers(self):
        return [self.student]

    @property
    def output(self):
        return self.student.output

    def call(self, inputs, training=False):
        found = self._plan.student(inputs, training=bool(training))
        # `compute_loss` follows in the same trace and needs more than y_pred.
        self._plan.student_outputs = found
        return found["outputs"]

    def compute_loss(
        self, x=None, y=None, y_pred=None, sample_weight=None, training=True
    ):
        seen = self._plan.seen(x)
        penalty = sum((ops.sum(loss) for loss in self.losses), ops.zeros(()))
        label = ops.zeros(())
        if y is not None and private.has_loss(self):
            weight = _weights(y, sample_weight, seen)
            label = super().compute_loss(x, y, y_pred, weight, training)
            label -= penalty
        share = self.student_loss_weight
        # With weight 0 the teachers need not run.
        soft = self._soft_loss(x, seen) if share < 1 else ops.zeros(())
        count = ops.shape(keras.tree.flatten(x)[0])[0]
        self._label_loss.update_state(label, sample_weight=count)
        self._distillation_loss.update_state(soft, sample_weight=count)
        return share * label + (1 - share) * soft + penalty

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        seen = self._plan.seen(x)
        weight = _weights(y, sample_weight, seen) if y is not None else None
        return super().compute_metrics(x, y, y_pred, weight)

    def _soft_loss(self, x, seen):
        plan, student = self._plan, self._plan.student_outputs
        teachers = keras.tree.map_structure(
            ops.stop_gradient, [t(x, training=False) for t in plan.teachers]
        )
        total = ops.zeros(())
        for loss, weight, projection in zip(
            self.distillation_losses,
            self.distillation_loss_weights,
            self._projections,
        ):
            if layer_names(loss) is None:
                value = loss.compute_loss(
                    plan.teacher_logits(teachers),
                    plan.student_logits(student),
                    activations=plan.activations,
                    weight=seen,
                )
            else:
                pair = plan.layer_pair(loss, teachers, student, projection)
                if not isinstance(loss, Relations) and seen is not None:
                    pair = [times(each, seen) for each in pair]
                value = loss.compute_loss(*pair, weight=seen)
            total += weight * value
        return total

    def save(self, *args, **kwargs):
        raise ValueError(
            "What is saved must be the student, `distiller.student`. "
            "Received: the distiller, which cannot be used without its teacher"
        )


def distill(
    teacher: keras.Model | Sequence[keras.Model],
    student: keras.Model,
    data: Any,
    epochs: int,
    loss: Any = None,
    optimizer: Any = "adam",
    loss_weights: Mapping[str, float] | None = None,
    weighted_metrics: Any = None,
    validation_data: Any = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    verbose: int | str = 0,
    **options: Any,
) -> keras.Model:
    """Trains `student`, in place, by `Distiller`; returns it.

    Args:
        teacher: A functional model, or several.
        student: A functional model.
        data: Batches `(x, y, sample_weight)`, `(x, y)` or `(x,)`.
        epochs: Number of epochs.
        loss: Loss of the labels, as for `student.compile`.
        optimizer: As for `compile`.
        loss_weights: As for `compile`.
        weighted_metrics: As for `compile`.
        validation_data: As for `fit`.
        callbacks: As for `fit`.
        verbose: As for `fit`.
        **options: Further arguments of `Distiller`.

    Example:

    >>> small = distill(big, small, data.train, epochs=20, loss=losses(heads))
    """
    distiller = Distiller(teacher, student, **options)
    distiller.compile(
        optimizer=optimizer,
        loss=loss,
        loss_weights=loss_weights,
        weighted_metrics=weighted_metrics,
    )
    private.create_variables_for(distiller, data)
    distiller.fit(
        data,
        epochs=epochs,
        validation_data=validation_data,
        callbacks=list(callbacks),
        # A tf.data.Dataset shuffles by itself, and Keras would warn.
        shuffle=isinstance(data, keras.utils.PyDataset),
        verbose=verbose,
    )
    return student


def _as_list(value: Any, default: Any = None) -> list:
    if value is None:
        return [default]
    return list(value) if isinstance(value, (list, tuple)) else [value]


def _check_weights(weights: Any, losses: list, share: float) -> list[float]:
    check_number("student_loss_weight", share, least=0, most=1)
    weights = [1.0] * len(losses) if weights is None else list(weights)
    if len(weights) != len(losses):
        raise ValueError(
            "`distillation_loss_weights` must have an entry for each of the "
            f"{len(losses)} losses. Received: {weights}"
        )
    return weights


def _weights(y: Any, weight: Any, seen: Any) -> Any:
    if seen is None:
        return weight
    if weight is None:
        return keras.tree.map_structure(lambda _: seen, y)
    return keras.tree.map_structure(lambda w: times(w, seen), weight)
