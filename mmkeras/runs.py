"""What `mmkeras train` and `mmkeras evaluate` do: the parts put together.

A run is the folder of one trained model: `model.keras`, `history.csv`, and a
manifest with the recipe, the seed, the strategy and the data it was trained
on.
"""

from pathlib import Path

import keras

from mmkeras import artefact, evaluation
from mmkeras.begin import alone, begin, load_for, split_settings
from mmkeras.compress.quantization import layer  # noqa: F401, for load_model
from mmkeras.data import Data
from mmkeras.model import build_from_recipe, load_model
from mmkeras.training import make_strategy, save_run
from mmkeras.training.trainable.precision import precision_scope
from mmkeras.training.trainable.selection import fitting


def train_run(
    data_folder: Path,
    recipe: dict,
    strategy: str,
    out: Path,
    seed: int = 0,
    verbose: int = 2,
    recipe_file: Path | None = None,
    restart: bool = False,
) -> None:
    """Trains a recipe's model on prepared data; writes the run `out`.

    A training into `out` that was stopped goes on from its last checkpoint.

    Args:
        data_folder: Folder of `prepare`.
        recipe: Tables of the recipe; an empty one takes every default.
        strategy: One of `STRATEGIES`, such as "full" or "component".
        out: Folder to write.
        seed: Seed of weights, order, augmentation and dropout.
        verbose: As in `model.fit`.
        recipe_file: The recipe's TOML, copied into the run.
        restart: Whether to begin anew.
    """
    artefact.check_out(out, "run", [data_folder])
    begun = begin(data_folder, recipe, strategy, seed)
    model = begun.model
    history = begun.strategy.fit(
        model,
        begun.data,
        begun.heads,
        out=out,
        seed=seed,
        verbose=verbose,
        resume=not restart,
        identity={"recipe": recipe, "strategy": strategy, "init": begun.init},
    )
    about = describe_run(begun.data, recipe, strategy, seed)
    if recipe_file is not None:
        text = recipe_file.read_text(encoding="utf-8")
        artefact.write_text(Path(out) / "recipe.toml", text)
    start = "blend_"
    weights = {
        column.removeprefix(start): values[-1]
        for column, values in history.history.items()
        if column.startswith(start)
    }
    about |= {"blend_weights": weights} if weights else {}
    save_run(out, model, history, init=begun.init, **about)


def describe_run(data: Data, recipe: dict, strategy: str, seed: int) -> dict:
    """Returns what a run's manifest says of where the model comes from.

    Example, for a model that was not built by a recipe:

    >>> save_run("run", model, history, **describe_run(data, {}, "full", 0))
    """
    folder = Path(data.folder).resolve()
    return {
        "data": str(folder),
        "data_sha256": artefact.sha256_of(folder / artefact.MANIFEST),
        "spec": data.spec.to_dict(),
        "spec_sha256": data.spec.sha256,
        "vocabularies": data.vocabularies,
        "strategy": strategy,
        "recipe": recipe,
        "seed": seed,
    }


def evaluate_run(
    run: Path, data_folder: Path | None = None, baselines: bool = True
) -> dict:
    """Evaluates a run on its test split; writes `RUN/evaluation`."""
    manifest = artefact.read_manifest(run, "run")
    data = open_data(manifest, data_folder)
    model = load_model(run)
    spec = data.spec
    trained = {}
    if baselines and len(spec.modalities) > 1:
        trained = {
            name: train_alone(data, manifest["recipe"], name, manifest["seed"])
            for name in sorted(spec.modalities)
        }
    result = evaluation.evaluate(
        model,
        data.test,
        spec.targets,
        optional=spec.optional,
        statistics=data.statistics["targets"],
        train_samples=data.counts["train"],
        baselines=trained,
    )
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
        ids=data.ids("test"),
        tokenizers={
            name: data.tokenizer_path(name)
            for name, modality in spec.modalities.items()
            if modality.kind == "text"
        },
    )
    evaluation.write_evaluation(run / "evaluation", result, page)
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
    data = load_for(manifest["recipe"], folder, manifest["seed"], augment)
    # With another split, the model may have seen its test samples.
    digest = artefact.sha256_of(folder / artefact.MANIFEST)
    if digest != manifest["data_sha256"]:
        raise ValueError(
            f"`{folder}` must be the data the run was trained on, whose "
            f"manifest has sha256 {manifest['data_sha256'][:16]}. "
            f"Received: {digest[:16]}"
        )
    return data


def train_alone(data: Data, recipe: dict, name: str, seed: int) -> dict:
    """Trains one modality with the same recipe; returns its metrics.

    The recipe's tower, heads and full strategy, from scratch, on the same
    samples; those that lack the modality do not count.
    """
    keras.utils.set_random_seed(seed)
    spec, own, seen, test = alone(data, recipe, name)
    settings = split_settings(recipe)["strategies"]["full"]
    strategy = make_strategy("full", settings)
    with precision_scope(strategy.precision):
        model, heads = build_from_recipe(spec, data.statistics, own, data)
    print(f"Baseline: `{name}` alone")
    fitting(strategy, model).fit(model, seen, heads, seed=seed, verbose=0)
    result = evaluation.evaluate(model, test, spec.targets)
    return {t: entry["metrics"] for t, entry in result["targets"].items()}
