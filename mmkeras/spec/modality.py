"""What every kind of modality answers."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import Field

from mmkeras.options import Options
from mmkeras.spec.answers import (
    Augmentation,
    Corruption,
    Fingerprint,
    Learned,
    Profile,
    Sample,
    Stored,
)
from mmkeras.spec.kind import Kind

Side = Annotated[int, Field(gt=0, le=4096)]


class Modality(Kind):
    """What goes into the model; the base of every kind of modality.

    Args:
        optional: Whether a sample may lack it.
    """

    optional: bool = False
    # Type of the value in a batch, and so of the `keras.Input`.
    dtype: ClassVar[str] = "float32"
    # What a shard holds, in its own numbers, where the modality is absent.
    absent: ClassVar[float] = 0.0
    # What stands for a value on the runner's command line in an example.
    example: ClassVar[str] = "VALUE"
    # What a value in a batch is divided by before statistics are taken.
    statistics_unit: ClassVar[float] = 1.0
    # Keys that the weights of a tower do not depend on.
    free_keys: ClassVar[tuple[str, ...]] = ("column", "optional")
    # How training batches may be changed, by the keys of a recipe.
    augmentations: ClassVar[Mapping[str, Augmentation]] = {}
    # Axes of a sample that a part of another is put into; (): it is blended
    # alone, None: it is not mixed, as ids, which have no mean.
    mixed_axes: ClassVar[tuple[int, ...] | None] = None
    # Whether a sample is pixels or voxels, channels last, that targets mark.
    has_pixels: ClassVar[bool] = False
    # Whether one file holds a sample, so that `decode_file` can read it.
    from_file: ClassVar[bool] = True
    # What the file that `learn` writes is called, such as "tokenizer".
    learned_file: ClassVar[str | None] = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one sample in a batch."""
        return self.ask("read", "shape")

    @property
    def stored(self) -> Stored:
        """How a shard holds it; as a batch does, unless a kind says other."""
        return Stored(self.dtype)

    @property
    def time_steps(self) -> int | None:
        """Equal steps that the time of a sample moves by; None: no time."""
        return None

    @property
    def seconds(self) -> float | None:
        """Duration of a sample; None where it has none, or another each."""
        return getattr(self, "duration_sec", None)

    @property
    def variant_names(self) -> tuple[str, ...]:
        """What `prepare` makes of each training sample beside itself."""
        return ()

    @property
    def manifest_columns(self) -> tuple[str, ...]:
        """Columns of the manifest that one sample is read from."""
        return (self.column,)

    def check(self, io: Any) -> None:
        """Raises ValueError if a file that all samples share is wrong.

        Args:
            io: A `mmkeras.data.SampleIO` of the data root.
        """
        self.offer("read", "check", io)

    def source_files(self, cells: Mapping[str, str]) -> tuple[str, ...]:
        """Returns the files inside the data root that a sample is read from.

        Where one of them changes, the shard is made anew.

        Args:
            cells: The sample's row of the manifest, by column.
        """
        found = self.offer("read", "source_files", cells)
        if found is None:
            found = tuple(cells[column] for column in self.manifest_columns)
        return found

    def learn(
        self, cells: Mapping[str, Sequence[str]], io: Any
    ) -> Learned | None:
        """Returns what reading takes from the training split, as a vocabulary.

        Args:
            cells: Those of the training split, by column.
            io: A `mmkeras.data.SampleIO` of the data root.
        """
        return self.offer("learn", "learn", cells, io)

    def open_learned(self, learned: Learned) -> Any:
        """Returns what `read` finds as `io.learned`, made once a process."""
        found = self.offer("read", "open_learned", learned)
        return learned if found is None else found

    def vocabulary_of(self, learned: Learned) -> str | None:
        """Returns what ids in a batch stand for, as text; None: no ids."""
        return self.offer("read", "vocabulary_of", learned)

    def read(self, cells: Mapping[str, str], io: Any) -> Sample:
        """Reads one sample.

        It follows from the arguments alone, so that no order and no neighbour
        matters.

        Args:
            cells: The sample's row of the manifest, by column.
            io: A `mmkeras.data.SampleIO`: files, what was learned, chance.

        Raises:
            mmkeras.data.BadSample: If it is missing or cannot be used.
        """
        return self.ask("read", "read", cells, io)

    def variants(self, cells: Mapping[str, str], io: Any) -> list[Any]:
        """Reads a training sample again, as each of `variant_names`.

        In training an augmentation may take one instead of the sample.
        """
        return self.ask("read", "variants", cells, io)

    def read_file(self, name: str, io: Any) -> Any:
        """Returns what one file holds, as a shard would; see `from_file`.

        Args:
            name: Path inside the root of `io`.
            io: A `mmkeras.data.SampleIO`.
        """
        found = self.offer("read", "read_file", name, io)
        if found is None:
            found = self.read({self.column: name}, io).value
        return found

    def read_value(self, value: str, io: Any) -> Any:
        """Returns what a person gives on a command line, as a shard would.

        Args:
            value: What is given, such as a text itself.
            io: A `mmkeras.data.SampleIO`, with what was learned.

        Returns:
            None for a kind of which the path of a file is given.
        """
        return self.offer("read", "read_value", value, io)

    def sums(self, value: Any) -> dict[str, Any] | None:
        """Returns what statistics take from one sample, as JSON.

        Args:
            value: What `read` returned.

        Returns:
            What `mmkeras.data.whole_sums` or `known_sums` gives, which add
            up over shards; None for a kind without statistics.
        """
        return self.offer("read", "sums", value)

    def finish(self, sums: dict[str, Any] | None) -> dict[str, Any]:
        """Returns the statistics of the training split, as JSON.

        Args:
            sums: Over all samples; None where none has the modality.
        """
        return self.offer("read", "finish", sums) or {}

    def augment(
        self, settings: Mapping[str, float]
    ) -> Callable[[Any, Iterator], Any]:
        """Returns a function from `(values, seeds)` to changed values.

        It runs inside `tf.data`, and follows from its arguments alone.

        Args:
            settings: A value for each of `augmentations`; 0 is off. The
                function takes a batch `(batch, *shape)` in the type of
                batches, and an iterator of seeds, one for each draw, as
                `tf.random.stateless_uniform` takes it. `seeds.of(KEY)` has
                those that modalities may share, `seeds.spans` moves time,
                `seeds.moved` takes what moves places, for targets that
                follow.
        """
        return self.ask("augment", "augment", settings)

    def augment_learned(
        self, settings: Mapping[str, Any], learned: Learned
    ) -> Callable[[Any, Iterator], Any]:
        """As `augment`, of a kind whose changes follow from what it learned.

        Args:
            settings: As for `augment`.
            learned: What reading took from the training split; empty where
                it is not known.
        """
        return self.augment(settings)

    def corruption(self) -> Corruption | None:
        """How a sensor or its surroundings spoil it; None: not offered."""
        return self.offer("corrupt", "corruption")

    def profile(self, value: Any, learned: Any) -> Profile | None:
        """What a report tells of a sample, as a batch holds it; None: nothing.

        Here and below, `learned` is what `open_learned` returned.
        """
        return self.offer("profile", "profile", value, learned)

    def profile_source(self, cells: Mapping[str, str], io: Any) -> dict | None:
        """As `profile`, numbers by name, of what `read` reads: as it came."""
        return self.offer("profile", "profile_source", cells, io)

    def fingerprint(self, value: Any, learned: Any) -> Fingerprint | None:
        """Returns what near-duplicates are found by; None: they are not."""
        return self.offer("profile", "fingerprint", value, learned)

    def vocabulary_sizes(self, learned: Any) -> dict[str, int] | None:
        """Returns how many tokens or categories are known, by name."""
        return self.offer("profile", "vocabulary_sizes", learned)

    def show(self, value: Any, learned: Path | None) -> dict[str, str] | None:
        """What a report shows of one sample; None: its first numbers.

        Args:
            value: As a batch holds it, `shape`.
            learned: File with what the kind learned from the training split,
                such as a tokenizer; None where there is none.

        Returns:
            "picture" (a data URL), "drawing" (SVG) or "text".
        """
        return self.offer("show", "show", value, learned)

    @classmethod
    def pretext(cls) -> Any | None:
        """How its towers learn without labels; None: they do not.

        Returns an `Unsupervised` of `mmkeras.training.pretext`.
        """
        return getattr(cls.part("pretext"), "PRETEXT", None)

    @classmethod
    def tower_options(cls) -> Any:
        """Returns the options of its tower: `Options`, or `Variants` of them.

        A kind that says nothing has none.
        """
        return getattr(cls.part("build"), "OPTIONS", Options)

    def build(self, name: str, facts: Mapping[str, Any], options: Any) -> Any:
        """Returns a tower: a model from `(batch, *shape)`; see `as_tower`.

        Args:
            name: Name of the modality, and of the input.
            facts: Statistics of the training split, as `prepare` wrote them.
                With the data at hand also two functions: `tokenizer` returns
                the path of its JSON, `rows` the training split. And `skips`,
                true, where a target reads the tower's feature maps.
            options: What `tower_options` made of the recipe.
        """
        return self.ask("build", "build", name, facts, options)

    def same_input(self, other: Mapping[str, Any]) -> tuple[dict, dict]:
        """Returns what a tower reads in another spec, and what in this one.

        Where both are equal, a tower that was trained there can be used here.

        Args:
            other: Table of the other spec.
        """
        # An older version did not know every key, which says nothing.
        said = {*other, *self.model_dump(exclude_defaults=True)}
        here = self.model_dump(mode="json", include=said)
        return tuple(
            {k: v for k, v in table.items() if k not in self.free_keys}
            for table in (other, here)
        )
