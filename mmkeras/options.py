"""Options of a part: a frozen class beside its builder.

The class owns what a user may set: the default, what the value must be, its
unit, and, in the `Args` of its docstring, what it means. Where a part has
variants, a table names them, and each has its own options; one that a variant
lacks is an error, not silence.
"""

import dataclasses
import inspect
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from mmkeras.arguments import nearest
from mmkeras.values import Check


def option(default: Any, check: Check, unit: str = "", role: str = "") -> Any:
    """Declares a field of a class of `Options`.

    Args:
        default: What holds where the user says nothing.
        check: What a value must be.
        unit: Its unit, such as "ms".
        role: What `Options.narrower` does to it: "width" gets less, "parts"
            must divide the widths, and a "preset" is left out.
    """
    metadata = {"check": check, "unit": unit, "role": role}
    return dataclasses.field(default=default, metadata=metadata)


@dataclass(frozen=True, kw_only=True)
class Options:
    """Base of every class of options; each field is an `option`."""

    # Whether a part of such options can have no other width.
    one_width: ClassVar[bool] = False

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            words, good = field.metadata["check"]
            value = getattr(self, field.name)
            if not good(value):
                raise ValueError(
                    f"`{field.name}` must be {words}. Received: "
                    f"{field.name}={value!r}"
                )

    @classmethod
    def read(
        cls,
        given: Mapping[str, Any],
        where: str = "",
        unused: list[str] | None = None,
    ) -> Self:
        """Returns the options that a table of a recipe gives.

        Args:
            given: Values by key.
            where: Name of the table, for errors; "" for the arguments of a
                function.
            unused: Takes the keys that there are not, which are left out;
                None makes an error of them.

        Raises:
            ValueError: If a key or a value is wrong.
        """
        known = cls.names()
        for key in given:
            if key not in known and unused is None:
                raise ValueError(unknown(where, key, known))
            if key not in known:
                unused.append(f"{where}.{key}" if where else key)
        kept = {key: v for key, v in given.items() if key in known}
        try:
            return cls(**kept)
        except ValueError as error:
            if not where:
                raise
            raise ValueError(f"`{where}`: {error}") from error

    @classmethod
    def names(cls) -> list[str]:
        """Returns the names of the options, in order."""
        return [field.name for field in dataclasses.fields(cls)]

    def table(self) -> dict[str, Any]:
        """Returns the options that differ from the defaults, by name."""
        found = {}
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if isinstance(value, Options):
                value = value.table()
            if value != field.default:
                found[field.name] = value
        return found

    def arguments(self) -> dict[str, Any]:
        """Returns the options by name, without those left at None."""
        return {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(self)
            if not (field.default is None and getattr(self, field.name) is None)
        }

    def narrower(self, scale: float) -> Self:
        """Returns the options of a part whose widths are times `scale`.

        Widths are multiples of 8, and at least 8, so that 8-bit kernels have
        no remainder; what has to divide them gets less until it does.
        """
        widths = {
            name: max(8, round(getattr(self, name) * scale / 8) * 8)
            for name in self._with_role("width")
        }
        parts = {name: getattr(self, name) for name in self._with_role("parts")}
        for name in parts:
            while any(width % parts[name] for width in widths.values()):
                parts[name] -= 1
        presets = dict.fromkeys(self._with_role("preset"))
        return dataclasses.replace(self, **widths, **parts, **presets)

    def _with_role(self, role: str) -> list[str]:
        return [
            field.name
            for field in dataclasses.fields(self)
            if field.metadata["role"] == role
        ]


@dataclass(frozen=True)
class Part:
    """A variant of a part: its options, and what builds it from them."""

    options: type[Options]
    build: Callable[..., Any]


