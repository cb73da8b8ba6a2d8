"""The clauses that a kind of target keeps."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np

from mmkeras.checks.device_files import load_device_file
from mmkeras.checks.read_beside import read_beside
from mmkeras.checks.report import same
from mmkeras.checks.toys import toy_tower
from mmkeras.data import facts_of
from mmkeras.introspection import finishers
from mmkeras.metrics import describe
from mmkeras.spec import Modality, Target

NAME = "target"


@dataclass(frozen=True)
class TargetCase:
    """A kind of target, and labels to check it with.

    Args:
        target: The kind, with its keys.
        rows: A row of a manifest each, by column; one at least has a label.
        root: Folder of the files that the rows name.
        beside: Modalities that the target is read with, by name; their
            towers are those that its head is built on.
    """

    target: Target
    rows: Sequence[Mapping[str, str]]
    root: Path = Path(".")
    beside: Mapping[str, Modality] = field(default_factory=dict)

    def clauses(self) -> dict[str, Callable[[], None]]:
        """Returns the clauses by name, in an order that makes sense."""
        return {
            "labels": self.labels,
            "facts": self.facts,
            "head": self.head,
            "figures": self.figures,
            "answers": self.answers,
            "device": self.device,
        }

    @property
    def toy(self) -> str:
        """Name of the one modality: one that the target reads, if it does."""
        return getattr(self.target, "modality", None) or "toy"

    def encoded(self) -> tuple[np.ndarray, np.ndarray]:
        """Returns values and weights of the rows."""
        if self.target.read_with_sample:
            labels = read_beside(self.target, self.rows, self.root, self.beside)
            values, weights = (
                np.stack([getattr(label, part) for label in labels])
                for part in ("value", "weight")
            )
            return values, weights
        cells = [row[self.target.column] for row in self.rows]
        values, weights, bad = self.target.encode(cells)
        if bad:
            raise ValueError(f"`encode` must read every row. Received: {bad}")
        return np.asarray(values), np.asarray(weights, "float32")

    def labels(self) -> None:
        """Labels have the shapes that the class says, and fit its type."""
        values, weights = self.encoded()
        count, target = len(self.rows), self.target
        same(
            "`encode` must return values and weights of",
            (values.shape, weights.shape),
            ((count, *target.shape), (count, *target.weight_shape)),
        )
        if not np.allclose(values, values.astype(target.dtype)):
            raise ValueError(
                f"labels must fit `dtype`, {target.dtype}. Received: "
                f"{values.tolist()}"
            )
        if not (weights >= 0).all() or not weights.any():
            raise ValueError(
                "weights must be 0 or more, and above 0 for a row with a "
                f"label. Received: {weights.tolist()}"
            )
        columns = target.manifest_columns
        if target.read_with_sample:
            empty, none = (
                "",
                columns and target.has_label(dict.fromkeys(columns, "")),
            )
        else:
            empty, none, _ = target.encode([""])
        if np.any(none) and not target.learns_unlabelled:
            raise ValueError(
                "an empty cell must have weight 0. Received: "
                f"{np.asarray(none).tolist()} for {np.asarray(empty).tolist()}"
            )

    def facts(self) -> None:
        """What is known of the labels can be written into a manifest."""
        json.dumps(self.known(), allow_nan=False)

    def known(self) -> dict[str, Any]:
        values, weights = ({NAME: part} for part in self.encoded())
        return facts_of({NAME: self.target}, values, weights)[NAME]

    def outputs(self) -> tuple[np.ndarray, keras.Model, Any]:
        """Returns the outputs of an untrained head, its model and the head."""
        keras.utils.set_random_seed(0)
        options = self.target.head_options().read({}, f"heads.{NAME}")
        head = self.target.head(self.known(), options)
        towers = {
            name: modality.build(
                name,
                {"skips": name in self.target.skips_of},
                modality.tower_options().read({}),
            )
            for name, modality in self.beside.items()
        } or {self.toy: toy_tower(self.toy)}
        inputs = {
            name: keras.Input(
                tower.inputs[0].shape[1:], dtype=tower.inputs[0].dtype,
                name=name,
            )
            for name, tower in towers.items()
        }  # fmt: skip
        features = {name: tower(inputs[name]) for name, tower in towers.items()}
        fused = next(iter(features.values()))["vector"]
        model = keras.Model(inputs, {NAME: head(fused, NAME, features)})
        return np.asarray(model(self.drawn(model))[NAME]), model, head

    def drawn(self, model: keras.Model) -> dict[str, np.ndarray]:
        """Returns random inputs, a sample a row."""
        draw, found = np.random.default_rng(0), {}
        for name, like in model.input.items():
            shape = (len(self.rows), *like.shape[1:])
            drawn = draw.normal(size=shape)
            if np.dtype(like.dtype).kind in "iu":
                drawn = draw.integers(0, 2, shape)
            found[name] = drawn.astype(like.dtype)
        return found

    def answered(self) -> np.ndarray:
        """Returns what is evaluated of the outputs."""
        found, model, _ = self.outputs()
        finish = finishers(model).get(NAME)
        return finish(found, self.encoded()[0]) if finish else found

    def head(self) -> None:
        """The output is finite float32, and the loss learns from labels."""
        found, model, head = self.outputs()
        if found.dtype != "float32" or not np.isfinite(found).all():
            raise ValueError(
                f"the head's output must be finite float32. Received: "
                f"{found.dtype}, {found.ravel()[:5].tolist()}"
            )
        values, weights = self.encoded()
        by_layer = getattr(head, "scores_by_layer", False)
        read = (model.get_layer(NAME),) if by_layer else ()
        model.compile(
            "sgd",
            loss={NAME: head.loss(*read)},
            weighted_metrics={NAME: head.metrics(*read)},
            # To compile one step takes longer than it.
            jit_compile=False,
        )
        x = self.drawn(model)
        logs = model.train_on_batch(
            x, {NAME: values}, {NAME: weights}, return_dict=True
        )
        if not np.isfinite(logs["loss"]):
            raise ValueError(f"the loss must be finite. Received: {logs}")
        known = {metric.name for metric in head.metrics(*read)}
        if self.target.training_metric not in known:
            raise ValueError(
                "`training_metric` must be a metric of the head. Received: "
                f"{self.target.training_metric!r}. Choices: {sorted(known)}"
            )

    def figures(self) -> None:
        """Figures have headline and guard, and follow from counts alone."""
        values, weights = self.encoded()
        figures = self.target.figures(values, self.answered(), weights)
        once = figures(np.ones((1, figures.samples)))
        twice = figures(np.full((1, figures.samples), 2.0))
        for name in once:
            np.testing.assert_allclose(
                once[name], twice[name], err_msg=f"`{name}` of doubled counts"
            )
        for what in ("headline", "guard"):
            if getattr(self.target, what) not in once:
                raise ValueError(
                    f"`{what}` must be one of its figures. Received: "
                    f"{getattr(self.target, what)!r}. Choices: {sorted(once)}"
                )
        if describe(self.target.guard).smaller_is_better:
            raise ValueError(
                "`guard` must be a figure of which larger is better. "
                f"Received: {self.target.guard!r}"
            )

    def answers(self) -> None:
        """What a report shows of a sample can be written as JSON."""
        values, _ = self.encoded()
        for label, output in zip(values, self.answered(), strict=True):
            json.dumps(self.target.spell(label, output), allow_nan=False)

    def device(self) -> None:
        """The device expects the head's output, and answers in JSON."""
        found, _, _ = self.outputs()
        reader = load_device_file(self.target)
        entry = {"kind": self.target.kind, "name": NAME}
        entry |= self.target.device_entry(NAME, None)
        # A size that the model alone knows is None.
        wanted = reader.shape(entry)
        shape = [
            size if of is not None else None
            for size, of in zip(found.shape[1:], wanted, strict=True)
        ]
        same("`shape` of the device's file must return", wanted, shape)
        json.dumps(reader.answer(found[0], entry), allow_nan=False)
