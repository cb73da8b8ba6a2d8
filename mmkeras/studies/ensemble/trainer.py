"""Members of an ensemble, trained one by one."""

import contextlib
import copy
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np

from mmkeras import artefact
from mmkeras.escaping import say
from mmkeras.model import load_model
from mmkeras.runs import (
    describe_run,
    load_for,
    save_trained,
    set_up_run,
    train,
)
from mmkeras.studies.anew import study
from mmkeras.studies.ensemble.combined_model import check_targets
from mmkeras.studies.ensemble.results import on_splits, write_ensemble
from mmkeras.studies.ensemble.sample_weights import reweighted
from mmkeras.training.stages.run_folder import forget_runs

# The semi-supervised strategies set sample weights themselves.
MEMBERS = ("full", "component")


class Trainer:
    """Trains members of one recipe, each on samples weighted its own way.

    A member whose run is complete is loaded, so a stopped ensemble resumes.

    Args:
        data_folder: Folder of `prepare`.
        recipe: Tables of the recipe.
        out: Folder of the ensemble; members lie in `out / "members"`.
        strategy: Strategy of every member.
        seed: Member k is trained with `seed + k`.
        verbose: As in `model.fit`.
        restart: Whether to retrain the members that `out` holds. They stay
            until the new ensemble is whole, beside it in `.anew`.
    """

    def __init__(
        self,
        data_folder: str | Path,
        recipe: dict[str, Any],
        out: str | Path,
        strategy: str = "full",
        seed: int = 0,
        verbose: int = 2,
        restart: bool = False,
    ):
        self.recipe, self.strategy, self.seed = recipe, strategy, seed
        self.folder, self.verbose = Path(data_folder), verbose
        self.restart = restart
        self.out = Path(out)
        artefact.check_out(self.out, "ensemble", [data_folder])
        if strategy not in MEMBERS:
            raise ValueError(
                "`strategy` must be one that takes weighted samples. "
                f"Received: {strategy!r}. Choices: {', '.join(MEMBERS)}"
            )
        self.data = load_for(recipe, self.folder, seed)
        check_targets(self.data.spec.targets)

    def study(self, make: Callable[["Trainer"], dict]) -> dict[str, Any]:
        """Makes an ensemble by a trainer of the folder it is made in."""

        def made(folder):
            trainer = copy.copy(self)
            trainer.out = folder
            with trainer.writing():
                return make(trainer)

        with self.writing():
            return study(
                self.out,
                "ensemble",
                made,
                lambda folder: forget_runs(folder, "members/*"),
                self.restart,
            )

    def writing(self) -> contextlib.AbstractContextManager[Path]:
        """Holds the folder of the ensemble, so that nobody else writes it."""
        return artefact.open_out(self.out, "ensemble")

    def train(
        self, number: int, factors: np.ndarray, targets: list[str] | None
    ) -> tuple[keras.Model, dict[str, Any]]:
        """Returns member `number`, and its line of `ensemble.json`.

        Args:
            number: Counted from 0.
            factors: `(samples,)`; see `reweighted`.
            targets: See `reweighted`.
        """
        place = self.out / "members" / str(number + 1)
        seed = self.seed + number
        identity = {
            **describe_run(self.data, self.recipe, self.strategy, seed),
            "sample_weights": hashlib.sha256(
                np.asarray(factors, "float64").tobytes()
            ).hexdigest(),
        }
        if not _is_done(place, identity):
            self._fit(place, seed, factors, targets, identity)
        model = load_model(place)
        entry = {"run": str(place), "seed": seed}
        return model, {**entry, **on_splits(model, self.data)}

    def _fit(self, place, seed, factors, targets, identity):
        ready = set_up_run(self.folder, self.recipe, self.strategy, seed)
        if self.verbose:
            say(f"Member {place.name}")
        history = train(
            ready,
            seed,
            out=place,
            data=reweighted(ready.data, factors, targets),
            verbose=self.verbose,
            resume=True,
            identity={**identity, "init": ready.init},
        )
        save_trained(ready, place, history, **identity)

    def finish(self, model: keras.Model, result: dict[str, Any]) -> dict:
        """Measures the ensemble and writes it; returns the result."""
        result = {**result, "ensemble": on_splits(model, self.data)}
        write_ensemble(
            self.out, model, self.data, result, self.recipe, self.seed
        )
        return result


def _is_done(place: Path, identity: dict[str, Any]) -> bool:
    try:
        found = artefact.read_manifest(place, "run")
    except ValueError:
        return False
    return all(found.get(key) == value for key, value in identity.items())
