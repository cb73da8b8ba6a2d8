"""What `mmkeras evaluate` does: a run measured on its test split."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras

from mmkeras import artefact, evaluation
from mmkeras.compress.quantization import layer  # noqa: F401, for load_model
from mmkeras.data import Data
from mmkeras.escaping import say
from mmkeras.model import load_model
from mmkeras.options import Dropped
from mmkeras.runs.recipe import Recipe, read_recipe
from mmkeras.runs.run_training import train
from mmkeras.runs.setup import load_for, set_up
from mmkeras.spec import DataSpec


def evaluate_run(
    run: Path, data_folder: Path | None = None, baselines: bool = True
) -> dict:
    """Evaluates a run on its test split; writes `RUN/evaluation`."""
    run = Path(run)
    manifest = artefact.read_manifest(run, "run")
    artefact.check_out(run / "evaluation", "evaluation")
    with artefact.lock(run):
        return _evaluate(run, manifest, data_folder, baselines)


def _evaluate(
    run: Path, manifest: dict, data_folder: Path | None, baselines: bool
) -> dict:
    data = open_data(manifest, data_folder)
    with data.reading():
        return _evaluated(run, manifest, data, baselines)


def _evaluated(run: Path, manifest: dict, data: Data, baselines: bool) -> dict:
    model = load_model(run)
    spec = data.spec
    groups = data.groups("test")
    trained = {}
    if baselines and len(spec.modalities) > 1:
        recipe = recipe_of(manifest, spec)
        trained = {
            name: train_alone(data, recipe, name, manifest["seed"], groups)
            for name in sorted(spec.modalities)
            if spec.answers(name)
        }
    predicted = evaluation.predict(model, data.test)
    result = evaluation.evaluate(
        model,
        data.test,
        spec.targets,
        predicted=predicted,
        optional=spec.optional,
        statistics=data.statistics["targets"],
        train_samples=data.counts["train"],
        baselines=trained,
        groups=groups,
    )
    result["group"] = spec.split.group
    held = data.counts.get("validation")
    result["cautions"] = evaluation.cautions(
        result,
        spec.targets,
        data.statistics["targets"],
        evaluation.predict(model, data.validation) if held else None,
        data.groups("validation") if held else None,
    )
    ids = data.ids("test")
    page = evaluation.render_report(
        result,
        title=f"{spec.name}: {run.name}",
        facts={
            "Strategy": manifest["strategy"],
            "Seed": manifest["seed"],
            "Training samples": data.counts["train"],
        },
        history=run / "history.csv",
        dataset=data.test,
        modalities=spec.modalities,
        ids=ids,
        learned_files=data.learned_files,
        targets=spec.targets,
        predicted=predicted,
        about=" ".join(spec.description.split()),
    )
    rows = evaluation.prediction_rows(spec.targets, predicted, ids)
    evaluation.write_evaluation(run / "evaluation", result, page, rows)
    return result


def open_data(
    manifest: dict, folder: Path | None = None, augment: bool = True
) -> Data:
    """Loads the data a run was trained on; refuses any other.

    Args:
        manifest: The run's manifest.
        folder: Where the data are now, if they have moved.
        augment: Whether `train` is augmented as the recipe says.
    """
    needed = ("data", "data_sha256", "recipe", "seed", "strategy")
    lacking = [key for key in needed if key not in manifest]
    if lacking:
        raise ValueError(
            "The run's manifest must say where its model comes from, as "
            "`describe_run` tells it. Received: one without "
            f"{', '.join(f'`{key}`' for key in lacking)}, as a stage of a "
            "training leaves it; name the run that the stages belong to"
        )
    folder = Path(folder or manifest["data"])
    dropped = Dropped(unknown=True)
    seed = manifest["seed"]
    data = load_for(manifest["recipe"], folder, seed, augment, dropped)
    # With another split, the model may have seen its test samples.
    digest = artefact.sha256_of(folder / artefact.MANIFEST)
    if digest != manifest["data_sha256"]:
        raise ValueError(
            f"`{folder}` must be the data the run was trained on, whose "
            f"manifest has sha256 {manifest['data_sha256'][:16]}. "
            f"Received: {digest[:16]}"
        )
    return data


def recipe_of(manifest: Mapping[str, Any], spec: DataSpec) -> Recipe:
    """Reads the recipe of a run, which may be older than this version.

    Keys that are not used any more are left out, and named.

    Args:
        manifest: The run's manifest.
        spec: The spec of its data.
    """
    dropped = Dropped(unknown=True)
    recipe = read_recipe(manifest["recipe"], spec, dropped)
    say_dropped("The recipe of the run", dropped)
    return recipe


def say_dropped(what: str, dropped: Dropped) -> None:
    """Says how many keys were left out, and which."""
    keys = sorted(set(dropped.keys))
    if keys:
        count = f"{len(keys)} key{'s' if len(keys) > 1 else ''}"
        names = ", ".join(f"`{key}`" for key in keys)
        say(f"{what} has {count} that nothing uses: {names}")


def train_alone(
    data: Data,
    recipe: Recipe,
    name: str,
    seed: int,
    groups: Sequence[str] | None = None,
) -> dict:
    """Trains one modality with the same recipe; returns its metrics.

    The recipe's tower, heads and full strategy, from scratch, on the same
    samples; those that lack the modality do not count.
    """
    keras.utils.set_random_seed(seed)
    ready = set_up(data, recipe, recipe.training.strategies["full"], only=name)
    say(f"Baseline: `{name}` alone")
    train(ready, seed)
    targets = {n: data.spec.targets[n] for n in ready.heads}
    result = evaluation.evaluate(
        ready.model, ready.test, targets, groups=groups
    )
    return {t: entry["metrics"] for t, entry in result["targets"].items()}
