"""`compare`: every arm, every seed, every share of the labels; the report."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mmkeras import artefact
from mmkeras.data import Data
from mmkeras.escaping import say
from mmkeras.runs import Recipe, load_for, read_recipe
from mmkeras.studies.anew import study
from mmkeras.studies.compare.arms import Arm, Plan, make_plan
from mmkeras.studies.compare.measurement import read_answers, read_measured
from mmkeras.studies.compare.report_folder import write_comparison
from mmkeras.studies.compare.summary import summarise
from mmkeras.studies.compare.train import (
    forget_models,
    identity_of,
    measure_harder,
    set_up_arm,
    train_arm,
)
from mmkeras.training import ComponentPretrain
from mmkeras.training.stages.resume import differences
from mmkeras.training.stages.run_folder import forget_runs

RESAMPLES = 2000
# By share of the labels, arm and seed.
RUNS = "runs/*/*/*"
Run = tuple[float, Arm, int, Path]


def compare(
    data_folder: str | Path,
    recipe: Mapping[str, Any],
    out: str | Path,
    *,
    budget_steps: int | None = None,
    budget_minutes: float | None = None,
    seeds: int = 5,
    seed: int = 0,
    fractions: Sequence[float] = (1.0,),
    arms: Sequence[str] | None = None,
    restart: bool = False,
    verbose: int = 0,
) -> dict[str, Any]:
    """Trains every arm under one budget, and writes the comparison.

    Each run is a folder `OUT/runs/FRACTION/ARM/SEED`. Finished
    runs are kept, so that a stopped comparison is resumed, and one can be
    extended by seeds, fractions and arms.

    Args:
        data_folder: Folder of `prepare`.
        recipe: Tables of the recipe. `[compare.NAME]` is a further arm: its
            `strategy`, and settings over those of `[training]`.
        out: Folder to write: `compare.json` (see `summary`), `table.csv`,
            `report.html`, a PNG a picture and, last, `manifest.json`.
        budget_steps: Optimizer steps of each run, all its stages together.
        budget_minutes: Minutes of each run; one of both must be given.
        seeds: How many seeds, 2 to 16.
        seed: The first of them.
        fractions: Shares of the training labels.
        arms: Names of the arms; "full", "component" and those of the recipe
            by default.
        restart: Whether to train everything anew. The runs that `out` holds
            stay until all new ones are there, beside them in `OUT/.anew`.
        verbose: As in `model.fit`.

    Returns:
        What `compare.json` holds.

    Raises:
        ValueError: If an argument is wrong, or `out` holds runs with other
            settings; nothing has been trained then.

    Example:

    >>> report = compare("data", recipe, "out", budget_steps=1000, seeds=3)
    >>> report["targets"]["digit"]["conclusion"][0]
    'With all labels, the data do not decide between `component` and ...'
    """
    out, source = Path(out), without_arms(recipe)
    with artefact.open_out(out, "comparison", [data_folder]):
        data = load_for(source, data_folder, seed)
        built = read_recipe(source, data.spec)
        plan = make_plan(
            data.spec,
            recipe,
            budget_steps=budget_steps,
            budget_minutes=budget_minutes,
            seeds=seeds,
            seed=seed,
            fractions=fractions,
            arms=arms,
        )
        _check_arms(data, built, plan)
        return study(
            out,
            "comparison",
            lambda folder: _compared(
                folder, data, source, built, plan, verbose
            ),
            lambda folder: forget_runs(folder, RUNS),
            restart,
        )


def _compared(
    out: Path,
    data: Data,
    source: Mapping[str, Any],
    built: Recipe,
    plan: Plan,
    verbose: int,
) -> dict[str, Any]:
    """Trains what is missing in a folder, and writes the comparison."""
    with artefact.open_out(out, "comparison", [data.folder]):
        seed, runs = plan.seeds[0], list(_runs(plan, out))
        _check_runs(data, built, plan, runs)
        results = []
        for place, run in enumerate(runs, 1):
            if run[2] != seed:
                # Order and augmentation are those of the seed.
                seed = run[2]
                data = load_for(source, data.folder, seed)
            text = f"{place}/{len(runs)}"
            results.append(_result(data, built, plan, run, text, verbose))
        report = summarise(
            _header(data, plan, results),
            results,
            data.spec.targets,
            lambda result, name: read_answers(out / result["folder"], name),
            data.statistics["targets"],
        )
        write_comparison(out, report)
        return report


def without_arms(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a recipe without its arms, as it builds a model."""
    return {name: table for name, table in recipe.items() if name != "compare"}


