"""Which operators a TFLite file uses, and which layer an operator is of."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from mmkeras import keras_private as private

if TYPE_CHECKING:  # the parent process needs no Keras
    import keras

REMEDIES = {
    "MaxPool3D": "pool over two axes at a time with MaxPooling2D",
    "AvgPool3D": "pool over two axes at a time with AveragePooling2D",
    "ResizeBicubic": 'use interpolation="bilinear" without antialias',
    "ScaleAndTranslate": 'use interpolation="bilinear" without antialias',
    "AsString": "map categories to integers before the model",
    "LookupTableFindV2": "look words up before the model",
}


def operators(path: str | Path) -> Iterator[tuple[str, str]]:
    """Yields name and scope of each operator of a TFLite file.

    The name of an operator that is not built in is its own, such as
    "FlexMaxPool3D"; the scope is the name of its first output, which starts
    with the names of the Keras layers.
    """
    for name, operator, graph in _operators(path):
        scope = ""
        if operator.OutputsLength():
            scope = graph.Tensors(operator.Outputs(0)).Name().decode()
        yield name, scope


def narrow_convolutions(path: str | Path, channels: int = 4) -> list[str]:
    """Returns the scopes of convolutions over fewer input channels.

    Int8 kernels pad the channels of a pixel to 4 or 8, so that the first
    convolution of an image tower takes longer in int8 than in float; and what
    it gets wrong, all others see.
    """
    found = []
    for name, operator, graph in _operators(path):
        if name == "CONV_2D":
            filters = graph.Tensors(operator.Inputs(1))
            if filters.Shape(filters.ShapeLength() - 1) < channels:
                found.append(graph.Tensors(operator.Outputs(0)).Name().decode())
    return found


def _operators(path: str | Path) -> Iterator[tuple[str, Any, Any]]:
    """Yields each operator's name, the operator, and the graph it is in."""
    from ai_edge_litert import schema_py_generated as schema

    file = schema.Model.GetRootAs(Path(path).read_bytes())
    names = {
        code: name
        for name, code in vars(schema.BuiltinOperator).items()
        if isinstance(code, int)
    }
    for i in range(file.SubgraphsLength()):
        graph = file.Subgraphs(i)
        for j in range(graph.OperatorsLength()):
            operator = graph.Operators(j)
            code = file.OperatorCodes(operator.OpcodeIndex())
            # Old files hold the code in a field of one byte.
            number = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
            name = names.get(number, f"number {number}")
            if name == "CUSTOM":
                name = (code.CustomCode() or b"CUSTOM").decode()
            yield name, operator, graph


def count_operators(path: str | Path) -> dict[str, int]:
    """Returns how often a TFLite file uses each operator."""
    return dict(sorted(Counter(name for name, _ in operators(path)).items()))


def check_built_in(path: str | Path, model: "keras.Model") -> None:
    """Raises ValueError if the file needs more than built-in operators."""
    for name, scope in operators(path):
        if not name.isupper() and not name.startswith("number"):
            refuse_operator(model, [scope], name.removeprefix("Flex"))
        if name.startswith("number"):
            refuse_operator(model, [scope], name)


def refuse_operator(
    model: "keras.Model", scopes: list[str], operator: str
) -> NoReturn:
    """Raises ValueError that names the layer an operator comes from."""
    found = [find_layer(model, scope) for scope in scopes]
    layer = next((each for each in found if each is not None), None)
    origin = f"a layer at `{scopes[0] if scopes else 'unknown'}`"
    if layer is not None:
        origin = f"layer `{layer.name}` ({type(layer).__name__})"
    remedy = REMEDIES.get(operator)
    raise ValueError(
        "Every operator of an exported model must be built into the runtime. "
        f"Received: {origin} needs operator {operator}, which is not"
        + (f". Instead: {remedy}" if remedy else "")
    )


def find_layer(model: "keras.Model", scope: str) -> Any:
    """Returns the layer, or operation, whose scope `scope` is; or None.

    Args:
        model: The model, with towers inside it or not.
        scope: Names from outside to inside, such as
            "functional_1/image_tower_1/pool_2/MaxPool3D".
    """
    found, inside = None, model
    for part in scope.split(";")[0].split("/"):
        step = _named(getattr(inside, "operations", ()), part)
        if step is not None:
            found = inside = step
    return found


def layer_path(model: "keras.Model", scope: str) -> str:
    """Returns where an operator comes from, such as "fusion/audio_gate".

    Args:
        model: The model, with towers inside it or not.
        scope: As `find_layer` takes it. Of an operator that several layers
            were joined to, the layer with weights is named, not the
            activation behind it.
    """
    paths = [_path(model, part) for part in scope.split(";") if part]
    paths = [path for path in paths if path]
    for path in paths:
        if any("kernel" in w.path or "embed" in w.path
               for w in getattr(path[-1], "weights", ())):  # fmt: skip
            return "/".join(layer.name for layer in path)
    return "/".join(layer.name for layer in paths[0]) if paths else scope


def _path(model: "keras.Model", scope: str) -> list:
    """Returns the layers on the way to an operator, towers left out."""
    path, inside = [], model
    for part in scope.split("/"):
        parts = getattr(inside, "operations", None)
        if parts is None:
            parts = private.layers_right_inside(inside)
        step = _named(parts, part)
        if step is not None:
            path = [step] if hasattr(inside, "operations") else [*path, step]
            inside = step
    return path


def _named(operations: Iterable, part: str) -> Any:
    """Returns the operation that a part of a scope is the name of, or None."""
    table = {each.name: each for each in operations}
    # The export enters every scope once more, for which TensorFlow adds
    # a number to its name; so the name without it comes first.
    return table.get(re.sub(r"_\d+$", "", part)) or table.get(part)
