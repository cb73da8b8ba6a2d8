"""Ensembles that train their members: bagging, and boosting."""

import math
from typing import Any

import keras
import numpy as np

from mmkeras.evaluation import predict
from mmkeras.studies.ensemble.combined_model import join, weighted
from mmkeras.studies.ensemble.sample_weights import bootstrap
from mmkeras.studies.ensemble.trainer import Trainer

# A member without errors would have an infinite weight.
LEAST_ERROR = 1e-3


def bag(trainer: Trainer, members: int = 5) -> dict[str, Any]:
    """Trains members on bootstrap samples; writes their mean as one run.

    Good where models of one recipe vary a lot, as with little data. A sample
    counts as often as it was drawn, and those never drawn are left out of a
    member's epoch, about 37 %.

    Args:
        trainer: Trains the members.
        members: How many.

    Returns:
        What `ensemble.json` holds.

    Source: Breiman, "Bagging Predictors", 1996.

    Example:

    >>> bag(Trainer("demo", recipe, "runs/bag"), members=5)
    """
    _check_members(members)
    return trainer.study(lambda there: _bag(there, members))


def _bag(trainer: Trainer, members: int) -> dict[str, Any]:
    samples = trainer.data.counts["train"]
    models, rows = [], []
    for number in range(members):
        random = np.random.default_rng([trainer.seed, number])
        model, row = trainer.train(number, bootstrap(samples, random), None)
        models.append(model)
        rows.append(row)
    equal = weighted([1.0] * members)
    spec = trainer.data.spec
    model = join(models, dict.fromkeys(spec.targets, equal), spec.name)
    return trainer.finish(model, {"method": "bagging", "members": rows})


def boost(
    trainer: Trainer, members: int = 5, target: str | None = None
) -> dict[str, Any]:
    """Trains members one after the other, each on the errors of the last.

    SAMME: the samples that a member gets wrong have more weight for the next,
    and members that err less have a larger weight ("vote"). It ends early
    when a member is no better than chance, which is left out, or makes no
    error. Probabilities are averaged, not decisions as in the paper, so that
    the ensemble has probabilities too. Good for members that are weak on the
    training split; one that fits all of it leaves no errors to boost.

    Args:
        trainer: Trains the members.
        members: How many at most.
        target: The target that samples are weighed for, a category; may be
            left out where it is the only one. Others are averaged.

    Returns:
        What `ensemble.json` holds.

    Source: Zhu et al., "Multi-class AdaBoost", 2009.

    Example:

    >>> boost(Trainer("demo", recipe, "runs/boost"))["members"][0]["vote"]
    2.31
    """
    _check_members(members)
    return trainer.study(lambda there: _boost(there, members, target))


def _boost(
    trainer: Trainer, members: int, target: str | None
) -> dict[str, Any]:
    name = _boosted(trainer.data.spec.targets, target)
    classes = len(trainer.data.spec.targets[name].classes)
    factors = np.ones(trainer.data.counts["train"])
    models, rows = [], []
    for number in range(members):
        model, row = trainer.train(number, factors, [name])
        wrong, known = errors(model, trainer.data, name)
        vote, factors = samme(factors * known, wrong, classes)
        if vote <= 0 and models:
            break
        models.append(model)
        rows.append({**row, "vote": vote if vote > 0 else 1.0})
        if vote <= 0 or not wrong.any():
            break
    votes = weighted([row["vote"] for row in rows])
    equal = weighted([1.0] * len(rows))
    spec = trainer.data.spec
    joins = {other: equal for other in spec.targets} | {name: votes}
    model = join(models, joins, spec.name)
    return trainer.finish(
        model, {"method": "boosting", "target": name, "members": rows}
    )


def samme(
    weights: np.ndarray, wrong: np.ndarray, classes: int
) -> tuple[float, np.ndarray]:
    """Returns a member's vote, and the next member's weights of samples.

    Args:
        weights: `(samples,)`, those that the member was trained with.
        wrong: `(samples,)`, whether the member erred.
        classes: How many there are.

    Example:

    >>> samme(np.ones(4), np.array([True, False, False, False]), 2)
    (1.0986..., array([2., 0.666..., 0.666..., 0.666...]))
    """
    error = float((weights * wrong).sum() / weights.sum())
    error = min(max(error, LEAST_ERROR), 1 - LEAST_ERROR)
    vote = math.log((1 - error) / error) + math.log(classes - 1)
    following = weights * np.exp(vote * wrong)
    return vote, following * (weights > 0).sum() / following.sum()


def errors(
    model: keras.Model, data: Any, target: str
) -> tuple[np.ndarray, np.ndarray]:
    """Returns which training samples a model gets wrong, and which count."""
    outputs, labels, weights = predict(model, data.ordered("train"))
    wrong = outputs[target].argmax(axis=-1) != labels[target]
    return wrong, (weights[target] > 0).astype("float64")


def _boosted(targets, target):
    able = [name for name, each in targets.items() if each.boosts]
    if target is None and len(able) == 1:
        return able[0]
    if target not in able:
        raise ValueError(
            "`target` must be one that boosting weighs samples for, a "
            "category. "
            f"Received: {target!r}. Targets: "
            + ", ".join(f"{n} ({t.kind})" for n, t in targets.items())
        )
    return target


def _check_members(members: int) -> None:
    if type(members) is not int or members < 2:
        raise ValueError(
            f"`members` must be an integer from 2. Received: {members!r}"
        )
