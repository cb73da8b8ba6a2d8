"""The inputs of each model in a batch, and the tensors compared."""

from typing import Any

import keras
from keras import ops

from mmkeras.compress.distillation.losses import Relations
from mmkeras.compress.distillation.tensors import Probe, average, by_name


class Plan:
    """The inputs of each model in a batch, and the tensors compared."""

    def __init__(self, teachers, student, losses, optional):
        names = [layer_names(loss) for loss in losses]
        pairs = [pair for pair in names if pair is not None]
        if pairs and len(teachers) > 1:
            raise ValueError(
                "`teacher` must be one model where layers are compared. "
                f"Received: {len(teachers)} models and the layers {pairs}"
            )
        teacher_paths = list(dict.fromkeys(pair[0] for pair in pairs))
        student_paths = list(dict.fromkeys(pair[1] for pair in pairs))
        self.teachers = [
            Probe(each, teacher_paths, optional, "teacher") for each in teachers
        ]
        self.student = Probe(student, student_paths, optional, "student")
        self.losses = losses
        self.optional = list(optional)
        self.student_outputs: dict = {}
        self._check_targets()
        self.activations = self._activations(None in names)
        self.scales = {
            name: self.teachers[0].scales[name] or scale or 1.0
            for name, scale in self.student.scales.items()
        }

    def _activations(self, needed):
        """Returns the last activation of each target, by models or losses."""
        activations = {
            name: self.teachers[0].activations[name] or activation
            for name, activation in self.student.activations.items()
        }
        for loss in self.losses:
            activations.update(getattr(loss, "activations", {}))
        unknown = sorted(name for name in activations if not activations[name])
        if unknown and needed:
            raise ValueError(
                "`SoftLabels(activations={target: activation})` must name the "
                "activation of each target whose last layer does not show it. "
                f"Received: nothing for {unknown}"
            )
        return activations

    def _check_targets(self):
        wanted = by_name(self.student.model.output["outputs"])
        for teacher in self.teachers:
            known = by_name(teacher.model.output["outputs"])
            for name, tensor in wanted.items():
                shape = known[name].shape if name in known else "no such target"
                if shape != tensor.shape:
                    raise ValueError(
                        f"`teacher` must have the student's target "
                        f"`{name}` of shape {tensor.shape}. Received: {shape}"
                    )

    def projections(self) -> list:
        """Returns a Dense layer for each pair of layers of other widths."""
        return [self._projection(loss) for loss in self.losses]

    def _projection(self, loss):
        names = layer_names(loss)
        if names is None or isinstance(loss, Relations):
            return keras.layers.Identity()
        teacher_shape = self.teachers[0].model.output["layers"][names[0]].shape
        student_shape = self.student.model.output["layers"][names[1]].shape
        if teacher_shape[1:-1] != student_shape[1:-1] or len(
            teacher_shape
        ) != len(student_shape):
            raise ValueError(
                "Layers that are compared must have shapes that differ in the "
                f"last axis alone. Received: {names[0]!r} of {teacher_shape}, "
                f"{names[1]!r} of {student_shape}. `Relations` takes any shapes"
            )
        if teacher_shape[-1] == student_shape[-1]:
            return keras.layers.Identity()
        dense = keras.layers.Dense(teacher_shape[-1], dtype="float32")
        dense.build(student_shape)
        return dense

    def seen(self, x):
        """Returns `(batch,)`, 0 where a modality of the student is absent.

        None where every sample counts, or where the student has `present`.
        """
        if "present" in self.student.names or not self.optional:
            return None
        columns = [
            i for i, n in enumerate(self.optional) if n in self.student.names
        ]
        if not columns:
            return None
        return ops.min(ops.take(x["present"], columns, axis=1), axis=1)

    def teacher_logits(self, outputs):
        each = [
            teacher.logits(output, self.activations, self.scales)
            for teacher, output in zip(self.teachers, outputs)
        ]
        return {
            name: average(
                [logits[name] for logits in each], self.activations[name]
            )
            for name in self.student.activations
        }

    def student_logits(self, outputs):
        return self.student.logits(outputs, self.activations, self.scales)

    def layer_pair(self, loss, teachers, student, projection):
        first, second = layer_names(loss)
        target = ops.cast(teachers[0]["layers"][first], "float32")
        output = ops.cast(student["layers"][second], "float32")
        return [target, projection(output)]


def layer_names(loss: Any) -> tuple[str, str] | None:
    """Returns the paths a loss compares, teacher first; None for outputs."""
    names = (
        getattr(loss, "teacher_layer_name", None),
        getattr(loss, "student_layer_name", None),
    )
    if (names[0] is None) != (names[1] is None):
        raise ValueError(
            "A loss must name a layer of the teacher and one of the student, "
            f"or neither. Received: {names}"
        )
    return None if names[0] is None else names


def times(x: Any, weight: Any) -> Any:
    return x * ops.reshape(weight, (-1, *[1] * (len(x.shape) - 1)))
