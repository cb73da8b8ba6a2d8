"""Options of a part: a frozen class beside its builder.

The class owns what a user may set: the default, what the value must be, its
unit, and, in the `Args` of its docstring, what it means. Where a part has
variants, a table names them, and each has its own options; one that a variant
lacks is an error, not silence.
"""

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from mmkeras.arguments import check_choice, check_table, nearest
from mmkeras.values import ANYTHING, Check


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


@dataclass
class Dropped:
    """Keys that are left out on reading, and not an error.

    Args:
        unknown: Whether those go too that no variant has, as in the recipe of
            an older run; else only those that another variant has, as where
            the variant was drawn.
        keys: What was left out, such as "towers.audio.heads".
    """

    unknown: bool = False
    keys: list[str] = dataclasses.field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Options:
    """Base of every class of options; each field is an `option`."""

    # Whether a part of such options can have no other width.
    one_width: ClassVar[bool] = False

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            _check(field, field.name, getattr(self, field.name))

    @classmethod
    def read(
        cls,
        given: Mapping[str, Any],
        where: str = "",
        dropped: Dropped | None = None,
    ) -> Self:
        """Returns the options that a table of a recipe gives.

        Args:
            given: Values by key.
            where: Name of the table, for errors; "" for the arguments of a
                function.
            dropped: Takes the keys that there are not; None makes an error
                of them.

        Raises:
            ValueError: If a key or a value is wrong.
        """
        if where:
            check_table(where, given)
        known = {field.name: field for field in dataclasses.fields(cls)}
        for key in [key for key in given if key not in known]:
            if dropped is None or not dropped.unknown:
                path = _path(where, key)
                raise ValueError(
                    f"`{path}` is not a known key.{nearest(key, known)}"
                )
            dropped.keys.append(_path(where, key))
        kept = {key: v for key, v in given.items() if key in known}
        for key, value in kept.items():
            _check(known[key], _path(where, key), value)
        try:
            return cls(**kept)
        except ValueError as error:
            raise ValueError(
                f"`{where}`: {error}" if where else str(error)
            ) from error

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
            if field.metadata.get("role") == role
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
        dropped: Dropped | None = None,
    ) -> Options:
        """Returns the options of the variant that `given` names.

        Args: Those of `Options.read`.

        Raises:
            ValueError: If the variant, a key or a value is wrong.
        """
        if where:
            check_table(where, given)
        name = given.get(self.key, self.default)
        check_choice(_path(where, self.key), name, self.parts)
        own = self.parts[name].options
        kept = {self.key: name}
        for key, value in given.items():
            if key not in own.names() and self._others(key):
                if dropped is None:
                    raise ValueError(self._lacks(name, key, value, where))
                dropped.keys.append(_path(where, key))
            elif key != self.key:
                kept[key] = value
        return own.read(kept, where, dropped)

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

    def _others(self, key: str) -> list[str]:
        """Returns the variants that have an option."""
        return [n for n, p in self.parts.items() if key in p.options.names()]

    def _lacks(self, name: str, key: str, value: Any, where: str) -> str:
        own = set(self.parts[name].options.names()) - {self.key}
        return (
            f"`{_path(where, key)}` needs a {self.key} that has it: "
            f"{', '.join(self._others(key))}. Received: {key}={value!r} with "
            f"{self.key}={name!r}, which has {', '.join(sorted(own))}"
        )


def _check(field: dataclasses.Field, path: str, value: Any) -> None:
    """Raises ValueError unless a value is what the field asks for."""
    # A class of a user's own may declare plain fields.
    words, good = field.metadata.get("check", ANYTHING)
    if not good(value):
        raise ValueError(
            f"`{path}` must be {words}. Received: {field.name}={value!r}"
        )


def _path(where: str, key: str) -> str:
    return f"{where}.{key}" if where else key
