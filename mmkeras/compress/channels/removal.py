"""Structured pruning: channels, units and heads removed for good."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import keras
import numpy as np

from mmkeras.arguments import check_positive
from mmkeras.compress.channels.groups import Groups, Terms, multiply_adds, total
from mmkeras.compress.channels.importance import importances
from mmkeras.compress.channels.rebuild import rebuild

__all__ = ["multiply_adds", "prune_channels"]

Measure = Callable[[keras.Model], float]


def prune_channels(
    model: keras.Model,
    target: float,
    of: str | Measure = "multiply_adds",
    importance: str = "magnitude",
    data: Iterable | None = None,
    loss: Any = None,
    steps: int = 1,
    fit: Callable[[keras.Model], Any] | None = None,
    min_channels: int = 4,
    multiple: int = 8,
    skip: Sequence[str] = (),
    report: Callable[[str], None] | None = None,
) -> keras.Model:
    """Returns a smaller model: less to compute, not only zeros.

    Filters, units, recurrent units and attention heads are removed, and with
    them the weights that read them: through normalisations, depthwise
    convolutions, additions, concatenations, reshapes, nested and shared models
    and fusions. Inputs, outputs and names stay. What a layer normalisation, a
    softmax or a layer without a rule reads is left unpruned (see `Follow` for
    layers of your own). Where all removed channels were zero, the outputs are
    the same.

    Args:
        model: A functional model with nested or shared models in it. It is
            not changed.
        target: What to keep, as a share above 0 and below 1 of what `of`
            measures.
        of: "multiply_adds", "parameters", or a function from a model to its
            cost, such as a latency in ms; it is called about six times a step.
        importance: "magnitude", "batch_norm" or "taylor"; see `importances`.
            The channels of least importance for what they cost go first,
            whatever layer they are in.
        data: Batches `(x, y)` or `(x, y, sample_weight)`, for "taylor"; read
            once a step.
        loss: As for `compile`, for "taylor". Defaults to the model's.
        steps: Steps to the target, each by the same factor.
        fit: Trains the model it is given, in place; called after each step.
            The model is new: compile it there.
        min_channels: A width is not cut below this.
        multiple: Widths are cut to multiples of this. LiteRT computes
            channels in blocks of 8: int8 convolutions of 25 took as long as
            those of 32, and of 33 as long as of 40.
        skip: Parts of the paths of layers whose widths stay, for example
            "image_tower".
        report: Called with a line for each width that was cut and each layer
            that was left unpruned.

    Raises:
        ValueError: If the target cannot be reached.

    Example:

    >>> def fit(model):
    ...     model.compile("adam", loss=losses(heads))
    ...     model.fit(data.train, epochs=2)
    >>> small = prune_channels(model, 0.5, steps=3, fit=fit)
    """
    _check(target, of, steps, min_channels, multiple)
    loss = loss or getattr(model, "loss", None)
    matters = {"method": importance, "data": data, "loss": loss}
    limits = {"min_channels": min_channels, "multiple": multiple}
    whole = _cost(model, of)
    start = Groups(model)
    for step in range(1, steps + 1):
        goal = whole * target ** (step / steps)
        model = _cut_to(model, goal, of, skip, matters, limits)
        if fit is not None:
            fit(model)
    if report is not None:
        _report(start, model, report)
    return model


def removals(
    groups: Groups,
    scores: np.ndarray,
    terms: Terms,
    min_channels: int = 4,
    multiple: int = 8,
) -> Iterator[np.ndarray]:
    """Yields masks of the channels that stay, each with a few less.

    The few are those whose share of the importance left in their width, once
    for each kernel that shares it, is least for what they cost: a width that
    has become narrow is spared, and so is a residual stream.

    Source: Lee et al., "Layer-adaptive Sparsity for the Magnitude-based
    Pruning", 2021 (arXiv 2010.07611), for the share, there of weights.
    """
    kept = groups.all()
    while True:
        yield kept
        saved = groups.savings(terms, kept)
        found = []
        for block in groups.blocks:
            left = block.groups[kept[block.groups]]
            few = _least(block, left, scores, kept, min_channels, multiple)
            if few is not None:
                known = scores[left][np.isfinite(scores[left])]
                lost = scores[few].sum() / max(known.sum(), 1e-30)
                lost *= groups.uses[few[0]]
                found.append((lost / max(saved[few].sum(), 1e-30), few))
        if not found:
            return
        _, few = min(found, key=lambda each: each[0])
        kept = kept & ~np.isin(groups.root, few)


def _least(block, left, scores, kept, min_channels, multiple):
    """Returns the least important groups of a block, to the next multiple."""
    size = np.count_nonzero(kept[block.width.ids])
    few = -(-((size - 1) % multiple + 1) // block.each)
    if size - few * block.each < max(min_channels, 1) or few > len(left):
        return None
    few = left[np.argsort(scores[left], kind="stable")[:few]]
    return few if np.isfinite(scores[few]).all() else None


def _cut_to(
    model: keras.Model,
    goal: float,
    of: str | Measure,
    skip: Sequence[str],
    matters: dict,
    limits: dict,
) -> keras.Model:
    groups = Groups(model, skip)
    scores = importances(model, groups, **matters)
    terms = groups.parameters if of == "parameters" else groups.multiply_adds
    masks = removals(groups, scores, terms, **limits)
    if callable(of):
        return _search(model, groups, list(masks), of, goal)
    for kept in masks:
        least = total(terms, kept)
        if least <= goal:
            return rebuild(model, groups.follow, kept)
    raise _out_of_reach(of, goal, least)


def _search(
    model: keras.Model, groups: Groups, masks: list, of: Measure, goal: float
) -> keras.Model:
    """Halves the list of masks until the first below the goal is found."""
    low, high = 0, len(masks) - 1
    best = rebuild(model, groups.follow, masks[high])
    least = of(best)
    if least > goal:
        raise _out_of_reach("measured cost", goal, least)
    while high - low > max(1, len(masks) // 32):
        middle = (low + high) // 2
        tried = rebuild(model, groups.follow, masks[middle])
        if of(tried) <= goal:
            high, best = middle, tried
        else:
            low = middle
    return best


def _cost(model: keras.Model, of: str | Measure) -> float:
    if callable(of):
        return of(model)
    return multiply_adds(model) if of != "parameters" else model.count_params()


def _out_of_reach(of: str, goal: float, least: float) -> ValueError:
    return ValueError(
        "`target` must be within reach: layers without a rule, and "
        f"`min_channels` of each width, stay. Received: a target of {goal:.6g} "
        f"{of}, where {least:.6g} are left at least"
    )


def _check(target, of, steps, min_channels, multiple):
    if not 0 < target < 1:
        raise ValueError(
            "`target` must be a share above 0 and below 1. Received: "
            f"target={target}"
        )
    if not callable(of) and of not in ("multiply_adds", "parameters"):
        raise ValueError(
            '`of` must be "multiply_adds", "parameters" or a function from a '
            f"model to its cost. Received: of={of!r}"
        )
    check_positive(steps=steps, min_channels=min_channels, multiple=multiple)


def _report(start: Groups, model: keras.Model, report) -> None:
    after = {w.path: len(w.ids) for w in Groups(model).follow.widths.values()}
    for width in start.follow.widths.values():
        count = after[width.path]
        if count < len(width.ids):
            report(f"{width.path}: {len(width.ids)} -> {count}")
    for path, why in start.follow.whole.items():
        report(f"{path}: left unpruned ({why})")
