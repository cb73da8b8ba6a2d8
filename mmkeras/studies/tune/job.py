"""The settings of a search, kept in its folder so that it can be resumed."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mmkeras import artefact
from mmkeras.arguments import check_choice, check_positive, check_table
from mmkeras.studies.tune.space import Space, first_changes
from mmkeras.training.stages import callbacks
from mmkeras.training.stages.run_folder import forget_runs

METHODS = ("grid", "random", "bayesian", "hyperband")
SETTINGS, BEST = "search.json", "best.toml"
# More trials are the same search, carried further.
MAY_CHANGE = ("trials",)


@dataclass(frozen=True, kw_only=True)
class Job:
    """A search; a trial follows from it and its own values alone.

    Args:
        data: Folder of `prepare`.
        space: A recipe with ranges; see `Space`.
        out: Folder to write.
        method: "grid", "random", "bayesian" or "hyperband".
        trials: Most trials; None for the whole grid, or one Hyperband.
        epochs: Epochs of a trial, for Hyperband of its last rung; None for
            those of the recipe. Other strategies than "full" share out as
            many steps as these epochs have among their stages.
        objective: Metric of the validation split, such as "val_loss".
        direction: "min" or "max".
        strategy: Strategy that trains each trial.
        seed: Seed of the search, and of every trial.
    """

    data: str
    space: dict
    out: str
    method: str = "random"
    trials: int | None = None
    epochs: int | None = None
    objective: str = "val_loss"
    direction: str = "min"
    strategy: str = "full"
    seed: int = 0

    def __post_init__(self) -> None:
        check_choice("method", self.method, METHODS)
        check_choice("direction", self.direction, ("min", "max"))
        if self.method == "grid":
            Space(self.space).check_grid()
        if self.trials is None and self.method in ("random", "bayesian"):
            raise ValueError(
                f"`trials` must be given for a {self.method} search, which "
                "never ends by itself. Received: none"
            )
        for name in ("trials", "epochs"):
            value = getattr(self, name)
            if value is not None:
                check_positive(**{name: value})
        if self.method == "hyperband" and self.epochs is None:
            raise ValueError(
                "`epochs` must be given for Hyperband: those of its last "
                "rung. Received: none"
            )
        if self.epochs is not None and self.limits:
            raise ValueError(
                "`epochs` must be the only limit of a trial where it is "
                f"given. Received: epochs={self.epochs}, and in the space "
                + ", ".join(f"`{name}`" for name in self.limits)
            )

    @property
    def limits(self) -> list[str]:
        """Values of the space that limit the length of a trial."""
        tables = {"training": self.space.get("training", {})}
        key = f"training.{self.strategy}"
        if isinstance(tables["training"], Mapping):
            tables[key] = tables["training"].get(self.strategy, {})
        for name, table in tables.items():
            check_table(name, table)
        ranges = {one.name for one in Space(self.space).ranges}
        return [
            f"{table}.{key}"
            for table, given in tables.items()
            for key in given
            if key in ("budget_steps", "budget_sec")
            or (key == "epochs" and f"{table}.{key}" in ranges)
        ]

    @property
    def folder(self) -> Path:
        return Path(self.out)


def direction_of(objective: str) -> str:
    """Returns "min" or "max" from the name of a metric.

    Raises:
        ValueError: If the name does not show it.
    """
    direction = callbacks.direction_of(objective)
    if direction is not None:
        return direction
    raise ValueError(
        "`direction` must be given where the objective's name does not "
        "show it. "
        f"Received: objective={objective!r}. Choices: min, max"
    )


def forget(folder: Path) -> None:
    """Removes a search in a folder, but for what is not ours."""
    forget_runs(folder, "best")
    artefact.clear_inside(folder, "trials/*")
    artefact.clear(folder, "tune")


def remember(job: Job) -> None:
    """Writes the settings of a search, or checks those that are there.

    Args:
        job: The search.

    Raises:
        ValueError: If `out` holds another search, or anything else.
    """
    path = job.folder / SETTINGS
    artefact.check_out(job.folder, "tune")
    described = _described(job)
    if not path.is_file():
        artefact.claim(job.folder, "tune", [SETTINGS, BEST])
        artefact.write_json(path, described)
        return
    found = artefact.read_json(path)
    if not isinstance(found, dict):
        raise ValueError(
            f"`{path}` must hold the settings of a search. Received: "
            f"{type(found).__name__}; `--restart` removes it"
        )
    for key in MAY_CHANGE:
        if not is_finished(job):
            found.pop(key, None)
            described.pop(key, None)
    difference = first_changes(found, described)
    if difference:
        raise ValueError(
            f"`{job.folder}` must hold this search to be resumed. "
            f"Received: one with other settings: {difference}; `--restart` "
            "removes it, or choose another folder"
        )


def is_finished(job: Job) -> bool:
    """Returns whether the search has ended, the test split evaluated."""
    return (job.folder / artefact.MANIFEST).is_file()


def _described(job: Job) -> dict[str, Any]:
    described = asdict(job)
    del described["out"]
    artefact.read_manifest(job.data, "data", check_files=False)
    manifest = Path(job.data) / artefact.MANIFEST
    described["data"] = str(Path(job.data).resolve())
    described["data_sha256"] = artefact.sha256_of(manifest)
    # As it reads back.
    return json.loads(json.dumps(described))
