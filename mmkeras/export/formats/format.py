"""What a format is: how its files are made, opened and looked into."""

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from mmkeras.export.conversion.produced_file import ProducedFile
from mmkeras.export.conversion.runtimes import Runtime, Tracer
from mmkeras.export.recipes.context import ConversionContext


class Format:
    """One kind of file that a model becomes.

    A further one is a subclass in a file of its own, and its row in `FORMATS`.
    One that is `made_of` another has no file of its own to measure: it adds
    to the bundle what `write` makes of the other's.

    Attributes:
        name: What users call it.
        suffix: How the names of its files end.
        runtime: What opens its files, in words.
        made_of: Name of the format that it is made of, if any.
        target: Device profile that its file has to fit if none is asked for.
        recipes: What `quantize` may ask for, and the recipes of the files to
            choose from then; none for the float file alone.
        fallback: Recipe to try, by what was asked for, where none of those
            keeps the metrics.
        needs_labels: Recipes that need labelled samples.
        has_runner: Whether `run.py` answers by its files.
        of_texts: The same as `recipes`, where a target is a text: its decoder
            loses more to int8 than what makes a single output. Nothing where
            its files cannot hold a decoder beside the model.
        inspectable: Whether operators, layers and streams can be read off
            its files.
        batch: Samples that a float file takes at a time.
    """

    name: ClassVar[str]
    suffix: ClassVar[str] = ""
    runtime: ClassVar[str] = ""
    made_of: ClassVar[str | None] = None
    target: ClassVar[str | None] = None
    recipes: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    fallback: ClassVar[Mapping[str, str]] = {}
    needs_labels: ClassVar[frozenset[str]] = frozenset()
    of_texts: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    has_runner: ClassVar[bool] = False
    inspectable: ClassVar[bool] = False
    batch: ClassVar[int] = 1

    def recipes_of(self, quantize: str, writes: bool) -> tuple[str, ...]:
        """Returns the recipes of the files to choose from.

        Args:
            quantize: What was asked for.
            writes: Whether a target is a text.
        """
        return (self.of_texts if writes else self.recipes)[quantize]

    def convert(self, context: ConversionContext) -> ProducedFile:
        """Writes the float file of a model."""
        raise NotImplementedError

    def quantize(
        self, source: ProducedFile, recipe: str, context: ConversionContext
    ) -> ProducedFile:
        """Writes a smaller file.

        Args:
            source: The float file.
            recipe: One of `recipes`.
            context: With the model, where the recipe needs it.
        """
        raise NotImplementedError

    def needs_model(self, recipe: str) -> bool:
        """Whether a recipe needs the Keras model, not the float file alone.

        One that does not is a request by itself, since quantizers crash.
        """
        return True

    def open(self, path: str | Path) -> Runtime:
        """Opens a file on one thread; returns what answers."""
        raise NotImplementedError

    def check(self, path: str | Path) -> None:
        """Raises ValueError if a stranger's file reaches for other files."""

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