def _runs(plan: Plan, out: Path) -> Iterator[Run]:
    """Yields every run; all arms of a seed before the next seed."""
    for seed in plan.seeds:
        for fraction in plan.fractions[::-1]:
            for arm in plan.arms:
                place = f"runs/{fraction:g}/{arm.name}/{seed}"
                yield fraction, arm, seed, out / place


def _check_runs(
    data: Data, recipe: Recipe, plan: Plan, runs: Sequence[Run]
) -> None:
    """Raises ValueError if a finished run was trained with other settings."""
    for fraction, arm, seed, folder in runs:
        found = read_measured(folder)
        if found is None:
            continue
        wanted = identity_of(data, recipe, plan, arm, fraction, seed)
        lines = differences(found[1], wanted)
        if lines:
            raise ValueError(
                f"`{folder}` must have been trained with the present settings. "
                f"Received: {'; '.join(line[:200] for line in lines[:5])}. "
                "`--restart` trains everything anew; another `--out` keeps "
                "both"
            )


def _check_arms(data: Data, recipe: Recipe, plan: Plan) -> None:
    """Raises ValueError if an arm does not suit the recipe's model."""
    for arm in plan.arms:
        try:
            ready = set_up_arm(data, recipe, plan, arm)
            strategy = ready.strategy
            stages = strategy.plan(ready.model)
            if isinstance(strategy, ComponentPretrain) and len(stages) > 2:
                # Its objectives are made before its first stage; the last two
                # have none, and would fill a cache.
                next(strategy.stages(ready.model, ready.data, ready.heads))
        except ValueError as error:
            raise ValueError(f"The arm `{arm.name}`: {error}") from error
    forget_models()


def _result(
    data: Data,
    recipe: Recipe,
    plan: Plan,
    run: Run,
    place: str,
    verbose: int,
) -> dict[str, Any]:
    """Returns the measurements of a run; trains it if there are none."""
    fraction, arm, seed, folder = run
    text = f"{place} {arm.name}, {100 * fraction:g} % labels, seed {seed}"
    if read_measured(folder) is None:
        say(text)
        try:
            train_arm(data, recipe, plan, arm, fraction, seed, folder, verbose)
        except ValueError as error:
            raise ValueError(f"The run `{folder}`: {error}") from error
    most = fraction == plan.fractions[-1] and arm.modality is None
    if most and not read_measured(folder)[0]["harder"]:
        say(f"{text}: noise")
        measure_harder(data, folder, seed)
    result, _ = read_measured(folder)
    return {**result, "folder": "/".join(folder.parts[-4:])}


def _header(data: Any, plan: Plan, results: Sequence[Mapping]) -> dict:
    """Returns the part of `compare.json` that says what was compared."""
    kind = "steps" if plan.budget_steps is not None else "seconds"
    labels = {result["fraction"]: result["labels"] for result in results}
    return {
        "data": data.spec.name,
        "data_sha256": artefact.sha256_of(data.folder / artefact.MANIFEST),
        "counts": data.counts,
        "group": data.spec.split.group,
        "groups": data.groups("test"),
        "kinds": {n: m.kind for n, m in data.spec.modalities.items()},
        "noise_units": {
            name: corruption.unit
            for name, modality in data.spec.modalities.items()
            if (corruption := modality.corruption())
        },
        "labels": [labels[fraction] for fraction in plan.fractions],
        "batch_size": data.batch_size,
        "resamples": RESAMPLES,
        "budget": {
            "kind": kind,
            "value": plan.budget_steps or plan.budget_sec,
        },
        "seeds": list(plan.seeds),
        "fractions": list(plan.fractions),
        "arms": [
            {
                "name": arm.name,
                "strategy": arm.strategy,
                "settings": arm.settings,
                "modality": arm.modality,
                "init": arm.init,
            }
            for arm in plan.arms
        ],
    }
