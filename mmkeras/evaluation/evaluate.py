"""The whole evaluation of a model, as one JSON-able dict."""

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mmkeras import artefact
from mmkeras.evaluation.modality_subsets import subsets, without
from mmkeras.evaluation.predict import (
    Predicted,
    batches,
    figures_of,
    predict,
)
from mmkeras.evaluation.worst_samples import worst_samples
from mmkeras.metrics import (
    Decisions,
    confusion,
    finite,
    has_label,
    measure,
    per_class,
)


def evaluate(
    model: Any,
    dataset: Any,
    targets: Mapping[str, Any],
    optional: Sequence[str] = (),
    statistics: Mapping[str, Any] | None = None,
    train_samples: int | None = None,
    baselines: Mapping[str, Mapping[str, Any]] | None = None,
    resamples: int = 1000,
    seed: int = 0,
    predicted: Predicted | None = None,
    groups: Sequence[str] | None = None,
) -> dict[str, Any]:
    """Measures `model` on `dataset`, with baselines.

    Args:
        model: Keras model from `{modality: x}` to `{target: y}`.
        dataset: Batches of `({modality: x}, {target: y},
            {target: sample_weight})` in a fixed order.
        targets: Targets of a spec by name.
        optional: Names of the optional modalities; each is made absent in
            turn, and each is used alone.
        statistics: Statistics of the training split by target, for the
            majority class and the mean: `data.statistics["targets"]`.
        train_samples: Size of the training split.
        baselines: For each modality, the metrics by target of a model
            trained on it alone: `{"image": {"digit": metrics}}`, where
            `metrics` is what this function returned for that model at
            `["targets"]["digit"]["metrics"]`.
        resamples: Bootstrap resamples for the 95 % intervals.
        seed: Seed of the bootstrap.
        predicted: What `predict` returned for them, where it is known.
        groups: Of each sample, what it hangs together with, such as its
            speaker: `data.groups("test")`. Intervals are then over groups.

    Returns:
        JSON values only; None where something is not defined:
        `{"samples", "groups" (how many), "resamples", "confidence", "seed",
        "modalities", "optional", "targets": {target: {"kind", "classes",
        "unit", "headline", "count", "metrics", "baselines", "subsets",
        "per_class", "counted", "confusion", "points", "worst"}}}`.

    Example:

    >>> result = evaluate(model, data.test, data.spec.targets,
    ...                   optional=data.spec.optional,
    ...                   statistics=data.statistics["targets"])
    >>> result["targets"]["digit"]["metrics"]["accuracy"]["value"]
    0.985
    """
    _check_names(model, targets)
    names = sorted(model.input) if isinstance(model.input, Mapping) else []
    modalities = [name for name in names if name != "present"]
    # Predicted once: every metric, interval and table reads these outputs.
    everything = predicted or predict(model, dataset)
    chosen = subsets(optional, modalities) if optional else []
    taken = [
        (subset, predict(model, without(dataset, subset["absent"], optional)))
        for subset in chosen
    ]
    result: dict[str, Any] = {
        "samples": len(next(iter(everything[0].values()))),
        "groups": None if groups is None else len({*groups} - {""}),
        "resamples": resamples,
        "confidence": 0.95,
        "seed": seed,
        "modalities": modalities,
        "optional": sorted(optional),
        "targets": {},
    }
    naive = _naive_outputs(dataset, targets)
    for name, target in sorted(targets.items()):
        # One seed for all: every model is resampled with the same draws.
        score = functools.partial(_score, name, target, resamples, seed, groups)
        known = (statistics or {}).get(name, {})
        constant = _constant(name, target, everything, known, train_samples)
        result["targets"][name] = {
            **_describe(name, target, *everything),
            "metrics": score(everything),
            "baselines": [
                *({**c, "metrics": score(c["metrics"])} for c in constant),
                *_naive(name, naive, everything, score),
                *_trained(baselines or {}, name),
            ],
            "subsets": [
                {**subset, "metrics": score(found)} for subset, found in taken
            ],
        }
    return result


