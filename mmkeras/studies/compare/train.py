"""One arm, one seed, one share of the labels: trained and measured."""

import copy
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras

from mmkeras import artefact
from mmkeras.data import Data
from mmkeras.evaluation import predict
from mmkeras.model import load_model
from mmkeras.runs import (
    Recipe,
    SetUp,
    describe_run,
    read_init,
    save_trained,
    set_up,
    train,
)
from mmkeras.studies.compare.arms import Arm, Plan
from mmkeras.studies.compare.cost import Cost
from mmkeras.studies.compare.measurement import (
    classes_of,
    curve,
    figures_of,
    harder,
    headlines_of,
    read_measured,
    write_measured,
)
from mmkeras.training.stages.datasets import count_batches

# Tables of the recipe that stand in an arm.
ELSEWHERE = ("training", "init")


def train_arm(
    data: Data,
    recipe: Recipe,
    plan: Plan,
    arm: Arm,
    fraction: float,
    seed: int,
    out: Path,
    verbose: int = 0,
) -> None:
    """Trains an arm; writes its run, and what was measured of it.

    The labels, the order and the first weights follow from the seed, so that
    every arm of a seed starts from the same.

    Args:
        data: The data, opened with this seed.
        recipe: The recipe, without the arms.
        plan: The comparison.
        arm: Which arm.
        fraction: Share of the training labels.
        seed: Seed of everything random.
        out: Folder of the run.
        verbose: As in `model.fit`.
    """
    forget_models()
    keras.utils.set_random_seed(seed)
    data = few_labels(data, fraction, seed)
    ready = set_up_arm(data, recipe, plan, arm)
    cached = _cached(ready.strategy, ready.data)
    cost = Cost(ready.model, data.batch_size, cached)
    start = time.perf_counter()
    history = train(ready, seed, callbacks=[cost], verbose=verbose)
    wall = time.perf_counter() - start
    identity = identity_of(data, recipe, plan, arm, fraction, seed)
    facts = describe_run(data, recipe.source, arm.strategy, seed)
    save_trained(ready, out, history, **facts, comparison=identity)
    found = predict(ready.model, ready.test)
    result = {
        "arm": arm.name,
        "fraction": fraction,
        "seed": seed,
        "labels": data.counts["train"],
        "spent": {
            **_spent(history.history, cost, wall),
            # The budget may be over before a stage starts.
            "left_out": [
                name
                for name, epochs in ready.strategy.plan(ready.model)
                if epochs and name not in history.history["stage"]
            ],
        },
        **_measured(found, data.spec, history.history),
        "harder": [],
    }
    if arm.modality is None and fraction == plan.fractions[-1]:
        found_harder = harder(ready.model, data, seed)
        result["harder"] = [list(each) for each in found_harder]
    write_measured(out, result, found, identity)


def _spent(
    history: Mapping[str, Any], cost: Cost, wall_sec: float
) -> dict[str, Any]:
    steps = int(history["steps"][-1])
    return {
        "steps": steps,
        "samples": steps * cost.batch_size,
        "seconds": float(history["seconds"][-1]),
        "wall_seconds": wall_sec,
        "longest_step_sec": cost.longest_sec,
        "multiply_adds": cost.total,
    }


def _measured(
    found: Any, spec: Any, history: Mapping[str, Any]
) -> dict[str, Any]:
    targets = spec.targets
    return {
        "curve": curve(history, targets, list(spec.modalities)),
        "metrics": figures_of(found, targets),
        "clean": headlines_of(found, targets),
        "classes": classes_of(found, targets),
    }


def measure_harder(data: Data, run: Path, seed: int) -> None:
    """Measures a run with modalities absent and with noise.

    For a run that had not the most labels when it was trained.
    """
    forget_models()
    result, identity = read_measured(run)
    found = [list(each) for each in harder(load_model(run), data, seed)]
    write_measured(run, {**result, "harder": found}, None, identity)


def few_labels(data: Data, fraction: float, seed: int) -> Data:
    """Returns the data with a share of the labels, epochs of equal length.

    An epoch of few samples sees each of them several times: validation after
    every epoch would otherwise take longer than training. Batches are as full
    as with all labels, since a budget counts them.
    """
    few = data.with_labels(fraction, seed)
    times = few.everything.counts["train"] // few.counts["train"]
    longer = copy.copy(few)
    if times > 1:
        longer.train = few.shuffled(times)
    return longer


def set_up_arm(data: Data, recipe: Recipe, plan: Plan, arm: Arm) -> SetUp:
    """Returns everything of an arm's training but the training."""
    return set_up(
        data,
        recipe,
        plan.strategy(arm),
        only=arm.modality,
        init=read_init(arm.init),
    )


def _cached(strategy: Any, seen: Any) -> int:
    """Returns how many samples the towers read to fill a cache."""
    passes = getattr(strategy, "cache_passes", 0)
    if not passes:
        return 0
    batches = passes * count_batches(seen.train)
    return (batches + count_batches(seen.validation)) * seen.batch_size


def identity_of(
    data: Data,
    recipe: Recipe,
    plan: Plan,
    arm: Arm,
    fraction: float,
    seed: int,
) -> dict[str, Any]:
    """Returns what a run depends on, JSON values only.

    The name of the arm is no part of it, nor is what else is compared.
    """
    return {
        "data_sha256": artefact.sha256_of(data.folder / artefact.MANIFEST),
        "recipe": {
            k: v for k, v in recipe.source.items() if k not in ELSEWHERE
        },
        "init": {
            name: artefact.sha256_of(_run_of(entry) / artefact.MANIFEST)
            for name, entry in arm.init.items()
        },
        "batch_size": data.batch_size,
        "strategy": arm.strategy,
        "settings": arm.settings,
        "modality": arm.modality,
        "fraction": fraction,
        "seed": seed,
        "budget_steps": plan.budget_steps,
        "budget_sec": plan.budget_sec,
    }


def _run_of(entry: Any) -> Path:
    """Returns the folder that an entry of `[init]` names."""
    return Path(entry["run"] if isinstance(entry, Mapping) else entry)


def forget_models() -> None:
    """Frees the models of earlier runs."""
    keras.backend.clear_session()
