"""The stages of a strategy, in order; resuming skips complete ones."""

import time
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import keras

from mmkeras import artefact
from mmkeras.training.stages.budget import share_seconds, share_steps
from mmkeras.training.stages.definition import Fit, Share, Stage
from mmkeras.training.stages.orders import advance, iterators_of
from mmkeras.training.stages.resume import (
    arrays_of,
    assign,
    restore_rows,
    variables_of,
)
from mmkeras.training.stages.run_folder import (
    history_of,
    read_state,
    save_run,
)
from mmkeras.training.stages.stage import run_stage

# Fields of a fit's fingerprint that the manifest of a stage's run keeps.
ORIGIN = ("spec", "vocabularies")


def run_stages(
    fit: Fit,
    stages: Iterator[Stage],
    seed: int | None,
    checkpoint: Mapping[str, Any] | None = None,
) -> None:
    """Runs the stages of `fit.settings` on `fit.whole`.

    Args:
        fit: What all stages share.
        stages: The stages, each made when the one before has ended.
        seed: Seed of the fit; each stage has one of its own, so that a stage
            does not depend on whether those before it were run or read.
        checkpoint: Where to resume, or None.
    """
    plan = fit.settings.plan(fit.whole)
    if checkpoint is not None:
        fit.left_out = list(checkpoint["left_out"])
    for index, (name, _) in enumerate(plan):
        if seed is not None:
            seed_everything(seed + index, fit.settings.jit_compile)
        start = time.perf_counter()
        stage = next(stages)
        if stage.name != name:
            raise ValueError(
                "`stages` must be those of `plan`, in order. Received: "
                f"`{stage.name}` in place of `{name}`"
            )
        if not stage.epochs or name in fit.left_out:
            continue
        folder = stage_folder(fit, plan, name)
        if checkpoint is not None and index < checkpoint["stage"]:
            skip_stage(fit, stage, folder, checkpoint)
            continue
        # What a stage needs before its first step is not free.
        fit.spent.seconds += time.perf_counter() - start
        if checkpoint is not None:
            fit.share = Share(**checkpoint["share"])
        else:
            fit.share = share_of(fit, plan, index)
        # But something has to be trained, however little time there was.
        if fit.share.steps == 0 or (fit.share.seconds == 0 and fit.rows.rows):
            fit.left_out.append(name)
            continue
        with fit.tuning.applied(stage.model, len(fit.rows.rows)) as applied:
            fit.applied = applied
            run_stage(fit, index, stage, fit.share, checkpoint)
        checkpoint = None
        if folder is not None:
            keep_stage(fit, stage, folder, seed)
    # What a strategy does after its last stage.
    next(stages, None)
    if fit.left_out:
        warnings.warn(
            "The budget was over before the stages "
            f"{', '.join(fit.left_out)}, which were left out. Give more "
            "`budget_sec` or `budget_steps`",
            stacklevel=2,
        )


def stage_folder(
    fit: Fit, plan: list[tuple[str, int]], name: str
) -> Path | None:
    """Returns where a stage leaves its run; None where it leaves none."""
    names = [name for name, epochs in plan if epochs]
    if fit.out is None or len(names) < 2:
        return None
    return fit.out / "stages" / f"{names.index(name) + 1}-{name}"


def kept_stages(fit: Fit) -> list[Path]:
    """Returns where the stages of a fit leave their runs, in order."""
    plan = fit.settings.plan(fit.whole)
    places = [
        stage_folder(fit, plan, name)
        for name, epochs in plan
        if epochs and name not in fit.left_out
    ]
    return [place for place in places if place is not None]


def earlier_stages(fit: Fit, progress: Mapping[str, Any]) -> list[Path]:
    """Returns the runs of the stages that had ended at a checkpoint."""
    plan = fit.settings.plan(fit.whole)
    return [
        folder
        for name, epochs in plan[: progress["stage"]]
        if epochs
        and name not in progress["left_out"]
        and (folder := stage_folder(fit, plan, name)) is not None
    ]


def share_of(fit: Fit, plan: list[tuple[str, int]], index: int) -> Share:
    """Returns what the stage at `index` may spend of the strategy's budget."""
    settings, epochs = fit.settings, [epochs for _, epochs in plan]
    if settings.budget_steps is not None:
        return Share(steps=share_steps(settings.budget_steps, epochs)[index])
    if settings.budget_sec is not None:
        left = settings.budget_sec - fit.spent.seconds
        return Share(seconds=share_seconds(left, epochs[index:]))
    return Share()


def keep_stage(fit: Fit, stage: Stage, folder: Path, seed: int | None) -> None:
    """Writes a stage that has ended as a run of its own."""
    # What else lies there is of a training before this one.
    places = kept_stages(fit)
    earlier = {
        place.name: artefact.sha256_of(place / artefact.MANIFEST)
        for place in places[: places.index(folder)]
    }
    rows = [row for row in fit.rows.rows if row["stage"] == stage.name]
    save_run(
        folder,
        stage.product or stage.model,
        history_of(rows, stage.model),
        state=arrays_of(variables_of(stage.model, fit.whole)),
        stage=stage.name,
        strategy=type(fit.settings).__name__,
        seed=seed,
        previous=earlier,
        iterators=iterators_of(fit.train),
        **{k: v for k, v in fit.fingerprint.items() if k in ORIGIN},
    )


def skip_stage(
    fit: Fit,
    stage: Stage,
    folder: Path | None,
    checkpoint: Mapping[str, Any],
) -> None:
    """Brings back what a stage left that ended before the interruption."""
    manifest = artefact.read_manifest(folder, "run")
    assign(variables_of(stage.model, fit.whole), read_state(folder))
    rows = [r for r in checkpoint["rows"] if r["stage"] == stage.name]
    restore_rows(fit.rows, [*fit.rows.rows, *rows])
    advance(stage.data.train, manifest["iterators"], len(rows))


def seed_everything(seed: int, jit_compile: bool | str = "auto") -> None:
    """Seeds Python, NumPy and the backend, and makes a CPU repeat itself."""
    keras.utils.set_random_seed(seed)
    if keras.backend.backend() != "tensorflow":
        return
    import tensorflow as tf

    # It switches XLA off; on a GPU it would refuse operators, too.
    if not (jit_compile is True or tf.config.list_physical_devices("GPU")):
        tf.config.experimental.enable_op_determinism()
