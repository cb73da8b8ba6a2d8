"""What a format is: how its files are made, opened and looked into."""

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from mmkeras.export.conversion.produced_file import ProducedFile
from mmkeras.export.conversion.runtimes import Runtime, Tracer
from mmkeras.export.recipes.ingredients import Ingredients


class Format:
    """One kind of file that a model becomes.

    A further one is a subclass in a file of its own, and its row in `FORMATS`.
    One that is `made_of` another has no file of its own to measure: it adds
    to the bundle what `write` makes of the other's.

    Attributes:
        name: What users call it.
        suffix: How the names of its files end.
        made_of: Name of the format that it is made of, if any.
        target: Device profile that its file has to fit if none is asked for.
        recipes: What `quantize` may ask for, and the recipes of the files to
            choose from then; none for the float file alone.
        fallback: Recipe to try, by what was asked for, where none of those
            keeps the metrics.
        labelled: Recipes that need labelled samples.
        has_runner: Whether `run.py` answers by its files.
        tells_layers: Whether operators, layers and streams can be read off
            its files.
        batch: Samples that a float file takes at a time.
    """

    name: ClassVar[str]
    suffix: ClassVar[str] = ""
    made_of: ClassVar[str | None] = None
    target: ClassVar[str | None] = None
    recipes: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    fallback: ClassVar[Mapping[str, str]] = {}
    labelled: ClassVar[frozenset[str]] = frozenset()
    has_runner: ClassVar[bool] = False
    tells_layers: ClassVar[bool] = False
    batch: ClassVar[int] = 1

    def convert(self, ingredients: Ingredients) -> ProducedFile:
        """Writes the float file of a model."""
        raise NotImplementedError

    def quantize(
        self, source: ProducedFile, recipe: str, ingredients: Ingredients
    ) -> ProducedFile:
        """Writes a smaller file.

        Args:
            source: The float file.
            recipe: One of `recipes`.
            ingredients: With the model, unless the recipe is `apart`.
        """
        raise NotImplementedError

    def apart(self, recipe: str) -> bool:
        """Whether a recipe asks for no more than the float file.

        It then has a process of its own, since quantizers crash.
        """
        return False

    def open(self, path: str | Path) -> Runtime:
        """Opens a file on one thread; returns what answers."""
        raise NotImplementedError

    def trace(self, path: str | Path) -> Tracer:
        """Opens a file; returns what shows every intermediate result."""
        raise NotImplementedError

    def write(
        self,
        file: ProducedFile,
        folder: Path,
        classes: Mapping[str, list[str]],
        title: str,
    ) -> None:
        """Adds to a bundle what is made of the other format's file.

        Args:
            file: The file that is shipped in the format `made_of`.
            folder: The bundle.
            classes: Classes by target, in the order of the outputs.
            title: Name of the spec.
        """
