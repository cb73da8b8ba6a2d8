"""Which operators a TFLite file uses, and which layer an operator is of."""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

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
            scope = ""
            if operator.OutputsLength():
                scope = graph.Tensors(operator.Outputs(0)).Name().decode()
            yield name, scope


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
        table = {each.name: each for each in getattr(inside, "operations", ())}
        # The export enters every scope once more, for which TensorFlow adds
        # a number to its name; so the name without it comes first.
        step = table.get(re.sub(r"_\d+$", "", part)) or table.get(part)
        if step is not None:
            found = inside = step
    return found
