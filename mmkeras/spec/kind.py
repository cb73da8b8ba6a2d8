"""What a kind of modality and a kind of target have in common."""

import functools
import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar, get_args

from mmkeras.spec.guesses import Guess, SeenColumn
from mmkeras.spec.tables import Table


class Kind(Table):
    """A table of a spec whose key `kind` says which class reads it.

    A subclass declares `kind: Literal["its name"]`, its keys, and answers
    what the stages ask of it. Where the class stands in the `__init__` of a
    folder, the answer of a stage may stand in a file of that folder, which is
    imported when the stage asks for it: a process that decodes pictures never
    imports what builds a model. A class in a single file overrides methods.
    """

    # Declared by each subclass as Literal["..."].
    kind: str
    # Stages with a file of their own, beside what a subclass overrides.
    parts: ClassVar[tuple[str, ...]] = ()
    # The file that travels to the device, which has NumPy and no mmkeras; None
    # means `device.py` in the folder of the class.
    device: ClassVar[Path | None] = None
    # Files of the runner that it imports, beside `validation.py`.
    device_uses: ClassVar[tuple[str, ...]] = ()
    # Modules of a package that it imports by their last name: what `prepare`
    # does, the device then does by the same file. They import NumPy, Python's
    # library, and no other module of a package.
    device_shares: ClassVar[tuple[str, ...]] = ()
    # Keys of the spec that it is told.
    device_keys: ClassVar[tuple[str, ...]] = ()
    # What stands for it on the phone's page; None: the page does not know it.
    web: ClassVar[str | None] = None

    @property
    def number_columns(self) -> tuple[str, ...]:
        """Columns of the manifest that hold numbers."""
        return ()

    @property
    def category_columns(self) -> tuple[str, ...]:
        """Columns of the manifest that hold names of classes."""
        return ()

    def cell_from(
        self, column: str, value: Any, keep: Callable[[str, bytes], str]
    ) -> str | None:
        """Returns the manifest's cell for a value that is in memory.

        Args:
            column: One of `manifest_columns`.
            value: A list, an array, bytes, a dict, or an object of another
                package; never a number, a text, or nothing.
            keep: From a suffix, such as ".png", and bytes to the path of a
                file that holds them.

        Returns:
            None where text is made of it as of any list.

        Raises:
            ValueError: If it cannot be what the kind reads.
        """
        return self.offer("in_memory", "cell", column, value, keep)

    @classmethod
    def recognise(cls, column: SeenColumn) -> Guess | None:
        """Returns what a column would be as this kind; None: not of this kind.

        Args:
            column: What is seen of it.
        """
        part = cls.part("recognise")
        return part.recognise(column) if part else None

    @classmethod
    def name_of_kind(cls) -> str:
        """Returns the name that specs write, such as "image"."""
        names = get_args(cls.model_fields["kind"].annotation)
        if len(names) != 1 or not isinstance(names[0], str):
            raise ValueError(
                f"`{cls.__name__}.kind` must be declared as Literal with one "
                f"name. Received: {cls.model_fields['kind'].annotation}"
            )
        return names[0]

    @classmethod
    # Asked several times a sample, and looking for a file is slow.
    @functools.cache
    def part(cls, stem: str) -> ModuleType | None:
        """Returns the file `stem` beside the class; None where there is none.

        A class that inherits asks the folders of its parents too.
        """
        for home in cls._homes():
            name = f"{home.__name__}.{stem}"
            if name in sys.modules or importlib.util.find_spec(name):
                return importlib.import_module(name)
        return None

    @classmethod
    def load_layers(cls) -> None:
        """Imports the modules in which its layers and losses are registered.

        Called before a saved model is loaded: Keras knows only what is.
        """
        cls.part("build")

    def tell(self, notes: Mapping[str, int], samples: int) -> list[str]:
        """Returns what reading changed in samples or labels, as sentences.

        Args:
            notes: What was changed, counted over all samples.
            samples: How many were read.
        """
        found = self.offer("read", "tell", notes, samples)
        if found is None:
            found = [
                f"{note.replace('_', ' ')}: {count:,} "
                f"({count / max(samples, 1):.1%} of {samples:,} samples)"
                for note, count in notes.items()
            ]
        return found

    def offer(
        self, stem: str, name: str, *arguments: Any, **named: Any
    ) -> Any | None:
        """Calls `name(self, ...)` of the file `stem`; None without either."""
        function = getattr(self.part(stem), name, None)
        return function and function(self, *arguments, **named)

    def ask(self, stem: str, name: str, *arguments: Any, **named: Any) -> Any:
        """Calls `name(self, ...)` of the file `stem`.

        Raises:
            ValueError: If the kind has no such file or function: a stage
                needs what the kind does not offer.
        """
        function = getattr(self.part(stem), name, None)
        if function is None:
            raise ValueError(
                f"Kind '{self.kind}' must define `{name}` for this. Received: "
                f"neither a method of `{type(self).__name__}` nor a function "
                f"in a file `{stem}.py` beside it"
            )
        return function(self, *arguments, **named)

    @classmethod
    def _homes(cls) -> Iterator[ModuleType]:
        """Yields the folders of the class and of its parents, as modules."""
        for owner in cls.__mro__:
            home = sys.modules.get(owner.__module__)
            # A module without a path is a single file, which has no parts.
            if issubclass(owner, Kind) and hasattr(home, "__path__"):
                yield home

    @classmethod
    def device_path(cls) -> Path:
        """Returns the file that travels to the device; it is not imported.

        Raises:
            ValueError: If the kind has none, and so cannot be in a bundle
                that runs in Python.
        """
        places = [
            Path(folder, "device.py")
            for home in cls._homes()
            for folder in home.__path__
        ]
        if cls.device is not None:
            places = [Path(cls.device)]
        for place in places:
            if place.is_file():
                return place
        raise ValueError(
            f"Kind '{cls.name_of_kind()}' must have a file for the device: "
            f"`{cls.__name__}.device`, or `device.py` beside the class. "
            f"Received: none of {', '.join(map(str, places)) or 'either'}"
        )

    @classmethod
    def device_shared(cls) -> dict[str, Path]:
        """Returns the files of `device_shares`, by their name in a bundle.

        Raises:
            ValueError: If a module is not there.
        """
        found = {}
        for name in cls.device_shares:
            module = importlib.util.find_spec(name)
            if module is None or not Path(str(module.origin)).is_file():
                raise ValueError(
                    f"`{cls.__name__}.device_shares` must name modules that "
                    f"are files. Received: {name!r}"
                )
            found[f"{name.rpartition('.')[2]}.py"] = Path(module.origin)
        return found

    def device_entry(self, name: str, folder: Path) -> dict[str, Any]:
        """Returns what the device is told of it, values of JSON by key.

        Args:
            name: Its name in the spec.
            folder: The bundle, which holds `device_files` by now.
        """
        return self.model_dump(mode="json", include=set(self.device_keys))

    def device_files(self, name: str, data: Any) -> dict[str, Any]:
        """Returns further files for the device, by their name in the bundle.

        Args:
            name: Its name in the spec.
            data: The prepared data, of which `export` takes its samples.

        Returns:
            A path to copy, or a value to write as JSON.
        """
        return {}