def write_evaluation(
    out: str | Path,
    result: Mapping[str, Any],
    html: str,
    predictions: Sequence[Mapping[str, Any]] = (),
    **fields: Any,
) -> dict:
    """Writes `evaluation.json`, `report.html` and, last, `manifest.json`.

    And `predictions.csv`, where there are any.

    Args:
        out: The folder, `RUN/evaluation`; created where it is missing.
        result: What `evaluate` returned.
        html: What `render_report` returned.
        predictions: What `prediction_rows` returned.
        **fields: Further entries of the manifest, JSON values only.

    Returns:
        The manifest.
    """
    files = ["evaluation.json", "report.html", "predictions.csv"]
    with artefact.replacing(out, "evaluation", files) as new:
        artefact.write_json(new / files[0], result)
        artefact.write_text(new / files[1], html)
        if predictions:
            artefact.write_csv(new / files[2], predictions)
        else:
            files.pop()
        return artefact.write_manifest(new, "evaluation", files, **fields)


def _check_names(model: Any, targets: Mapping[str, Any]) -> None:
    outputs = model.output if isinstance(model.output, Mapping) else {}
    if not targets or set(targets) - set(outputs):
        raise ValueError(
            "`targets` must name outputs of the model: "
            f"{sorted(outputs)}. Received: {sorted(targets)}"
        )


def _describe(name, target, predictions, labels, weights) -> dict[str, Any]:
    """Returns what the report shows of one target, besides metrics."""
    found = labels[name], predictions[name], weights[name]
    entry: dict[str, Any] = {
        "kind": target.kind,
        "classes": list(target.class_names),
        "unit": getattr(target, "unit", ""),
        "headline": target.headline,
        "count": int(has_label(weights[name]).sum()),
        "worst": worst_samples(target, *found),
    }
    points = target.points(*found)
    if points is not None:
        entry["points"] = points
    seen = target.decisions(*found)
    if seen is not None:
        entry["counted"] = target.counted
        entry["per_class"] = class_rows(target.class_names, seen)
        if seen.exclusive:
            entry["confusion"] = confusion(seen).tolist()
    return entry


def class_rows(names: Sequence[str], seen: Decisions) -> list[dict[str, Any]]:
    """Returns support, precision, recall, F1 and ROC-AUC of each class.

    Args:
        names: Of the classes.
        seen: Decisions about them.
    """
    if not len(seen.weights):
        return []
    found = per_class(seen)
    support = found.pop("support")
    return [
        {
            "class": name,
            "support": int(support[place]),
            **{key: finite(values[place]) for key, values in found.items()},
        }
        for place, name in enumerate(names)
    ]


def _score(name, target, resamples, seed, groups, found):
    return measure(figures_of(name, target, found, groups), resamples, seed)


def _constant(name, target, everything, known, train_samples):
    """Yields the constant baseline, with its outputs for metrics."""
    constant = target.constant(known, train_samples)
    if constant is not None:
        shape = everything[0][name].shape
        found = ({name: np.broadcast_to(constant, shape)}, *everything[1:])
        yield {"name": target.baseline, "trained": False, "metrics": found}


def _naive_outputs(dataset, targets) -> dict[tuple[str, str], np.ndarray]:
    """Returns what follows from inputs alone, by target and baseline."""
    rows: dict[tuple[str, str], list] = {}
    able = {n: t for n, t in targets.items() if t.has_naive}
    for x, _, _ in batches(dataset) if able else ():
        for name, target in able.items():
            for key, outputs in target.naive(x).items():
                rows.setdefault((name, key), []).append(outputs)
    return {key: np.concatenate(each) for key, each in rows.items()}


def _naive(name, found, everything, score):
    """Yields the baselines of a target that follow from inputs."""
    for (target, key), outputs in found.items():
        if target == name:
            metrics = score(({name: outputs}, *everything[1:]))
            yield {"name": key, "trained": False, "metrics": metrics}


def _trained(baselines, name):
    """Yields the models that were trained on one modality."""
    for modality in sorted(baselines):
        metrics = baselines[modality].get(name)
        if metrics:
            yield {
                "name": f"{modality} alone",
                "trained": True,
                "modality": modality,
                "metrics": {m: _with_span(v) for m, v in metrics.items()},
            }


def _with_span(value):
    if isinstance(value, Mapping):
        return dict(value)
    return {"value": value, "low": None, "high": None}
