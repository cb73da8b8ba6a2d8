"""Builds one functional model from towers, fusion and heads."""

from collections.abc import Mapping
from typing import Any

import keras
from keras import ops

from mmkeras.fusion import Fusion, ModalityDropout
from mmkeras.heads import Head
from mmkeras.spec import DataSpec


def build_model(
    spec: DataSpec,
    towers: Mapping[str, keras.Model],
    fusion: Fusion | Mapping[str, Fusion],
    heads: Mapping[str, Head],
    modality_dropout: float = 0.0,
) -> keras.Model:
    """Builds one functional model from towers, fusion and heads.

    Args:
        spec: The data spec; its optional modalities get the input `present`.
        towers: A tower a modality: a model from one input to
            `{"vector": (batch, d), "tokens": (batch, t, d),
            "mask": (batch, t)}`, and `"skips"`, feature maps, where a head
            reads them.
        fusion: Layer from `{modality: tower output}` to `(batch, units)`; or
            one a target, as late fusions must be, whose output is the
            prediction of that target.
        heads: A head a target.
        modality_dropout: Probability that an optional modality is dropped
            from a training sample.

    Returns:
        A model from `{modality: x}`, plus `present` `(batch, n_optional)`
        where modalities are optional, to `{target: y}`.

    Raises:
        ValueError: If a tower, a head or a fusion is missing, or a late
            fusion does not have the outputs of its head.

    Example:

    >>> model = build_model(
    ...     spec,
    ...     towers={"image": image_tower(28, 28, 1),
    ...             "audio": audio_tower(8000, 8000)},
    ...     fusion=Gated(64),
    ...     heads={"digit": Category(10)},
    ... )
    """
    _check_names("towers", towers, spec.modalities)
    _check_names("heads", heads, spec.targets)
    _check_apart(towers)

    inputs = {
        name: keras.Input(
            towers[name].inputs[0].shape[1:],
            dtype=towers[name].inputs[0].dtype,
            name=name,
        )
        for name in sorted(towers)
    }
    found = {name: towers[name](inputs[name]) for name in sorted(towers)}
    # Feature maps are for heads: a fusion reads vectors and tokens.
    features = {
        name: {key: x for key, x in outputs.items() if key != "skips"}
        for name, outputs in found.items()
    }
    columns = {}
    if spec.optional:
        inputs["present"], columns = _present(spec, modality_dropout)

    layers = _one_each(fusion, heads)
    arguments = {"present": columns} if columns else {}
    # A fusion that several targets share is called once.
    unique = {id(layer): layer for layer in layers.values()}
    fused = {key: layer(features, **arguments) for key, layer in unique.items()}
    seen = {
        name: {**outputs, "input": inputs[name]}
        for name, outputs in _with_masks(found, columns).items()
    }
    # By name: outputs of a list would be output_0, output_1 in a TFLite file.
    outputs = {}
    for name, head in sorted(heads.items()):
        output = fused[id(layers[name])]
        if getattr(layers[name], "decides", False):
            outputs[name] = head.finish(output, name)
        else:
            outputs[name] = head(output, name, seen)
    try:
        return keras.Model(inputs, outputs, name=spec.name)
    except ValueError as error:
        for name in outputs:
            if f'The name "{name}" is used' in str(error):
                raise ValueError(
                    "A target must not have the name of a layer of its model. "
                    f"Received: {name!r}; rename the target, or the layer"
                ) from None
        raise


def _one_each(fusion: Any, heads: Mapping[str, Head]) -> dict[str, Any]:
    """Returns the fusion of each target; refuses one that cannot predict it."""
    if isinstance(fusion, Mapping):
        _check_names("fusion", fusion, heads)
    elif getattr(fusion, "decides", False):
        raise ValueError(
            "`fusion` must be `{target: layer}` where it is late: such a layer "
            f"predicts one target. Received: {type(fusion).__name__}. Targets: "
            + ", ".join(sorted(heads))
        )
    else:
        return dict.fromkeys(heads, fusion)
    for name, head in heads.items():
        layer = fusion[name]
        if not getattr(layer, "decides", False):
            continue
        received = {"units": layer.units, "activation": layer.activation}
        wanted = {"units": head.outputs, "activation": head.activation}
        if received != wanted:
            raise ValueError(
                f"`fusion[{name!r}]` must have the outputs of its head: "
                f"{wanted}. "
                f"Received: {received}"
            )
    return {name: fusion[name] for name in sorted(heads)}


def _with_masks(features: Mapping, columns: Mapping) -> dict[str, dict]:
    """Returns the towers' outputs; an absent modality has all tokens masked.

    Its feature maps are zeros.
    """
    return {
        name: _masked(outputs, columns[name]) if name in columns else outputs
        for name, outputs in features.items()
    }


def _masked(outputs: Mapping, present: Any) -> dict[str, Any]:
    found = {**outputs, "mask": outputs["mask"] * present}
    if "skips" in outputs:
        found["skips"] = [
            x * ops.reshape(present, (-1,) + (1,) * (len(x.shape) - 1))
            for x in outputs["skips"]
        ]
    return found


def _present(spec: DataSpec, dropout: float) -> tuple[Any, dict[str, Any]]:
    """Returns the input `present` and its column for each modality."""
    names = spec.optional
    present = keras.Input((len(names),), dtype="float32", name="present")
    kept = present
    if dropout:
        kept = ModalityDropout(
            dropout,
            keep_one=len(names) == len(spec.modalities),
            name="modality_dropout",
        )(present)
    return present, {n: kept[:, i : i + 1] for i, n in enumerate(names)}


def _check_apart(towers: Mapping[str, keras.Model]) -> None:
    """Refuses one network for two modalities, which no saved file can hold.

    Keras writes the weights of a layer once, under the first of its places,
    and finds none at the second when the file is loaded.
    """
    owner = {}
    for name in sorted(towers):
        for part in (towers[name], *towers[name].variables):
            other = owner.setdefault(id(part), name)
            if other != name:
                raise ValueError(
                    "`towers` must be networks of their own, without a layer "
                    f"in common. Received: one that {other!r} and {name!r} "
                    "share; build a second one, or join the two modalities "
                    "into one of two channels"
                )


def _check_names(argument: str, received: Mapping, wanted: Mapping) -> None:
    if set(received) != set(wanted):
        raise ValueError(
            f"`{argument}` must have one entry for each of "
            f"{sorted(wanted)}. Received: {sorted(received)}"
        )
