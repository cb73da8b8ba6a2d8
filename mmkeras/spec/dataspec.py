"""The data spec itself."""

import hashlib
import json
import keyword
import re
from pathlib import Path
from typing import Annotated, Any

import pydantic
from pydantic import Field

from mmkeras.spec.registry import MODALITIES, TARGETS
from mmkeras.spec.tables import DataFiles, Split, Table
from mmkeras.spec.toml import explain, read_toml

NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
# Names that already mean something in a batch, on the runner's command line,
# or in a call by names, as the signatures of a TFLite file are run.
OPTIONS = (
    "bundle", "camera", "count", "help", "hop_sec", "kernels", "listen",
    "microphone", "present", "samples", "self", "stdin", "stream", "threads",
    "trust", "window",
)  # fmt: skip
RESERVED = frozenset((*OPTIONS, *keyword.kwlist))


class DataSpec(Table):
    """A whole data spec.

    Args:
        name: Short name, such as "avdigits".
        description: What the data are and where they come from.
        data: Where the samples are.
        split: Which samples train, validate and test.
        modalities: What goes into the model, by name.
        targets: What comes out of it, by name.

    Example:

    >>> spec = load_spec("data_specs/demo.toml")
    >>> sorted(spec.modalities)
    ['audio', 'image', 'text']
    """

    name: str
    description: Annotated[str, Field(max_length=10_000)] = ""
    data: DataFiles = DataFiles()
    split: Split = Split()
    modalities: dict[str, MODALITIES.field()] = Field(
        min_length=1, max_length=32
    )
    targets: dict[str, TARGETS.field()] = Field(min_length=1, max_length=32)
    _folder: Path = pydantic.PrivateAttr(Path("."))

    @pydantic.model_validator(mode="after")
    def _check(self) -> "DataSpec":
        for name in (self.name, *self.modalities, *self.targets):
            if not NAME.fullmatch(name):
                raise ValueError(
                    "Names must be lower-case letters, digits and `_`, start "
                    "with a letter and have at most 40 characters. "
                    f"Received: {name!r}"
                )
        for name in self.modalities:
            if name in RESERVED:
                raise ValueError(
                    "A modality must not have a name that means something "
                    f"else on the device: {', '.join(OPTIONS)}, or a word of "
                    f"Python's own such as `class`. Received: {name!r}"
                )
        if "present" in self.targets:
            raise ValueError(
                "A target must not be called `present`, as the input that "
                "says which modalities are there. Received: 'present'"
            )
        both = set(self.modalities) & set(self.targets)
        if both:
            raise ValueError(
                "A modality and a target must not share a name. "
                f"Received: {sorted(both)}"
            )
        stratify = self.split.stratify
        able = getattr(self.targets.get(stratify), "stratifies", False)
        if stratify is not None and not able:
            kinds = [k for k, t in TARGETS.known.items() if t.stratifies]
            raise ValueError(
                "`split.stratify` must name a target of kind "
                f"{' or '.join(map(repr, sorted(kinds)))}. "
                f"Received: {stratify!r}; targets: {sorted(self.targets)}"
            )
        if self.data.duplicates == "group" and self.split.method != "fractions":
            raise ValueError(
                '`data.duplicates` must be "keep", "first" or "drop" where a '
                'column decides on the splits: "group" would move samples. '
                "Received: 'group'"
            )
        for name, target in self.targets.items():
            self._check_read_with(name, target)
            target.check(name, self.modalities)
        self._check_variants()
        return self

    def _check_read_with(self, name: str, target: Any) -> None:
        for read in dict.fromkeys((*target.reads_with, target.moves_with)):
            if read is not None and read not in self.modalities:
                raise ValueError(
                    f"`targets.{name}` must be read with a modality of the "
                    f"spec. Received: {read!r}; modalities: "
                    f"{sorted(self.modalities)}"
                )

    def _check_variants(self) -> None:
        followed = [n for n, t in self.targets.items() if t.follows_time]
        for name, modality in self.modalities.items():
            if modality.variant_names and followed:
                raise ValueError(
                    f"`{name}` must not be stored at other speeds or pitches "
                    "where a target has a label for each step. Received: "
                    f"{', '.join(modality.variant_names)}, target "
                    f"`{followed[0]}`"
                )

    @property
    def optional(self) -> tuple[str, ...]:
        """Names of the optional modalities, sorted: columns of `present`."""
        return tuple(
            sorted(n for n, m in self.modalities.items() if m.optional)
        )

    @property
    def written(self) -> tuple[str, ...]:
        """The targets whose answers a decoder writes, step by step."""
        return tuple(n for n, each in self.targets.items() if each.writes)

    @property
    def root(self) -> Path:
        """The data root, found from the folder of the spec file."""
        return self._folder / self.data.root

    @property
    def sha256(self) -> str:
        """Hash of what the spec says.

        A key that is left out is no part of it, so that data stay readable
        when a later version knows more keys.
        """
        said = self.model_dump(mode="json", exclude_defaults=True)
        text = json.dumps(said, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def answers(self, *names: str) -> bool:
        """Whether the modalities `names` alone can answer any target."""
        return any(t.among(names) is not None for t in self.targets.values())

    def only(self, *names: str) -> "DataSpec":
        """Returns this spec with the modalities `names` alone, all required.

        It is the spec of a single-modality baseline.
        """
        unknown = set(names) - set(self.modalities)
        if unknown or not names:
            raise ValueError(
                f"`names` must be modalities of the spec. Received: "
                f"{sorted(names)}; modalities: {sorted(self.modalities)}"
            )
        parts = self.to_dict()
        parts["modalities"] = {
            name: {**parts["modalities"][name], "optional": False}
            for name in sorted(names)
        }
        kept = {n: t.among(names) for n, t in self.targets.items()}
        parts["targets"] = {
            name: target.model_dump(mode="json")
            for name, target in kept.items()
            if target is not None
        }
        if not parts["targets"]:
            raise ValueError(
                "`names` must hold the modality of a target. Received: "
                f"{sorted(names)}; targets: {sorted(self.targets)}"
            )
        spec = self.from_dict(parts)
        spec._folder = self._folder
        return spec

    def to_dict(self) -> dict[str, Any]:
        """Returns plain JSON values; `from_dict` reads them."""
        return self.model_dump(mode="json")

    @classmethod
    def from_dict(cls, values: dict, source: str = "spec") -> "DataSpec":
        """Checks `values`; `source` names their file in errors."""
        try:
            return cls.model_validate(values)
        except pydantic.ValidationError as error:
            raise ValueError(explain(error, source, values)) from None


def load_spec(path: str | Path) -> DataSpec:
    """Reads and checks a TOML spec.

    Raises:
        ValueError: If the file is missing, no TOML, or not a valid spec; the
            message names file, key, what was received and the nearest key.
    """
    path = Path(path)
    values = read_toml(path)
    spec = DataSpec.from_dict(values, str(path))
    spec._folder = path.parent
    return spec
