"""keras-tuner proposes, we train: one process, or several with a chief.

keras-tuner's own state on disk is not used. It is not written atomically, a
grid reloaded from it ends at once, and a Bayesian search resumes with other
random numbers. Instead each search starts anew from its seed, and trials that
are finished return their stored results: so the proposals are those of a search
that was never stopped.
"""

import os
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import keras_tuner
from keras_tuner.engine.base_tuner import BaseTuner
from sklearn.exceptions import ConvergenceWarning

from mmkeras.escaping import say
from mmkeras.studies.tune.job import Job
from mmkeras.studies.tune.space import Space
from mmkeras.studies.tune.trial import run_trial

MAX_FAILURES = 3
# Seconds between a worker's requests to the chief, which may reply "idle".
PAUSE_SEC = 0.1


class Tuner(BaseTuner):
    """Runs the trials that an oracle proposes.

    Unlike `keras_tuner.Tuner` it needs no TensorBoard, and builds no
    models: `run_trial` trains a recipe.

    Args:
        job: The search.
        folder: Folder for what keras-tuner writes; it is never read.
    """

    def __init__(self, job: Job, folder: str | Path):
        self.job = job
        super().__init__(
            make_oracle(job), directory=str(folder), project_name="tuner"
        )

    def search(self, *args: Any, **kwargs: Any) -> None:
        with warnings.catch_warnings():
            # Of the Gaussian process, whose bounds keras-tuner does not expose.
            warnings.simplefilter("ignore", ConvergenceWarning)
            super().search(*args, **kwargs)

    def pre_create_trial(self) -> None:
        if is_worker():
            time.sleep(PAUSE_SEC)

    def run_trial(self, trial: Any, *args: Any, **kwargs: Any) -> float:
        number = int(trial.trial_id) + 1
        values = trial.hyperparameters.values
        found = run_trial(self.job, values)
        say(f"trial {number}: {_line(self.job, values, found)}")
        if found["failed"] is not None:
            raise keras_tuner.errors.FailedTrialError(found["failed"])
        return found["figures"][self.job.objective]


def make_oracle(job: Job) -> keras_tuner.Oracle:
    """Returns keras-tuner's oracle of the job's method."""
    settings = {
        "objective": keras_tuner.Objective(job.objective, job.direction),
        "hyperparameters": Space(job.space).hyperparameters(),
        "allow_new_entries": False,
        "tune_new_entries": False,
        # 0 would be a seed drawn by chance.
        "seed": job.seed + 1,
        "max_consecutive_failed_trials": MAX_FAILURES,
    }
    oracles = keras_tuner.oracles
    if job.method == "hyperband":
        oracle = oracles.HyperbandOracle(max_epochs=job.epochs, **settings)
        oracle.max_trials = job.trials
        return oracle
    made = {
        "grid": oracles.GridSearchOracle,
        "random": oracles.RandomSearchOracle,
        "bayesian": oracles.BayesianOptimizationOracle,
    }[job.method]
    return made(max_trials=job.trials, **settings)


def search(job: Job) -> list[dict[str, Any]]:
    """Runs a search to its end; returns the values of each trial, in order.

    Where keras-tuner's variables (`KERASTUNER_TUNER_ID`,
    `KERASTUNER_ORACLE_IP`, `KERASTUNER_ORACLE_PORT`) are set, this process is
    the chief or a worker of a search over several machines, which share the
    folder `job.out`; a worker gets an empty list.

    Args:
        job: The search.

    Raises:
        ValueError: If three trials in a row fail.
    """
    with tempfile.TemporaryDirectory() as folder:
        tuner = Tuner(job, folder)
        try:
            tuner.search(verbose=0)
        except RuntimeError as error:
            raise ValueError(
                f"{MAX_FAILURES} trials in a row must not fail. Received: "
                + _last_line(str(error))
            ) from error
    oracle = tuner.oracle
    return values_of(oracle) if hasattr(oracle, "trials") else []


def values_of(oracle: Any) -> list[dict[str, Any]]:
    """Returns the values of an oracle's trials, in the order they began."""
    trials = oracle.trials
    return [trials[i].hyperparameters.values for i in oracle.start_order]


def _line(job: Job, values: dict, found: dict) -> str:
    """Returns one line about a trial: what came out, and what was tried."""
    named = ", ".join(
        f"{one.name}={one.read(values[one.name])}"
        for one in Space(job.space).ranges
    )
    if "tuner/epochs" in values:
        named += f", {values['tuner/epochs']} epochs"
    if found["failed"] is not None:
        return f"failed ({found['failed'].splitlines()[0][:200]}); {named}"
    value = found["figures"][job.objective]
    return f"{job.objective} {value:.4g} ({found['seconds']:.0f} s); {named}"


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or [""])[-1]


def is_distributed() -> bool:
    """Returns whether this process is part of a search over several."""
    return "KERASTUNER_ORACLE_IP" in os.environ


def is_worker() -> bool:
    """Returns whether this process only runs trials, for a chief elsewhere."""
    name = os.environ.get("KERASTUNER_TUNER_ID", "chief")
    return is_distributed() and "chief" not in name
