"""One row of the manifest to one value a modality."""

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from mmkeras.data.files.paths import Folders
from mmkeras.data.files.source import SampleIO
from mmkeras.data.ingest.read_labels import read_label
from mmkeras.spec import DataSpec, Label, Sample


@dataclass(frozen=True)
class SampleReader:
    """Reads samples as `prepare` does.

    Args:
        spec: The spec.
        root: Folder of the data.
        seed: Seed of the noise that a spec may ask for.
        learned: By modality, what `Modality.open_learned` returned.
        arrays: Folder of samples that were in memory; None where none was.
    """

    spec: DataSpec
    root: str
    seed: int = 0
    learned: Mapping[str, Any] = field(default_factory=dict)
    arrays: str | None = None

    def read(
        self,
        name: str,
        row: Mapping[str, Any],
        folders: Folders | None = None,
    ) -> Sample:
        """Returns one modality of one row, as its shard holds it.

        Args:
            name: The modality.
            row: "id" and "cells" (column: text).
            folders: Those that stay open for the next sample.

        Raises:
            BadSample: If it is missing or broken.
        """
        return self._each(name, row, folders, "read")

    def variants(
        self,
        name: str,
        row: Mapping[str, Any],
        folders: Folders | None = None,
    ) -> list[Any]:
        """Returns what else a training sample is stored as; see `read`."""
        return self._each(name, row, folders, "variants")

    def label(
        self,
        name: str,
        row: Mapping[str, Any],
        samples: Mapping[str, Sample],
        folders: Folders | None = None,
    ) -> Label:
        """Returns the label of a row, of a target that is `read_with_sample`.

        Args:
            name: The target.
            row: As in `read`.
            samples: The modalities that are there, as they were read.
            folders: As in `read`.

        Raises:
            BadSample: If it cannot be used.
        """
        target = self.spec.targets[name]
        io = self._io(name, row, folders, self.learned)
        with self._fitting(name, row):
            return read_label(target, row["cells"], io, samples)

    def _each(
        self,
        name: str,
        row: Mapping[str, Any],
        folders: Folders | None,
        what: str,
    ) -> Any:
        io = self._io(name, row, folders, self.learned.get(name))
        with self._fitting(name, row):
            return getattr(self.spec.modalities[name], what)(row["cells"], io)

    def _io(
        self,
        name: str,
        row: Mapping[str, Any],
        folders: Folders | None,
        learned: Any,
    ) -> SampleIO:
        # Seeded by the sample, so that no order and no neighbour matters.
        seed = f"{self.seed}/{name}/{row['id']}"
        return SampleIO(self.root, name, learned, seed, self.arrays, folders)

    @staticmethod
    @contextlib.contextmanager
    def _fitting(name: str, row: Mapping[str, Any]) -> Iterator[None]:
        try:
            yield
        except MemoryError as error:
            # On another machine it may fit: the sample is not to blame.
            raise OSError(
                "Every sample must fit into memory. Received: the sample "
                f"{row['id']!r}, whose `{name}` does not"
                + (f" ({error})" if str(error) else "")
                + "; `workers=1` leaves more for each"
            ) from None