@dataclass(frozen=True)
class Variants:
    """The variants of a part by name.

    Args:
        key: The option that names one, such as "variant".
        default: The name where none is given.
        parts: The variants.
    """

    key: str
    default: str
    parts: Mapping[str, Part]

    def read(
        self,
        given: Mapping[str, Any],
        where: str = "",
        unused: list[str] | None = None,
    ) -> Options:
        """Returns the options of the variant that `given` names.

        Args: Those of `Options.read`.

        Raises:
            ValueError: If the variant, a key or a value is wrong.
        """
        name = given.get(self.key, self.default)
        if not isinstance(name, str) or name not in self.parts:
            raise ValueError(
                f"{_label(where, self.key)} must be one of "
                f"{list(self.parts)}. Received: {self.key}={name!r}"
            )
        own = self.parts[name].options
        for key in given:
            if key not in own.names() and unused is None:
                raise ValueError(self._lacks(name, key, given[key], where))
        return own.read({**given, self.key: name}, where, unused)

    def build(self, options: Options) -> Callable[..., Any]:
        """Returns what builds the variant of `options`."""
        return self.parts[getattr(options, self.key)].build

    def narrower(self, options: Options, scale: float) -> Options:
        """Returns options of a variant whose widths are times `scale`.

        A variant of one width becomes the default one.
        """
        if options.one_width:
            known = self.parts[self.default].options.names()
            kept = {k: v for k, v in options.arguments().items() if k in known}
            options = self.read({**kept, self.key: self.default})
        return options.narrower(scale)

    def _lacks(self, name: str, key: str, value: Any, where: str) -> str:
        own = self.parts[name].options.names()
        others = [n for n, p in self.parts.items() if key in p.options.names()]
        if not others:
            return unknown(where, key, own)
        return (
            f"{_label(where, key)} needs a {self.key} that has it: "
            f"{', '.join(others)}. Received: {key}={value!r} with "
            f"{self.key}={name!r}, which has "
            + ", ".join(sorted(set(own) - {self.key}))
        )


def unknown(where: str, key: str, known: list[str]) -> str:
    """Returns what to say of a key that nobody knows."""
    return f"{_label(where, key)} is not a known key.{nearest(key, known)}"


def _label(where: str, key: str) -> str:
    return f"`{where}.{key}`" if where else f"`{key}`"


def meanings(cls: type) -> dict[str, str]:
    """Returns what each argument of a class means, from its docstrings.

    Example:

    >>> meanings(Part)
    {}
    """
    found: dict[str, str] = {}
    for each in reversed(cls.__mro__):
        text = inspect.cleandoc(each.__dict__.get("__doc__") or "")
        _, _, rest = text.partition("\nArgs:\n")
        section = re.split(r"\n(?=\S)", rest, maxsplit=1)[0]
        for name, said in re.findall(
            r"^    (\w+): (.*(?:\n {6,}.*)*)", section, re.MULTILINE
        ):
            found[name] = " ".join(said.split())
    return found


def options_of(
    make: type,
    facts: Collection[str] = (),
    roles: Mapping[str, str] | None = None,
    **defaults: Any,
) -> type[Options]:
    """Returns the class of options of a layer, or of another class.

    The class itself owns them: its arguments, their defaults and docstring;
    it also checks their values.

    Args:
        make: The class.
        facts: Arguments that are no option: data or spec say them.
        roles: Role of an argument by name; see `option`.
        **defaults: What replaces a default, or a further option.

    Example:

    >>> options_of(keras.layers.Dense, roles={"units": "width"})(units=8)
    DenseOptions(units=8, ...)
    """
    # Of a class that inherits both, some Pythons would take Keras' __new__.
    found = inspect.signature(make.__init__).parameters.values()
    given = {
        parameter.name: parameter.default
        for parameter in found
        if parameter.kind is not parameter.VAR_KEYWORD
        and parameter.name not in ("self", *facts)
    } | defaults
    anything: Check = ("anything", lambda _: True)
    means = meanings(make)
    lines = [f"    {name}: {means.get(name, '')}" for name in given]
    return dataclasses.make_dataclass(
        f"{make.__name__}Options",
        [
            (
                name,
                Any,
                option(value, anything, role=(roles or {}).get(name, "")),
            )
            for name, value in given.items()
        ],
        bases=(Options,),
        namespace={
            "__doc__": "\n".join(
                [f"Options of `{make.__name__}`.", "", "Args:", *lines]
            )
        },
        frozen=True,
        kw_only=True,
    )
