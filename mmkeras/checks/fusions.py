"""The contract of a fusion."""

import functools

import keras
import numpy as np

from mmkeras.checks import clauses, formats
from mmkeras.checks.backends import same_on
from mmkeras.checks.report import run_clauses
from mmkeras.checks.toys import fused_classifier, paired_classifier, toy_tower

# Names, tokens and widths of what is fused: no two alike.
FEATURES = {"left": (4, 8), "middle": (3, 12), "right": (5, 16)}
# The required one, which a layer may name.
ALWAYS = "middle"


def check_fusion(
    layer: keras.layers.Layer,
    export: bool = True,
    backends: tuple[str, ...] = (),
    skip: tuple[str, ...] = (),
) -> dict[str, str]:
    """Checks that a Keras layer keeps the contract of a fusion.

    From `{modality: {"vector", "tokens", "mask"}}` and `present` it makes
    `(batch, units)`; it takes modalities of different widths, or a single
    one; neither an absent modality's input nor a hidden token has any
    influence, and all absent leaves a finite output; the order of the dict
    does not matter; the output of a sample does not depend on its batch; called
    eagerly and in tf.data's graph, it gives the same; a gradient reaches every
    weight; it runs in mixed_float16; its saved file is equal; and, with
    `export`, it learns a toy problem, its float32 TFLite file has built-in
    operators only and is within 1e-4, and its int8 file decides the same for at
    least 99 of 100 samples. The layer itself is neither built nor trained:
    copies are.

    Args:
        layer: The fusion; `type(layer).from_config(layer.get_config())` must
            make another. If it names a modality, that is `"middle"`.
        export: Whether to check the exported files.
        backends: "jax", "torch": also compare with these.
        skip: Clauses to leave out, by name.

    Returns:
        "kept" or "skipped" by clause.

    Raises:
        ValueError: If any clause is broken; all of them are named.

    Example:

    >>> check_fusion(mmkeras.Gated(16))["absent"]
    'kept'
    """
    if not isinstance(layer, keras.layers.Layer):
        raise ValueError(
            "`layer` must be a keras.layers.Layer. Received: "
            f"{layer!r}. Give an instance: `MyFusion(64)`"
        )

    def make():
        return type(layer).from_config(layer.get_config())

    keras.utils.set_random_seed(0)
    outputs(make())
    whole = fused_classifier(make())
    features = random_features()
    built = make()
    built(features)
    known = functools.cache(lambda: clauses.answers_of(whole))
    checks = {
        # First: training moves averages, and so the answers.
        "gradient": lambda: clauses.gradient(whole),
        "batch": lambda: clauses.batch_of_one(known()),
        "graph": lambda: clauses.graph(known()),
        "absent": lambda: clauses.absent(whole),
        "mask": lambda: clauses.token_mask(built, features),
        "order": lambda: clauses.order(make, features),
        "mixed_float16": lambda: clauses.mixed_float16(known()),
        "saved": lambda: clauses.saved(known()),
    }
    for name in backends:
        checks[name] = lambda name=name: same_on(name, {layer.name: whole})
    if export:
        pair = paired_classifier(toy_tower(ALWAYS), make())
        checks["export"] = lambda: formats.exports(pair, epochs=40)
    return run_clauses(layer.name, checks, skip)


def outputs(layer: keras.layers.Layer) -> None:
    """`(batch, units)` of all modalities together, and of one alone."""
    alone = type(layer).from_config(layer.get_config())
    for part, features in (
        (layer, random_features()),
        (alone, {ALWAYS: random_features()[ALWAYS]}),
    ):
        shape = tuple(part(features).shape)
        units = getattr(layer, "units", None)
        if shape != (2, units):
            raise ValueError(
                "a fusion must return (batch, units). Received: "
                f"{shape} for 2 samples, units={units} and "
                f"{len(features)} modalities"
            )


def random_features(count: int = 2, seed: int = 0) -> dict:
    """Returns random tower outputs for `count` samples."""
    rng = np.random.default_rng(seed)
    found = {}
    for name, (tokens, width) in FEATURES.items():
        values = rng.normal(size=(count, tokens, width)).astype("float32")
        found[name] = {
            "vector": values.mean(1),
            "tokens": values,
            "mask": np.ones((count, tokens), "float32"),
        }
    return found
