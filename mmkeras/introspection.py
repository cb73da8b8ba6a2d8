"""Options that a signature and a docstring declare already."""

import dataclasses
import inspect
import re
from collections.abc import Callable, Collection, Mapping
from typing import Any

from mmkeras.options import Options, option
from mmkeras.values import ANYTHING, Check


def options_of(
    make: Callable,
    facts: Collection[str] = (),
    roles: Mapping[str, str] | None = None,
    checks: Mapping[str, Check] | None = None,
    **defaults: Any,
) -> type[Options]:
    """Returns the class of options of a layer, another class or a function.

    That owns them already: its arguments, their defaults and its docstring.

    Args:
        make: The layer, class or function; its name makes that of the class.
        facts: Arguments that are no option: data or spec say them.
        roles: Role of an argument by name; see `option`.
        checks: What values must be, by name, where `make` does not check.
        **defaults: What replaces a default, or a further option.

    Example:

    >>> options_of(keras.layers.Dense, roles={"units": "width"})(units=8)
    DenseOptions(units=8, ...)
    """
    roles, checks = roles or {}, checks or {}
    given = {**_defaults(make, facts), **defaults}
    means = meanings(make)
    lines = [f"    {name}: {means.get(name, '')}" for name in given]
    title = "".join(part.capitalize() for part in make.__name__.split("_"))
    name = make.__name__ if isinstance(make, type) else title
    return dataclasses.make_dataclass(
        f"{name}Options",
        [
            (
                key,
                Any,
                option(
                    value, checks.get(key, ANYTHING), role=roles.get(key, "")
                ),
            )
            for key, value in given.items()
        ],
        bases=(Options,),
        namespace={
            "__doc__": "\n".join(
                [f"Options of `{make.__name__}`.", "", "Args:", *lines]
            ),
            "__module__": make.__module__,
        },
        frozen=True,
        kw_only=True,
    )


def _defaults(make: Callable, facts: Collection[str]) -> dict[str, Any]:
    # Of a class that inherits both, some Pythons would take Keras' __new__.
    call = make.__init__ if isinstance(make, type) else make
    return {
        parameter.name: parameter.default
        for parameter in inspect.signature(call).parameters.values()
        if parameter.kind is not parameter.VAR_KEYWORD
        and parameter.name not in ("self", *facts)
    }


def meanings(make: Callable) -> dict[str, str]:
    """Returns what each argument means, from the docstring.

    Of a class, also from those of its bases.

    Example:

    >>> meanings(mmkeras.fusion.Gated)
    {'units': 'Width of the output.', 'dropout': ...}
    """
    found: dict[str, str] = {}
    for each in reversed(getattr(make, "__mro__", (make,))):
        text = inspect.cleandoc(vars(each).get("__doc__") or each.__doc__ or "")
        _, _, rest = text.partition("\nArgs:\n")
        section = re.split(r"\n(?=\S)", rest, maxsplit=1)[0]
        for name, said in re.findall(
            r"^    (\w+): (.*(?:\n {6,}.*)*)", section, re.MULTILINE
        ):
            found[name] = " ".join(said.split())
    return found


def finishers(model: Any) -> dict[str, Callable]:
    """Returns what makes of outputs what is evaluated, by output.

    Of most there is none. The output of a model that writes a text is what
    the text follows from; its layer writes it, by `finish_outputs(outputs,
    labels)`.
    """
    outputs = getattr(model, "output", None)
    if not isinstance(outputs, Mapping):
        return {}
    layers = {layer.name: layer for layer in getattr(model, "layers", ())}
    return {
        name: layers[name].finish_outputs
        for name in outputs
        if hasattr(layers.get(name), "finish_outputs")
    }
