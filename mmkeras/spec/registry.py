"""Which kinds of modality and of target there are."""

import contextlib
import importlib
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Annotated, Any

from pydantic import PlainValidator, SerializeAsAny
from pydantic_core import PydanticCustomError

from mmkeras import processes
from mmkeras.metrics import figures_kept, register_figure
from mmkeras.spec.kind import Kind
from mmkeras.spec.modality import Modality
from mmkeras.spec.target import Target

# The kinds that come with mmkeras stand on floors above this one, and are
# found as those of an installed plugin would be: by the name of their module.
HOME = "mmkeras.kinds"


class Kinds:
    """The known kinds, by the name that a spec writes.

    Args:
        base: Class that every kind here inherits from.
    """

    def __init__(self, base: type[Kind]) -> None:
        self.base = base
        self._known: dict[str, type[Kind]] = {}

    @property
    def known(self) -> Mapping[str, type[Kind]]:
        """The classes by kind."""
        importlib.import_module(HOME)
        return MappingProxyType(self._known)

    def register(self, cls: type[Kind]) -> type[Kind]:
        """Makes a kind known; returns the class, so it can be a decorator.

        Args:
            cls: Subclass of the base, with `kind: Literal["its name"]`.

        Raises:
            ValueError: If it is no such class, or another class has the kind.
        """
        if not isinstance(cls, type) or not issubclass(cls, self.base):
            raise ValueError(
                f"`cls` must be a subclass of {self.base.__name__}. "
                f"Received: {cls!r}"
            )
        name = cls.name_of_kind()
        other = self._known.get(name)
        if other is None and not cls.__module__.startswith(f"{HOME}."):
            other = self.known.get(name)
        # A cell of a notebook that is run again defines the same class anew.
        if other is not None and _place(other) != _place(cls):
            raise ValueError(
                f"`kind` must be a name that no other class has. Received: "
                f"'{name}' of `{_place(cls)}`, which `{_place(other)}` has"
            )
        self._known[name] = cls
        processes.adopt(cls.__module__)
        return cls

    def read(self, value: Any) -> Kind:
        """Returns the table of a spec as an object of its kind."""
        if isinstance(value, self.base):
            return value
        if not isinstance(value, dict):
            raise PydanticCustomError("dict_type", "Input should be a table")
        kind = value.get("kind")
        if not isinstance(kind, str) or kind not in self.known:
            raise PydanticCustomError("unknown_kind", "unknown kind")
        return self.known[kind].model_validate(value)

    def field(self) -> Any:
        """Returns the type of a pydantic field that holds one of them."""
        return Annotated[SerializeAsAny[self.base], PlainValidator(self.read)]

    @contextlib.contextmanager
    def kept(self) -> Iterator[None]:
        """Forgets at the end what is registered within."""
        before = dict(self.known)
        try:
            yield
        finally:
            self._known = before


def _place(cls: type) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"


MODALITIES = Kinds(Modality)
TARGETS = Kinds(Target)


def register_modality(cls: type[Modality]) -> type[Modality]:
    """Makes a kind of modality known to specs; also a decorator.

    Args:
        cls: Subclass of `mmkeras.Modality`; see `docs/own_kind.md`.

    Example:

    >>> @mmkeras.register_modality
    ... class Points(mmkeras.Modality):
    ...     kind: Literal["cloud"]
    """
    return MODALITIES.register(cls)


def register_target(cls: type[Target]) -> type[Target]:
    """Makes a kind of target known to specs; also a decorator.

    Args:
        cls: Subclass of `mmkeras.Target`; see `docs/own_kind.md`.
    """
    TARGETS.register(cls)
    for name, told in cls.own_figures.items():
        register_figure(name, told)
    return cls


@contextlib.contextmanager
def registrations() -> Iterator[None]:
    """Forgets at the end which kinds are registered within."""
    with (
        MODALITIES.kept(),
        TARGETS.kept(),
        figures_kept(),
        processes.adoptions(),
    ):
        yield
