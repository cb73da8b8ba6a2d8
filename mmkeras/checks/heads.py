"""The contract of a head."""

import functools

import keras

from mmkeras.checks import clauses, formats
from mmkeras.checks.backends import same_on
from mmkeras.checks.report import run_clauses
from mmkeras.checks.toys import Task, headed_model


def check_head(
    head,
    task: Task,
    export: bool = True,
    backends: tuple[str, ...] = (),
    skip: tuple[str, ...] = (),
) -> dict[str, str]:
    """Checks that a head keeps the contract.

    On a toy tower: the output of a sample does not depend on its batch; called
    eagerly and in tf.data's graph, it gives the same; a gradient of its loss
    reaches every weight; it runs in mixed_float16; its saved file is equal;
    and, with `export`, it learns a toy problem, its float32 TFLite file has
    built-in operators only and is within 1e-4, and its int8 file decides the
    same for at least 99 of 100 samples.

    Args:
        head: The head; `head(fused, name, features)` returns its output. If
            it names a modality, that is `"sound"`.
        task: What it is trained on, and how it decides.
        export: Whether to check the exported files.
        backends: "jax", "torch": also compare with these.
        skip: Clauses to leave out, by name.

    Returns:
        "kept" or "skipped" by clause.

    Raises:
        ValueError: If any clause is broken; all of them are named.

    Example:

    >>> head = mmkeras.heads.Category(3)
    >>> check_head(head, Task(head.loss))["gradient"]
    'kept'
    """
    keras.utils.set_random_seed(0)
    whole, name = headed_model(head), type(head).__name__
    known = functools.cache(lambda: clauses.answers_of(whole))
    checks = {
        # First: training moves averages, and so the answers.
        "gradient": lambda: clauses.gradient(whole, task),
        "batch": lambda: clauses.batch_of_one(known()),
        "graph": lambda: clauses.graph(known()),
        "mixed_float16": lambda: clauses.mixed_float16(known()),
        "saved": lambda: clauses.saved(known()),
    }
    for backend in backends:
        checks[backend] = lambda backend=backend: same_on(
            backend, {name: whole}
        )
    if export:
        checks["export"] = lambda: formats.exports(whole, epochs=40, task=task)
    return run_clauses(name, checks, skip)
