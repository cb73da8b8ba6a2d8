"""Measurements of a trained arm: on the test split, and of its training.

A figure here is that of one run; `summary` puts the seeds together.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mmkeras import artefact
from mmkeras.escaping import say
from mmkeras.evaluation import class_rows, predict, subsets, without
from mmkeras.metrics import finite
from mmkeras.studies.compare.noise import noisy

FOLDER = "measured"
KIND = "measured"
PARTS = ("output", "label", "weight")
Found = tuple[dict, dict, dict]


def figures_of(found: Found, targets: Mapping[str, Any]) -> dict[str, Any]:
    """Returns every metric of one pass over the test split, by target."""
    return {
        name: {
            figure: finite(value)
            for figure, value in target.figures(*_of(found, name))
            .values()
            .items()
        }
        for name, target in targets.items()
    }


def classes_of(found: Found, targets: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the F1 of each class, by target; none where it has no classes."""
    figures = {}
    for name, target in targets.items():
        seen = target.decisions(*_of(found, name))
        if seen is not None:
            figures[name] = [
                {key: row[key] for key in ("class", "support", "f1")}
                for row in class_rows(target.class_names, seen)
            ]
    return figures


def harder(
    model: Any, data: Any, seed: int
) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Yields each change of the test split, and the headline figures on it.

    Each modality absent, if any is optional; then noise on each modality
    whose kind offers it, at each level.

    Args:
        model: A model that sees every modality.
        data: The data.
        seed: Seed of the noise.
    """
    spec = data.spec
    for subset in subsets(spec.optional, sorted(spec.modalities)):
        changed = without(data.test, subset["absent"], spec.optional)
        done = {"absent": subset["absent"], "name": subset["name"]}
        yield done, headlines_of(predict(model, changed), spec.targets)
    for name, modality in sorted(spec.modalities.items()):
        known = data.statistics["modalities"].get(name, {})
        corruption = modality.corruption()
        if corruption is None:
            say(f"noise: none, kind '{modality.kind}' offers no corruption")
            continue
        for level, value in enumerate(corruption.levels):
            changed = noisy(data.test, name, modality, level, seed, known)
            done = {"noise": name, "level": value}
            yield done, headlines_of(predict(model, changed), spec.targets)


def headlines_of(
    found: Found, targets: Mapping[str, Any]
) -> dict[str, float | None]:
    """Returns the first figure of each target; None where it has none."""
    figures = figures_of(found, targets)
    return {
        name: figures[name].get(target.headline)
        for name, target in targets.items()
    }


def curve(
    history: Mapping[str, Sequence],
    targets: Mapping[str, Any],
    modalities: Sequence[str],
) -> dict[str, list[list[float]]]:
    """Returns the validation figure of the whole model by what was spent.

    Args:
        history: What the strategy's `fit` recorded, by column.
        targets: Specs by name.
        modalities: Their names: stages of one tower are left out.

    Returns:
        `{target: [[steps, seconds, value], ...]}`; what is spent before the
        whole model is trained is included in both.
    """
    found = {}
    for name, target in targets.items():
        metric = target.training_metric
        values = history.get(f"val_{name}_{metric}")
        if values is None and len(targets) == 1:
            values = history.get(f"val_{metric}")
        rows = zip(
            history.get("stage", ()),
            history.get("steps", ()),
            history.get("seconds", ()),
            values or [None] * len(history.get("stage", ())),
            strict=True,
        )
        found[name] = [
            [int(steps), float(seconds), float(value)]
            for stage, steps, seconds, value in rows
            if value is not None
            and math.isfinite(value)
            and trains_whole_model(stage, modalities)
        ]
    return found


def trains_whole_model(stage: str, modalities: Sequence[str]) -> bool:
    """Returns whether a stage trains the whole model.

    Blending's estimates do not count: their weights are put back.
    """
    others = ("blend_", *(f"{name}_" for name in modalities))
    return stage != "align" and not stage.startswith(others)


def write_measured(
    run: Path,
    result: dict[str, Any],
    found: Found | None,
    identity: dict[str, Any],
) -> None:
    """Writes `RUN/measured`: figures, test answers and, last, a manifest.

    Where `found` is None, the answers stay those that are there.
    """
    files, out = ["result.json", "answers.npz"], run / FOLDER
    with artefact.replacing(out, KIND, files) as new:
        artefact.write_json(new / files[0], result)
        if found is None:
            artefact.copy_file(out / files[1], new / files[1])
        else:
            arrays = {
                f"{part}/{name}": values
                for part, by_name in zip(PARTS, found, strict=True)
                for name, values in by_name.items()
            }
            with artefact.atomic(new / files[1]) as temporary:
                artefact.write_arrays(temporary, arrays, compressed=True)
        artefact.write_manifest(new, KIND, files, identity=identity)


def read_measured(run: Path) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """Returns result and identity of a finished run, or None."""
    try:
        manifest = artefact.read_manifest(run / FOLDER, KIND)
    except ValueError:
        return None
    result = artefact.read_json(run / FOLDER / "result.json")
    return result, manifest["identity"]


def read_answers(run: Path, target: str) -> tuple[np.ndarray, ...]:
    """Returns labels, outputs and weights of one target's test samples."""
    with np.load(run / FOLDER / "answers.npz", allow_pickle=False) as stored:
        outputs, labels, weights = (stored[f"{p}/{target}"] for p in PARTS)
    return labels, outputs, weights


def _of(found: Found, name: str) -> tuple[np.ndarray, ...]:
    outputs, labels, weights = (part[name] for part in found)
    return labels, outputs, weights
