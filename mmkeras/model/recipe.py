"""A recipe, the TOML of a model, turned into a model."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import keras

from mmkeras import fusion, heads, towers
from mmkeras.model.build import build_model
from mmkeras.model.own_tower import own_tower
from mmkeras.model.recipe_data import check_tokens, from_data
from mmkeras.spec import DataSpec, nearest

TOWERS: dict[str, Callable] = {
    "image": towers.image_tower,
    "audio": towers.audio_tower,
    "text": towers.text_tower,
    "vector": towers.vector_tower,
    "series": towers.series_tower,
    "video": towers.video_tower,
    "volume": towers.volume_tower,
}
FUSIONS: dict[str, Callable] = {
    "mean": fusion.Mean,
    "weighted_mean": fusion.WeightedMean,
    "max": fusion.Max,
    "concat": fusion.Concat,
    "projection": fusion.Projection,
    "mlp": fusion.MLP,
    "gated": fusion.Gated,
    "film": fusion.FiLM,
    "mixture_of_experts": fusion.MixtureOfExperts,
    "cross_attention": fusion.CrossAttention,
    "self_attention": fusion.SelfAttentionFusion,
    "bottleneck": fusion.Bottleneck,
    "mult": fusion.MulT,
    "perceiver": fusion.Perceiver,
    "multi_channel_attention": fusion.MultiChannelAttention,
    "tensor": fusion.TensorFusion,
    "low_rank": fusion.LowRank,
    "bilinear": fusion.Bilinear,
    "multiplicative": fusion.MultiplicativeInteraction,
    "graph": fusion.Graph,
    "multi_view": fusion.MultiView,
    "mimo": fusion.MIMO,
    "modality_invariant": fusion.ModalityInvariant,
    "average": fusion.Average,
    "weighted_average": fusion.WeightedAverage,
    "product_of_experts": fusion.ProductOfExperts,
    "stacking": fusion.Stacking,
}
HEADS: dict[str, Callable] = {
    "category": heads.Category,
    "categories": heads.Categories,
    "ordinal": heads.Ordinal,
    "sequence": heads.Sequence,
    "number": heads.Number,
    "embedding": heads.Embedding,
}
RECIPE_KEYS = (
    "towers",
    "fusion",
    "heads",
    "modality_dropout",
    "training",
    "augment",
    # Read by those who train: towers of other runs, arms of a comparison.
    "init",
    "compare",
)


def build_from_recipe(
    spec: DataSpec, statistics: Mapping, recipe: Mapping, data: Any = None
) -> tuple[keras.Model, dict[str, heads.Head]]:
    """Builds the model that a recipe describes.

    Args:
        spec: The data spec.
        statistics: Statistics of the training split, as `prepare` writes
            them.
        recipe: Tables `towers` (arguments of each tower by modality),
            `fusion` (`method` and its arguments), `heads` (arguments by
            target) and the number `modality_dropout`; all may be left out.
        data: What `load_data` returns, for a recipe with `word_vectors`,
            which need the tokenizer, or with a `projection`, which is fitted
            on the training split.

    Returns:
        The model, and its heads by target.
    """
    recipe = {"towers": {}, "fusion": {}, "heads": {}, **recipe}
    check_keys("recipe", recipe, RECIPE_KEYS)
    check_keys("towers", recipe["towers"], list(spec.modalities))
    check_keys("heads", recipe["heads"], list(spec.targets))
    built = {
        name: _make_tower(
            spec, statistics, name, recipe["towers"].get(name, {}), data
        )
        for name in sorted(spec.modalities)
    }
    made = {
        name: _make_head(spec, statistics, name, recipe["heads"].get(name, {}))
        for name in sorted(spec.targets)
    }
    joined = _make_fusion(recipe["fusion"], made)
    rate = recipe.get("modality_dropout", 0.1 if spec.optional else 0.0)
    return build_model(spec, built, joined, made, rate), made


def _make_tower(
    spec: DataSpec,
    statistics: Mapping,
    name: str,
    arguments: Mapping,
    data: Any = None,
) -> keras.Model:
    modality = spec.modalities[name]
    if isinstance(arguments, Mapping) and "model" in arguments:
        pixels = modality.kind in ("image", "video")
        given = {"name": name, "shape": modality.shape}
        given["dtype"] = "uint8" if pixels else None
        return _call(own_tower, f"towers.{name}", given, arguments)
    known = statistics.get("modalities", {}).get(name, {})
    from_spec = {
        "image": ("height", "width", "channels"),
        "audio": ("sample_rate_hz",),
        "text": ("max_tokens",),
        "vector": (),
        "series": (),
        "video": ("frames", "height", "width", "channels"),
        "volume": ("depth", "height", "width", "window_low", "window_high"),
    }[modality.kind]
    given = {key: getattr(modality, key) for key in from_spec}
    if modality.kind == "series":
        given["steps"], given["channels"] = modality.shape
    normalised = modality.kind in ("image", "series", "video")
    if normalised and not arguments.get("pretrained"):
        given.update({k: known[k] for k in ("mean", "std") if k in known})
    if modality.kind == "audio":
        given["samples"] = modality.shape[0]
    if modality.kind == "text":
        given["vocabulary_size"] = known.get(
            "vocabulary_size", modality.vocabulary_size
        )
        check_tokens(modality, name, arguments)
    if modality.kind == "vector":
        given["size"] = modality.shape[0] - len(modality.categorical)
        given.update({k: known[k] for k in ("mean", "variance") if k in known})
        given["categories"] = [
            len(known.get("categories", {}).get(column, ()))
            for column in modality.categorical
        ]
    if data is not None:
        given.update(from_data(data, name, arguments))
    given["name"] = name
    return _call(TOWERS[modality.kind], f"towers.{name}", given, arguments)


def _make_head(
    spec: DataSpec, statistics: Mapping, name: str, arguments: Mapping
) -> heads.Head:
    target = spec.targets[name]
    known = statistics.get("targets", {}).get(name, {})
    given: dict[str, Any] = {"weight": target.weight}
    if target.kind == "number":
        given["mean"] = known.get("mean", 0.0)
        given["std"] = known.get("std", 1.0) or 1.0
    elif target.kind != "embedding":
        given["classes"] = len(target.classes)
    if target.kind == "sequence":
        given.update(steps=target.steps, modality=target.modality)
    arguments = _balance(target, known, arguments)
    return _call(HEADS[target.kind], f"heads.{name}", given, arguments)


def _balance(target: Any, known: Mapping, arguments: Any) -> Any:
    """Turns `class_weights = "balanced"` into numbers."""
    table = isinstance(arguments, Mapping) and "counts" in known
    if not table or arguments.get("class_weights") != "balanced":
        return arguments
    counts = [known["counts"][name] for name in target.classes]
    return {**arguments, "class_weights": heads.balanced(counts)}


def _make_fusion(arguments: Mapping, made: Mapping[str, heads.Head]) -> Any:
    """Returns the fusion, or one a target where it is late."""
    method = {"method": "gated", **arguments}
    kind = method.pop("method")
    if not isinstance(kind, str) or kind not in FUSIONS:
        raise ValueError(
            f"`fusion.method` must be a fusion. Received: {kind!r}."
            + nearest(str(kind), list(FUSIONS))
        )
    make = FUSIONS[kind]
    if not getattr(make, "decides", False):
        return _call(make, "fusion", {"name": "fusion"}, method)
    return {
        name: _call(
            make,
            "fusion",
            {
                "name": f"{name}_fusion",
                "units": head.outputs,
                "activation": head.activation,
            },
            {"dropout": head.dropout, **method},
        )
        for name, head in made.items()
    }


def _call(
    make: Callable, table: str, given: Mapping, arguments: Mapping
) -> Any:
    """Calls `make`; a recipe may set what the spec does not."""
    allowed = set(parameters_of(make)) - set(given) - {"kwargs"}
    check_keys(table, arguments, sorted(allowed))
    try:
        return make(**given, **arguments)
    except (TypeError, ValueError) as error:
        raise ValueError(f"`{table}`: {error}") from error


def parameters_of(make: Callable) -> dict[str, inspect.Parameter]:
    """Returns the parameters of a function, or of a class by name."""
    if not isinstance(make, type):
        return dict(inspect.signature(make).parameters)
    # Of a class that inherits both, some Pythons would take Keras' __new__.
    found = dict(inspect.signature(make.__init__).parameters)
    del found["self"]
    return found


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
