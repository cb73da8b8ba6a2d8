"""A recipe, the TOML of a model, turned into a model."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import keras

from mmkeras import fusion, heads, towers
from mmkeras.model.build import build_model
from mmkeras.spec import DataSpec, nearest

TOWERS: dict[str, Callable] = {
    "image": towers.image_tower,
    "audio": towers.audio_tower,
    "text": towers.text_tower,
    "vector": towers.vector_tower,
}
FUSIONS: dict[str, Callable] = {
    "concat": fusion.Concat,
    "gated": fusion.Gated,
    "cross_attention": fusion.CrossAttention,
}
HEADS: dict[str, Callable] = {
    "category": heads.Category,
    "categories": heads.Categories,
    "number": heads.Number,
}
RECIPE_KEYS = (
    "towers",
    "fusion",
    "heads",
    "modality_dropout",
    "training",
    "augment",
)


def build_from_recipe(
    spec: DataSpec, statistics: Mapping, recipe: Mapping
) -> tuple[keras.Model, dict[str, heads.Head]]:
    """Builds the model that a recipe describes.

    Args:
        spec: The data spec.
        statistics: Statistics of the training split, as `prepare` writes
            them.
        recipe: Tables `towers` (arguments of each tower by modality),
            `fusion` (`method` and its arguments), `heads` (arguments by
            target) and the number `modality_dropout`; all may be left out.

    Returns:
        The model, and its heads by target.
    """
    recipe = {"towers": {}, "fusion": {}, "heads": {}, **recipe}
    check_keys("recipe", recipe, RECIPE_KEYS)
    check_keys("towers", recipe["towers"], list(spec.modalities))
    check_keys("heads", recipe["heads"], list(spec.targets))
    built = {
        name: _make_tower(
            spec, statistics, name, recipe["towers"].get(name, {})
        )
        for name in sorted(spec.modalities)
    }
    made = {
        name: _make_head(spec, statistics, name, recipe["heads"].get(name, {}))
        for name in sorted(spec.targets)
    }
    method = {"method": "gated", **recipe["fusion"]}
    kind = method.pop("method")
    if kind not in FUSIONS:
        raise ValueError(
            f"`fusion.method` must be a fusion. Received: {kind!r}."
            + nearest(str(kind), list(FUSIONS))
        )
    joined = _call(FUSIONS[kind], "fusion", {"name": "fusion"}, method)
    rate = recipe.get("modality_dropout", 0.1 if spec.optional else 0.0)
    return build_model(spec, built, joined, made, rate), made


def _make_tower(
    spec: DataSpec, statistics: Mapping, name: str, arguments: Mapping
) -> keras.Model:
    modality = spec.modalities[name]
    known = statistics.get("modalities", {}).get(name, {})
    from_spec = {
        "image": ("height", "width", "channels"),
        "audio": ("sample_rate_hz",),
        "text": ("max_tokens",),
        "vector": (),
    }[modality.kind]
    given = {key: getattr(modality, key) for key in from_spec}
    if modality.kind == "image" and not arguments.get("pretrained"):
        given.update({k: known[k] for k in ("mean", "std") if k in known})
    if modality.kind == "audio":
        given["samples"] = modality.shape[0]
    if modality.kind == "text":
        given["vocabulary_size"] = known.get(
            "vocabulary_size", modality.vocabulary_size
        )
    if modality.kind == "vector":
        given["size"] = modality.shape[0]
        given.update({k: known[k] for k in ("mean", "variance") if k in known})
    given["name"] = name
    return _call(TOWERS[modality.kind], f"towers.{name}", given, arguments)


def _make_head(
    spec: DataSpec, statistics: Mapping, name: str, arguments: Mapping
) -> heads.Head:
    target = spec.targets[name]
    given: dict[str, Any] = {"weight": target.weight}
    if target.kind == "number":
        known = statistics.get("targets", {}).get(name, {})
        given["mean"] = known.get("mean", 0.0)
        given["std"] = known.get("std", 1.0) or 1.0
    else:
        given["classes"] = len(target.classes)
    return _call(HEADS[target.kind], f"heads.{name}", given, arguments)


def _call(
    make: Callable, table: str, given: Mapping, arguments: Mapping
) -> Any:
    """Calls `make`; a recipe may set what the spec does not."""
    allowed = set(inspect.signature(make).parameters) - set(given) - {"kwargs"}
    check_keys(table, arguments, sorted(allowed))
    try:
        return make(**given, **arguments)
    except (TypeError, ValueError) as error:
        raise ValueError(f"`{table}`: {error}") from error


def check_keys(table: str, given: Mapping, allowed: Any) -> None:
    """Raises ValueError at the first key of `given` not in `allowed`."""
    if not isinstance(given, Mapping):
        raise ValueError(f"`{table}` must be a table. Received: {given!r}")
    for key in given:
        if key not in allowed:
            raise ValueError(
                f"`{table}.{key}` is not a known key."
                + nearest(key, list(allowed))
            )
