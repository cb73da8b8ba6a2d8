"""Ensembles of existing runs: averaging, stacking, model soup."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmkeras import artefact
from mmkeras.evaluation import predict
from mmkeras.studies.ensemble.combined_model import (
    check_targets,
    join,
    pooled,
    weighted,
)
from mmkeras.studies.ensemble.members import Member, heads_of, open_members
from mmkeras.studies.ensemble.results import (
    figures_of,
    on_splits,
    write_ensemble,
)
from mmkeras.studies.ensemble.stacking import fit_weights, out_of_fold
from mmkeras.studies.ensemble.weight_averaging import (
    check_same,
    greedy_soup,
    restimate,
)
from mmkeras.studies.tune.trial import compile_figures, read_figures

Paths = Sequence[str | Path]


def average(
    runs: Paths, out: str | Path, data_folder: str | Path | None = None
) -> dict[str, Any]:
    """Writes the mean of several runs' predictions as one run.

    Good for runs of one recipe with different seeds: the simplest ensemble,
    and hard to beat. Costs as much as all its members together.

    Args:
        runs: Folders of runs.
        out: Folder to write.
        data_folder: Where the data are now, if they have moved.

    Returns:
        What `ensemble.json` holds.

    Source: Lakshminarayanan et al., "Simple and Scalable Predictive
    Uncertainty Estimation using Deep Ensembles", 2017 (arXiv 1612.01474).

    Example:

    >>> average(["runs/1", "runs/2", "runs/3"], "runs/mean")
    """
    with artefact.open_out(out, "ensemble", runs):
        return _average(runs, out, data_folder)


def _average(
    runs: Paths, out: str | Path, data_folder: str | Path | None
) -> dict[str, Any]:
    members, data = open_members(runs, data_folder)
    check_targets(data.spec.targets)
    rows = [{**_entry(m), **on_splits(m.model, data)} for m in members]
    equal = weighted([1.0] * len(members))
    model = join(
        [m.model for m in members],
        dict.fromkeys(data.spec.targets, equal),
        data.spec.name,
    )
    result = {
        "method": "average",
        "members": rows,
        "ensemble": on_splits(model, data),
    }
    write_ensemble(out, model, data, result, members[0].manifest["recipe"])
    return result


def stack(
    runs: Paths, out: str | Path, data_folder: str | Path | None = None
) -> dict[str, Any]:
    """Writes runs, weighted by their validation predictions, as one run.

    Good where members differ in kind or quality: runs of other recipes, or
    of one modality each. The weights come from the validation split, which
    no member was trained on; see `fit_weights`. The ensemble's own figures
    on that split are out of fold, so that they can be compared.

    Args:
        runs: Folders of runs.
        out: Folder to write.
        data_folder: Where the data are now, if they have moved.

    Returns:
        What `ensemble.json` holds.

    Example:

    >>> stack(["runs/gated", "runs/late"], "runs/stack")["weights"]
    {'digit': [0.71, 0.44]}
    """
    with artefact.open_out(out, "ensemble", runs):
        return _stack(runs, out, data_folder)


def _stack(
    runs: Paths, out: str | Path, data_folder: str | Path | None
) -> dict[str, Any]:
    members, data = open_members(runs, data_folder)
    targets = data.spec.targets
    check_targets(targets)
    rows = [{**_entry(m), **on_splits(m.model, data)} for m in members]
    found = [predict(m.model, data.validation) for m in members]
    labels, weights = found[0][1:]
    shares, held_out = {}, {}
    for name, target in targets.items():
        arguments = (
            target.activation, [each[0][name] for each in found], labels[name],
            weights[name],
        )  # fmt: skip
        shares[name] = fit_weights(*arguments)
        held_out[name] = out_of_fold(*arguments)
    model = join(
        [m.model for m in members],
        {n: pooled(t.activation, shares[n]) for n, t in targets.items()},
        data.spec.name,
    )
    ensemble = on_splits(model, data)
    ensemble["validation"] = figures_of(targets, held_out, labels, weights)
    result = {
        "method": "stacking",
        "members": rows,
        "ensemble": ensemble,
        "weights": {name: list(map(float, w)) for name, w in shares.items()},
    }
    write_ensemble(out, model, data, result, members[0].manifest["recipe"])
    return result


def soup(
    runs: Paths,
    out: str | Path,
    data_folder: str | Path | None = None,
    objective: str = "val_loss",
    direction: str = "min",
) -> dict[str, Any]:
    """Writes the greedy soup of runs or checkpoints, a model like any one.

    Its size and speed are those of one member. Where the models have batch
    normalisation, its statistics are averaged like weights, and measured
    anew on the training split; what validates better stays.

    Args:
        runs: Folders of runs, or of checkpoints inside them.
        out: Folder to write.
        data_folder: Where the data are now, if they have moved.
        objective: Figure of the validation split that the soup improves.
        direction: "min" or "max".

    Returns:
        What `ensemble.json` holds.

    Source: see `greedy_soup`.

    Example:

    >>> soup(["runs/1", "runs/1/checkpoints/epoch-0009"], "runs/soup")
    """
    with artefact.open_out(out, "ensemble", runs):
        return _soup(runs, out, data_folder, objective, direction)


def _soup(
    runs: Paths,
    out: str | Path,
    data_folder: str | Path | None,
    objective: str,
    direction: str,
) -> dict[str, Any]:
    members, data = open_members(runs, data_folder)
    models = [member.model for member in members]
    check_same(models)
    compile_figures(models[0], heads_of(members[0].manifest, data))

    def score(model):
        found = read_figures(model, data.validation)
        if objective not in found:
            raise ValueError(
                "`objective` must be a figure of the validation split. "
                f"Received: {objective!r}. Choices: " + ", ".join(sorted(found))
            )
        return found[objective]

    if direction not in ("min", "max"):
        raise ValueError(
            f"`direction` must be min or max. Received: {direction!r}"
        )
    stored = [model.get_weights() for model in models]
    model, steps = greedy_soup(models, score, direction)
    statistics = _best_statistics(model, data, score, direction)
    mixed = model.get_weights()
    rows = []
    for member, weights in zip(members, stored, strict=True):
        model.set_weights(weights)
        rows.append({**_entry(member), **on_splits(model, data)})
    model.set_weights(mixed)
    for step in steps:
        step["run"] = rows[step.pop("member")]["run"]
    result = {
        "method": "soup",
        "members": rows,
        "ensemble": on_splits(model, data),
        "objective": objective,
        "steps": steps,
        "batch_statistics": statistics,
    }
    history = [{"stage": "soup", objective: step["soup"]} for step in steps]
    write_ensemble(
        out, model, data, result, members[0].manifest["recipe"],
        history=history,
    )  # fmt: skip
    return result


def _best_statistics(model, data, score, direction) -> dict[str, Any] | None:
    """Re-estimates batch statistics, and keeps them if that is better."""
    sign = 1 if direction == "max" else -1
    before, averaged = model.get_weights(), score(model)
    if not restimate(model, data.train):
        return None
    measured = score(model)
    kept = sign * measured > sign * averaged
    if not kept:
        model.set_weights(before)
    return {
        "averaged": averaged,
        "measured": measured,
        "kept": "measured" if kept else "averaged",
    }


def _entry(member: Member) -> dict[str, Any]:
    return {"run": str(member.path), "seed": member.manifest["seed"]}
