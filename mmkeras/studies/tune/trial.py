"""One trial: a recipe trained, measured on the validation split, written."""

import hashlib
import json
import math
import time
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import keras

from mmkeras import artefact, heads
from mmkeras.options import Dropped
from mmkeras.runs import (
    read_recipe,
    read_training,
    set_up_run,
    spec_of_data,
    train,
)
from mmkeras.studies.tune.job import Job
from mmkeras.studies.tune.recipe_toml import to_toml
from mmkeras.studies.tune.space import Space
from mmkeras.training.stages.run_folder import write_history


def recipe_of(job: Job, values: dict[str, Any]) -> dict:
    """Returns the recipe of a trial, its epochs included.

    Args:
        job: The search.
        values: What keras-tuner drew, by name; from Hyperband also the
            epochs of the rung.
    """
    recipe, _ = drawn(job, Space(job.space).recipe(values))
    return with_epochs(job, recipe, values.get("tuner/epochs", job.epochs))


def drawn(job: Job, source: dict) -> tuple[dict, Dropped]:
    """Returns a recipe without the keys that its variants lack, and these.

    A key of the space that only some of its variants have, such as `heads`,
    stays where it has a meaning.
    """
    dropped = Dropped()
    read_recipe(source, spec_of_data(job.data), dropped)
    return without(source, dropped.keys), dropped


def without(source: Mapping[str, Any], keys: Collection[str]) -> dict:
    """Returns nested tables without some keys, "table.key"."""
    found = {}
    for key, value in source.items():
        start = f"{key}."
        inner = [k.removeprefix(start) for k in keys if k.startswith(start)]
        if key in keys:
            continue
        found[key] = without(value, inner) if inner else value
    return found


def with_epochs(job: Job, recipe: dict, epochs: int | None) -> dict:
    """Returns a recipe with a number of epochs; as it is when None."""
    if epochs is None:
        return recipe
    training = dict(recipe.get("training", {}))
    own = dict(training.get(job.strategy, {}))
    if job.strategy == "full":
        own["epochs"] = epochs
    else:
        # Its stages share the steps as they would have shared the epochs.
        manifest = artefact.read_manifest(job.data, "data", check_files=False)
        samples = manifest["splits"]["train"]["count"]
        batch_size = read_training(recipe.get("training", {})).batch_size
        own["budget_steps"] = epochs * math.ceil(samples / batch_size)
    return {**recipe, "training": {**training, job.strategy: own}}


def folder_of(job: Job, recipe: dict) -> Path:
    """Returns where the trial of a recipe is written: its name is a hash."""
    text = json.dumps(recipe, sort_keys=True)
    name = hashlib.sha256(text.encode()).hexdigest()[:12]
    return job.folder / "trials" / name


def read_trial(folder: Path) -> dict | None:
    """Returns the manifest of a complete trial, failed or not, or None."""
    try:
        return artefact.read_manifest(folder, "trial")
    except ValueError:
        return None


def run_trial(job: Job, values: dict[str, Any]) -> dict:
    """Trains a recipe unless its result is there; returns its manifest.

    A trial that failed is tried again. A trial sees no more than the
    training and the validation split.

    Args:
        job: The search.
        values: What keras-tuner drew, by name.
    """
    recipe = recipe_of(job, values)
    folder = folder_of(job, recipe)
    known = read_trial(folder)
    if known is not None and known["failed"] is None:
        return known
    files = ["recipe.toml", "history.csv"]
    with artefact.replacing(folder, "trial", files) as new:
        return _trained(job, recipe, new)


def _trained(job: Job, recipe: dict, folder: Path) -> dict:
    """Trains a recipe, and writes what was found; returns the manifest."""
    artefact.write_text(folder / "recipe.toml", to_toml(recipe))
    files = ["recipe.toml"]
    found: dict[str, Any] = {"figures": {}, "parameters": None, "failed": None}
    start = time.monotonic()
    try:
        history, found["parameters"], figures = fit(job, recipe)
        write_history(folder / "history.csv", history)
        files.append("history.csv")
        found["failed"] = _missing(job, figures)
        # JSON knows no NaN.
        found["figures"] = {
            n: v for n, v in figures.items() if math.isfinite(v)
        }
    # A trial may be too large for the memory, or diverge: others are not.
    except Exception as error:
        found["failed"] = f"{type(error).__name__}: {error}"[:2000]
    return artefact.write_manifest(
        folder, "trial", files, recipe=recipe, **found,
        seconds=round(time.monotonic() - start, 3),
    )  # fmt: skip


def fit(job: Job, recipe: dict) -> tuple[Any, int, dict[str, float]]:
    """Trains a recipe; returns history, size and validation figures."""
    # A search makes many models in one process.
    keras.utils.clear_session()
    ready = set_up_run(job.data, recipe, job.strategy, job.seed)
    history = train(ready, job.seed)
    model, validation = ready.model, ready.data.validation
    figures = validation_figures(model, ready.heads, validation)
    return history, model.count_params(), figures


def validation_figures(model: Any, made: dict, dataset: Any) -> dict:
    """Returns loss and metrics of a model as it is, named as in a history.

    Args:
        model: Model from `{modality: x}` to `{target: y}`.
        made: Its heads by target.
        dataset: The validation split.

    Example:

    >>> validation_figures(model, heads, data.validation)["val_loss"]
    0.31
    """
    compile_figures(model, made)
    return read_figures(model, dataset)


def compile_figures(model: keras.Model, made: dict) -> None:
    """Compiles a model for `read_figures`, which may then be called often."""
    model.compile(
        loss=heads.losses(made, model),
        loss_weights=heads.loss_weights(made),
        weighted_metrics=heads.metrics(made, model),
        # Compiling would take longer than it saves.
        jit_compile=False,
    )


def read_figures(model: keras.Model, dataset: Any) -> dict[str, float]:
    """Returns the figures of a compiled model, as the validation's."""
    found = model.evaluate(dataset, verbose=0, return_dict=True)
    return {f"val_{name}": float(value) for name, value in found.items()}


def _missing(job: Job, figures: dict[str, float]) -> str | None:
    if job.objective not in figures:
        return (
            f"`objective` must be a metric of the validation split. Received: "
            f"{job.objective!r}. Choices: {', '.join(sorted(figures))}"
        )
    value = figures[job.objective]
    if not math.isfinite(value):
        return f"`{job.objective}` must be finite. Received: {value}"
    return None
