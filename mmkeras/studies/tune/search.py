"""The search: trials, the best recipe, one evaluation on the test split."""

import dataclasses
from pathlib import Path
from typing import Any

from mmkeras import artefact
from mmkeras.runs import evaluate_run, say_dropped, set_up_run, train_run
from mmkeras.studies.anew import study
from mmkeras.studies.tune.job import (
    BEST,
    SETTINGS,
    Job,
    forget,
    is_finished,
    remember,
)
from mmkeras.studies.tune.recipe_toml import to_toml
from mmkeras.studies.tune.report import PAGE, TABLE, write_report
from mmkeras.studies.tune.space import Space
from mmkeras.studies.tune.trial import (
    drawn,
    folder_of,
    read_trial,
    recipe_of,
    validation_figures,
    with_epochs,
)
from mmkeras.studies.tune.tuner import is_distributed, is_worker, search

RESULT = "tune.json"


def tune(
    job: Job, workers: int = 1, restart: bool = False, verbose: int = 2
) -> dict[str, Any] | None:
    """Searches, trains the best recipe and measures it on the test split.

    A trial is trained from its own seed and measured on the validation split
    alone, so the same recipe gives the same figures. Hyperband trains a
    recipe that rises to the next rung anew: the learning rate falls to zero
    over the epochs of a rung, and a model at that end cannot be
    trained further. The best trial is chosen among those with the most epochs.
    Its recipe is then trained as `mmkeras train` does, and evaluated: the first
    and only time that the test split is read.

    The same call resumes a killed search: finished trials are kept, and the
    search proposes what it would have proposed.

    Args:
        job: The search.
        workers: Processes that train trials on this machine.
        restart: Whether to search anew. An earlier search in `job.out` stays
            until the new one is whole, beside it in `.anew`.
        verbose: As in `model.fit`, for the training of the best recipe.

    Returns:
        What `tune.json` holds; None in a process that is a worker of a chief
        elsewhere.

    Raises:
        ValueError: If the space or a setting is wrong, `job.out` holds
            another search, or no trial succeeds.

    Example:

    >>> space = {"fusion": {"method": {"choices": ["concat", "gated"]}}}
    >>> job = Job(data="demo", space=space, out="search", method="grid")
    >>> tune(job)["best"]["recipe"]
    {'fusion': {'method': 'gated'}, 'training': {'full': {'epochs': 5}}}
    """
    if is_worker():
        search(job)
        return None
    with artefact.open_out(job.folder, "tune", [job.data]):
        check(job)
        return study(
            job.folder,
            "tune",
            lambda folder: _tuned(
                dataclasses.replace(job, out=str(folder)), workers, verbose
            ),
            forget,
            restart,
        )


def _tuned(job: Job, workers: int, verbose: int) -> dict[str, Any]:
    with artefact.open_out(job.folder, "tune", [job.data]):
        remember(job)
        return _searched(job, workers, verbose)


def _searched(job: Job, workers: int, verbose: int) -> dict[str, Any]:
    """Searches, in a folder that nobody else writes."""
    if workers > 1 and not is_distributed():
        # The workers run that module, which must not be here before.
        from mmkeras.studies.tune.workers import search_in_parallel

        values = search_in_parallel(job, workers)
    else:
        values = search(job)
    rows = list_trials(job, values)
    best = choose(job, rows)
    if not is_finished(job):
        evaluation = _train_best(job, best["recipe"], verbose)
        result = {
            "settings": {**vars(job), "out": None},
            "trials": rows,
            "best": best,
            "test": {
                name: entry["metrics"]
                for name, entry in evaluation["targets"].items()
            },
            "headlines": {
                name: entry["headline"]
                for name, entry in evaluation["targets"].items()
            },
        }
        _write(job, result)
    artefact.read_manifest(job.folder, "tune")
    return artefact.read_json(job.folder / RESULT)


def check(job: Job) -> None:
    """Builds a model for each value of the space, and tries the objective.

    Raises:
        ValueError: If a recipe of the space is wrong; the message says which
            value it is.
    """
    checked = None
    for label, recipe in Space(job.space).probes():
        try:
            recipe, dropped = drawn(job, recipe)
            say_dropped(f"The space with {label}", dropped)
            recipe = with_epochs(job, recipe, job.epochs)
            to_toml(recipe)
            ready = set_up_run(job.data, recipe, job.strategy, job.seed)
        except ValueError as error:
            raise ValueError(
                f"The space must hold recipes that can be built. Received "
                f"with {label}: {error}"
            ) from error
        if checked is None:
            few = ready.data.validation.take(1)
            checked = validation_figures(ready.model, ready.heads, few)
    if job.objective not in checked:
        raise ValueError(
            "`objective` must be a metric of the validation split. Received: "
            f"{job.objective!r}. Choices: {', '.join(sorted(checked))}"
        )


def list_trials(job: Job, values: list[dict]) -> list[dict[str, Any]]:
    """Returns a row for each trial: its values, and its result."""
    rows, seen = [], set()
    for number, found in enumerate(values):
        recipe = recipe_of(job, found)
        folder = folder_of(job, recipe)
        trial = read_trial(folder)
        # Bayesian search may propose a point twice.
        if trial is None or folder in seen:
            continue
        seen.add(folder)
        tried = {r.name: r.read(found[r.name]) for r in Space(job.space).ranges}
        rows.append(
            {
                "trial": number + 1,
                "folder": f"trials/{folder.name}",
                "values": tried,
                "epochs": found.get("tuner/epochs", job.epochs),
                "objective": trial["figures"].get(job.objective),
                "figures": trial["figures"],
                "seconds": trial["seconds"],
                "parameters": trial["parameters"],
                "failed": trial["failed"],
            }
        )
    return rows


def choose(job: Job, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Returns the best trial by its objective, with its recipe.

    Of a Hyperband, only trials of the last rung that was reached count: fewer
    epochs are another measure.

    Raises:
        ValueError: If none succeeded.
    """
    good = [row for row in rows if row["failed"] is None]
    if not good:
        failures = [row["failed"] for row in rows] or ["no trial was run"]
        raise ValueError(
            f"At least one trial must succeed. Received: {failures[0]}"
        )
    most = max(row["epochs"] or 0 for row in good)
    good = [row for row in good if (row["epochs"] or 0) == most]
    pick = max if job.direction == "max" else min
    best = pick(good, key=lambda row: row["objective"])
    trial = artefact.read_manifest(job.folder / best["folder"], "trial")
    return {**best, "recipe": trial["recipe"]}


def _train_best(job: Job, recipe: dict, verbose: int) -> dict[str, Any]:
    out, file = job.folder / "best", job.folder / BEST
    text = to_toml(recipe)
    # Another recipe may have been the best when the search was stopped.
    same = file.is_file() and file.read_text(encoding="utf-8") == text
    artefact.write_text(file, text)
    train_run(
        Path(job.data), recipe, job.strategy, out, job.seed, verbose, file,
        restart=not same,
    )  # fmt: skip
    return evaluate_run(out, Path(job.data), baselines=False)


def _write(job: Job, result: dict[str, Any]) -> None:
    """Writes table, JSON, report and, last, the manifest."""
    files = [SETTINGS, BEST, RESULT, PAGE, TABLE]
    with artefact.replacing(job.folder, "tune", files) as new:
        for name in (SETTINGS, BEST):
            artefact.copy_file(job.folder / name, new / name)
        artefact.write_json(new / RESULT, result)
        write_report(new, result)
        artefact.write_manifest(new, "tune", files, seed=job.seed)
