"""The contract of a tower."""

import functools

import keras
import numpy as np

from mmkeras.checks import clauses, formats
from mmkeras.checks.backends import same_on
from mmkeras.checks.report import run_clauses
from mmkeras.checks.toys import classifier


def check_tower(
    model: keras.Model,
    prototypes: np.ndarray | None = None,
    export: bool = True,
    backends: tuple[str, ...] = (),
    skip: tuple[str, ...] = (),
) -> dict[str, str]:
    """Checks that a Keras model keeps the contract of a tower.

    It returns the outputs of the contract; the output of a sample does not
    depend on its batch; called eagerly and in tf.data's graph, it gives the
    same; a gradient reaches every weight; it runs in mixed_float16; its saved
    file is equal; and, with `export`, it learns a toy problem, its float32
    TFLite file has built-in operators only and is within 1e-4, and its int8
    file decides the same for at least 99 of 100 samples. The model itself is
    not trained: a copy is. Takes from ten seconds to minutes.

    Args:
        model: The tower: one input, `{"vector": (batch, d), "tokens":
            (batch, t, d), "mask": (batch, t)}` out, and `"skips"`, a list of
            feature maps, finest first, where a target reads them.
        prototypes: `(3, ...)`, inputs of three classes for the toy problem,
            where random numbers are no proper input.
        export: Whether to check the exported files.
        backends: "jax", "torch": also compare with these.
        skip: Clauses to leave out, by name.

    Returns:
        "kept" or "skipped" by clause.

    Raises:
        ValueError: If any clause is broken; all of them are named.

    Example:

    >>> check_tower(mmkeras.vector_tower(5))["gradient"]
    'kept'
    """
    if not isinstance(model, keras.Model):
        raise ValueError(
            "`model` must be a keras.Model. Received: "
            f"{type(model).__name__}. A tower is a function's result: "
            "`my_tower(...)`, not `my_tower`"
        )
    # First: the other clauses rely on these outputs.
    clauses.tower_outputs(model)
    whole = classifier(_copy(model))
    inputs = {}
    if prototypes is not None:
        inputs = {model.inputs[0].name: np.asarray(prototypes)}
    known = functools.cache(lambda: clauses.answers_of(whole))
    checks = {
        # First: training moves averages, and so the answers.
        "gradient": lambda: clauses.gradient(whole),
        "batch": lambda: clauses.batch_of_one(known()),
        "graph": lambda: clauses.graph(known()),
        "mixed_float16": lambda: clauses.mixed_float16(known()),
        "saved": lambda: clauses.saved(known()),
    }
    for name in backends:
        checks[name] = lambda name=name: same_on(name, {model.name: whole})
    if export:
        checks["export"] = lambda: formats.exports(whole, prototypes=inputs)
    return run_clauses(model.name, checks, skip)


def _copy(model: keras.Model) -> keras.Model:
    copy = type(model).from_config(model.get_config())
    copy.set_weights(model.get_weights())
    return copy
