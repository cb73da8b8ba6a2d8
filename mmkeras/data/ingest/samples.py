"""One row of the manifest to one value a modality."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mmkeras.data.files.paths import Folders
from mmkeras.data.files.source import SampleIO
from mmkeras.spec import DataSpec, Sample


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

    def _each(
        self,
        name: str,
        row: Mapping[str, Any],
        folders: Folders | None,
        what: str,
    ) -> Any:
        # Seeded by the sample, so that no order and no neighbour matters.
        io = SampleIO(
            self.root,
            name,
            self.learned.get(name),
            f"{self.seed}/{name}/{row['id']}",
            self.arrays,
            folders,
        )
        try:
            return getattr(self.spec.modalities[name], what)(row["cells"], io)
        except MemoryError:
            # On another machine it may fit: the sample is not to blame.
            raise OSError(
                "Every sample must fit into memory. Received: the sample "
                f"{row['id']!r}, whose `{name}` does not; `workers=1` leaves "
                "more for each"
            ) from None
