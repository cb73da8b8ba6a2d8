"""What `mmkeras train` does: a recipe trained, and kept as a run.

A run is the folder of one trained model: `model.keras`, `history.csv`, and a
manifest with the recipe, the seed, the strategy and the data it was trained
on.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras

from mmkeras import artefact
from mmkeras.data import Data
from mmkeras.runs.setup import SetUp, set_up_run
from mmkeras.training import adopt_earlier, save_run


def train_run(
    data_folder: Path,
    recipe: Mapping[str, Any],
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
    if not restart:
        adopt_earlier(Path(out))
    # From here on, nobody else writes it.
    with artefact.open_out(out, "run", [data_folder]):
        ready = set_up_run(data_folder, recipe, strategy, seed)
        identity = {"recipe": recipe, "strategy": strategy, "init": ready.init}
        history = train(
            ready,
            seed,
            out=out,
            verbose=verbose,
            resume=not restart,
            identity=identity,
        )
        about = describe_run(ready.data, recipe, strategy, seed)
        save_trained(ready, out, history, recipe_file=recipe_file, **about)


def train(
    ready: SetUp,
    seed: int,
    *,
    out: Path | None = None,
    data: Any = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    verbose: int = 0,
    resume: bool = False,
    identity: Mapping[str, Any] | None = None,
) -> keras.callbacks.History:
    """Trains what was set up; see `Strategy.fit`.

    Args:
        ready: What `set_up` returned.
        seed: Seed of everything random from here on.
        out: Folder of the run; None writes nothing.
        data: What is learned from, where it is not `ready.data` as it is.
        callbacks: Further Keras callbacks.
        verbose: As in `model.fit`.
        resume: Whether to go on from the last checkpoint in `out`.
        identity: What else must be the same for that.
    """
    return ready.strategy.fit(
        ready.model,
        ready.data if data is None else data,
        ready.heads,
        out=out,
        callbacks=callbacks,
        seed=seed,
        verbose=verbose,
        resume=resume,
        identity=identity,
    )


def save_trained(
    ready: SetUp, out: Path, history: keras.callbacks.History, **about: Any
) -> None:
    """Writes a trained model as a run.

    Args:
        ready: What was trained.
        out: Folder of the run.
        history: What `train` returned.
        about: What `describe_run` says, further entries of the manifest, and
            what `save_run` takes.
    """
    start = "blend_"
    weights = {
        column.removeprefix(start): values[-1]
        for column, values in history.history.items()
        if column.startswith(start)
    }
    about |= {"blend_weights": weights} if weights else {}
    save_run(out, ready.model, history, **{"init": ready.init, **about})


def describe_run(
    data: Data, recipe: Mapping[str, Any], strategy: str, seed: int
) -> dict[str, Any]:
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
