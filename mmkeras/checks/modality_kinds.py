"""The clauses that a kind of modality keeps."""

import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from mmkeras.checks.device_files import load_device_file
from mmkeras.checks.report import same
from mmkeras.checks.towers import check_tower
from mmkeras.data import SampleIO, merge_sums, to_model
from mmkeras.spec import DataFiles, Learned, Modality

NAME = "modality"


@dataclass(frozen=True)
class ModalityCase:
    """A kind of modality, and samples to check it with.

    Args:
        modality: The kind, with its keys.
        rows: A row of a manifest each, by column; all can be read.
        root: Folder of the files that the rows name.
        export: Whether the tower's exported files are checked too.
    """

    modality: Modality
    rows: Sequence[Mapping[str, str]]
    root: Path
    export: bool

    def clauses(self) -> dict[str, Callable[[], object]]:
        """Returns the clauses by name."""
        return {
            "read": self.read,
            "stored": self.stored,
            "facts": lambda: json.dumps(self.facts, allow_nan=False),
            "tower": self.tower,
            "corruption": self.corruption,
            "show": self.show,
            "device": self.device,
        }

    @cached_property
    def learned(self) -> Learned | None:
        """What reading takes from the rows, as from a training split."""
        cells = {
            column: [row[column] for row in self.rows]
            for column in self.modality.manifest_columns
        }
        return self.modality.learn(cells, SampleIO(str(self.root), NAME))

    def values(self) -> list[np.ndarray]:
        """Returns what a shard would hold of each row."""
        opened = self.learned and self.modality.open_learned(self.learned)
        return [
            self.modality.read(
                row, SampleIO(str(self.root), NAME, opened, f"0/{index}")
            ).value
            for index, row in enumerate(self.rows)
        ]

    @cached_property
    def facts(self) -> dict[str, Any]:
        """Statistics of the rows, as `prepare` makes them."""
        sums = None
        for value in self.values():
            sums = merge_sums(sums, self.modality.sums(value))
        more = self.learned.facts if self.learned else {}
        return {**self.modality.finish(sums), **more}

    def inputs(self) -> np.ndarray:
        """Returns a batch of all rows."""
        return np.stack([to_model(self.modality, v) for v in self.values()])

    def read(self) -> None:
        """A value has shape and type of the class; read again, it is equal."""
        modality = self.modality
        dtype = np.dtype(modality.stored.dtype)
        for value, again in zip(self.values(), self.values(), strict=True):
            same(
                "`read` must return a value of",
                (np.dtype(value.dtype), tuple(value.shape)),
                (dtype, tuple(modality.shape)),
            )
            if not np.array_equal(value, again, equal_nan=dtype.kind == "f"):
                raise ValueError(
                    "`read` must follow from its arguments alone. Received: "
                    "another value, read a second time"
                )

    def stored(self) -> None:
        """A batch has the type of the class, absent samples as well."""
        modality, dtype = self.modality, self.modality.stored.dtype
        absent = np.full(modality.shape, modality.absent, dtype)
        for value in (*self.values(), absent):
            found = to_model(modality, value)
            same("a batch must be of", found.dtype, np.dtype(modality.dtype))

    def tower(self) -> None:
        """`build` returns a tower that keeps the contract of towers."""
        options = self.modality.tower_options().read({}, f"towers.{NAME}")
        built = self.modality.build(NAME, self.facts, options)
        like = built.inputs[0]
        same(
            "a tower must read",
            (like.name, like.dtype, tuple(like.shape[1:])),
            (NAME, self.modality.dtype, tuple(self.modality.shape)),
        )
        rows = self.inputs()
        classes = rows[np.arange(3) % len(rows)] if len(rows) > 2 else None
        check_tower(built, classes, export=self.export)

    def corruption(self) -> None:
        """Each level, if the kind offers any, keeps the shape."""
        corruption, x = self.modality.corruption(), self.inputs()
        for level in corruption.levels if corruption else ():
            draw = np.random.default_rng(0)
            changed = corruption.change(draw, x, level, self.facts)
            same("a corruption must return", changed.shape, x.shape)

    def show(self) -> None:
        """What a report shows is text, whatever the kind."""
        shown = self.modality.show(self.inputs()[0], None) or {}
        known = {"picture", "drawing", "text"}
        if set(shown) - known or not all(map(_is_text, shown.values())):
            raise ValueError(
                f"`show` must return texts by {', '.join(sorted(known))}. "
                f"Received: {shown}"
            )

    def device(self) -> None:
        """The device reads what a person gives it as `prepare` reads it."""
        reader = load_device_file(self.modality)
        with tempfile.TemporaryDirectory() as folder:
            entry = self._entry(Path(folder))
            for row, value in zip(self.rows, self.inputs(), strict=True):
                found = reader.read(self._given(row), entry)
                same("the device must read", found.dtype, value.dtype)
                # A shard rounds to the nearest step.
                step = self.modality.stored.scale or 0
                np.testing.assert_allclose(found, value, atol=step / 2 + 1e-6)

    def _given(self, row: Mapping[str, str]) -> str:
        """Returns what a person gives the runner: a path, or the cells."""
        cells = [row[column] for column in self.modality.manifest_columns]
        path = self.root / cells[0]
        return str(path) if path.is_file() else ",".join(cells)

    def _entry(self, folder: Path) -> dict[str, Any]:
        entry = {
            "kind": self.modality.kind,
            "name": NAME,
            "folder": folder,
            "shape": list(self.modality.shape),
            "dtype": self.modality.dtype,
        }
        data = _Prepared(folder, self.learned, {NAME: self.facts})
        for file, content in self.modality.device_files(NAME, data).items():
            text = (
                content.read_text("utf-8")
                if isinstance(content, Path)
                else json.dumps(content)
            )
            (folder / file).write_text(text, "utf-8")
        return {**entry, **self.modality.device_entry(NAME, folder)}


class _Prepared:
    """What a kind asks of prepared data for its device files."""

    def __init__(self, folder: Path, learned: Learned | None, facts: dict):
        self.folder, self.learned = folder, {NAME: learned}
        self.statistics = {"modalities": facts}
        self.spec = SimpleNamespace(data=DataFiles())

    def tokenizer_path(self, name: str) -> Path:
        path = self.folder / "learned.json"
        path.write_text(self.learned[name].file, "utf-8")
        return path


def _is_text(value: Any) -> bool:
    return isinstance(value, str)
