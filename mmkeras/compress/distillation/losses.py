"""Distillation losses: soft labels, and relations between samples."""

from collections.abc import Mapping
from typing import Any

import keras
from keras import ops

from mmkeras.arguments import check_number

ACTIVATIONS = ("softmax", "sigmoid", "linear")


class SoftLabels(keras.distillation.DistillationLoss):
    """The teacher's outputs, softened by a temperature (Hinton et al., 2015).

    A category is compared by the Kullback-Leibler divergence of
    `softmax(logits / temperature)`, categories by that of each class alone,
    averaged over the classes; both times `temperature ** 2`, so that the
    gradient keeps its size. A number is compared by its squared error in the
    unit of the layer before a last `Rescaling`, which for the head `Number`
    is the standard deviation.

    `keras.distillation.LogitsDistillation` supports one kind of target, and
    needs models that output logits.

    Args:
        temperature: Above 1 gives the wrong classes more weight.
        weights: `{target: weight}`; 1.0 for a target that is not named.
        activations: `{target: "softmax" | "sigmoid" | "linear"}`, what
            the last layer applies, for targets where it does not show it.

    Example:

    >>> loss = SoftLabels(temperature=4.0, weights={"rating": 0.5})
    """

    def __init__(
        self,
        temperature: float = 4.0,
        weights: Mapping[str, float] | None = None,
        activations: Mapping[str, str] | None = None,
    ):
        check_number("temperature", temperature, above=0)
        for target, activation in (activations or {}).items():
            if activation not in ACTIVATIONS:
                raise ValueError(
                    "`activations` must name one of "
                    f"{', '.join(ACTIVATIONS)} for each target. Received: "
                    f"{target}={activation!r}"
                )
        self.temperature = temperature
        self.weights = dict(weights or {})
        self.activations = dict(activations or {})

    def compute_loss(
        self,
        teacher_outputs: Mapping[str, Any],
        student_outputs: Mapping[str, Any],
        activations: Mapping[str, str] | None = None,
        weight: Any = None,
        **kwargs,
    ):
        """Returns the weighted sum over the targets.

        Args:
            teacher_outputs: `{target: (batch, n)}` logits, or numbers.
            student_outputs: As many for the student.
            activations: `{target: activation}`; softmax by default.
            weight: `(batch,)`, 0 for samples that do not count.
        """
        activations = {**(activations or {}), **self.activations}
        total = 0.0
        for name in sorted(student_outputs):
            values = soft_loss(
                teacher_outputs[name],
                student_outputs[name],
                activations.get(name, "softmax"),
                self.temperature,
            )
            total += self.weights.get(name, 1.0) * weighted_mean(values, weight)
        return total


def soft_loss(teacher: Any, student: Any, activation: str, temperature: float):
    """Returns the loss of each sample, `(batch,)`, from logits."""
    if activation == "linear":
        return ops.mean(ops.square(teacher - student), axis=-1)
    teacher, student = teacher / temperature, student / temperature
    if activation == "softmax":
        wanted, found = ops.log_softmax(teacher), ops.log_softmax(student)
        divergence = ops.sum(ops.exp(wanted) * (wanted - found), axis=-1)
    else:
        yes = ops.log_sigmoid(teacher) - ops.log_sigmoid(student)
        no = ops.log_sigmoid(-teacher) - ops.log_sigmoid(-student)
        probability = ops.sigmoid(teacher)
        divergence = ops.mean(
            probability * yes + (1 - probability) * no, axis=-1
        )
    return ops.mean(flat(divergence), axis=-1) * temperature**2


class Relations(keras.distillation.DistillationLoss):
    """How the samples of a batch lie to each other (RKD, Park et al., 2019).

    Distances between two samples, in units of their mean, and angles between
    three; neither depends on the width of the layer. Memory grows with the
    cube of the batch: 8 MB for 128 samples.

    Args:
        teacher_layer_name: Path of a layer of the teacher; see `Distiller`.
        student_layer_name: Path of a layer of the student.
        distance_weight: Weight of the distances.
        angle_weight: Weight of the angles.

    Example:

    >>> loss = Relations("fusion", "fusion")
    """

    def __init__(
        self,
        teacher_layer_name: str,
        student_layer_name: str,
        distance_weight: float = 1.0,
        angle_weight: float = 2.0,
    ):
        self.teacher_layer_name = teacher_layer_name
        self.student_layer_name = student_layer_name
        self.distance_weight = distance_weight
        self.angle_weight = angle_weight

    def compute_loss(
        self, teacher_outputs, student_outputs, weight=None, **kwargs
    ):
        """Returns the loss of a batch.

        Args:
            teacher_outputs: `(batch, ...)`.
            student_outputs: `(batch, ...)`.
            weight: `(batch,)`, 0 for samples that do not count.
        """
        teacher, student = flat(teacher_outputs), flat(student_outputs)
        if weight is None:
            weight = ops.ones_like(teacher[:, 0])
        pairs = ops.expand_dims(weight, 0) * ops.expand_dims(weight, 1)
        distance = huber(distances(teacher, pairs), distances(student, pairs))
        triples = ops.expand_dims(pairs, 2) * weight
        angle = huber(angles(teacher), angles(student))
        return self.distance_weight * weighted_mean(
            distance, pairs
        ) + self.angle_weight * weighted_mean(angle, triples)


def flat(x: Any) -> Any:
    """Returns `(batch, features)`."""
    return ops.reshape(x, (ops.shape(x)[0], -1))


def differences(x: Any) -> Any:
    """Returns `(batch, batch, features)`, row minus column."""
    return ops.expand_dims(x, 1) - ops.expand_dims(x, 0)


def norms(x: Any) -> Any:
    """Returns lengths over the last axis; their gradient at 0 is 0."""
    square = ops.sum(ops.square(x), axis=-1)
    there = square > 0
    return ops.where(there, ops.sqrt(ops.where(there, square, 1.0)), 0.0)


def distances(x: Any, pairs: Any) -> Any:
    """Returns `(batch, batch)` distances over their mean, without zeros."""
    distance = norms(differences(x))
    counted = pairs * ops.cast(distance > 0, distance.dtype)
    return distance / ops.maximum(weighted_mean(distance, counted), 1e-12)


def angles(x: Any) -> Any:
    """Returns `(batch, batch, batch)` cosines at the first sample."""
    difference = differences(x)
    length = ops.maximum(norms(difference), 1e-12)
    unit = difference / ops.expand_dims(length, -1)
    return ops.matmul(unit, ops.transpose(unit, (0, 2, 1)))


def huber(a: Any, b: Any) -> Any:
    """Returns the Huber loss of each entry, quadratic below 1."""
    error = ops.absolute(a - b)
    return ops.where(error < 1, 0.5 * ops.square(error), error - 0.5)


def weighted_mean(values: Any, weight: Any = None) -> Any:
    """Returns the mean, or the mean of what has a weight."""
    if weight is None:
        return ops.mean(values)
    weight = ops.cast(weight, values.dtype)
    return ops.sum(values * weight) / ops.maximum(ops.sum(weight), 1e-12)
