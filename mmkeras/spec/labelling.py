"""How the labels of a target are read, moved and mixed."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from mmkeras.spec.answers import Label, Sample
from mmkeras.spec.kind import Kind


class Labelling(Kind):
    """What a kind of target answers until its labels are in a batch.

    Of a column that is read alone, `encode` reads all labels at once. Where
    the kind is `read_with_sample`, `read` makes each in the process that
    decodes its sample, from files and from what its modalities became.
    """

    # What a label is in a batch, and what stands in it for a missing one.
    dtype: ClassVar[str] = "float32"
    unlabelled: ClassVar[float] = 0
    # Whether each step of time has a label of its own.
    follows_time: ClassVar[bool] = False
    # Whether samples without a label are learned from, and weigh as others.
    learns_unlabelled: ClassVar[bool] = False
    # Whether a label tells all that is in its input, so that no part of it
    # may be cut away or moved out.
    needs_whole: ClassVar[bool] = False
    # Whether `read` makes a label, where its sample is read: from files, or
    # from what its modalities became. Else `encode` reads the column alone.
    read_with_sample: ClassVar[bool] = False
    # What of the augmentation of `moves_with` its labels can follow, by
    # `move`: "space", "time", "gain".
    moved_by: ClassVar[tuple[str, ...]] = ()

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the label of one sample."""
        return ()

    @property
    def weight_shape(self) -> tuple[int, ...]:
        """Shape of the weight of one sample."""
        return ()

    @property
    def reads_with(self) -> tuple[str, ...]:
        """Names of the modalities whose samples `read` is given."""
        return ()

    @property
    def moves_with(self) -> str | None:
        """Name of the modality in whose places or times labels are told."""
        return None

    def notes(self, cells: Sequence[str]) -> dict[str, int]:
        """Returns what `encode` changes or leaves out, counted, by note.

        Args:
            cells: The manifest's column.
        """
        return {}

    def encode(
        self, cells: Sequence[str]
    ) -> tuple[np.ndarray, np.ndarray, list[tuple[int, str, str]]]:
        """Reads the labels of a manifest's column.

        Args:
            cells: The column, a cell a sample.

        Returns:
            Labels, `(samples, *shape)`; weights, `(samples, *weight_shape)`,
            0 where there is no label; and what is wrong, as (sample, reason,
            detail). What is wrong has weight 0.
        """
        return self.ask("read", "encode", cells)

    def has_label(self, cells: Mapping[str, str]) -> bool:
        """Whether a sample has a label, of a kind that is `read_with_sample`.

        Asked of all rows before a file is opened, so it must be cheap.

        Args:
            cells: The sample's row of the manifest, by column.

        Raises:
            mmkeras.data.BadSample: If that can be no label.
        """
        return all(cells[column].strip() for column in self.manifest_columns)

    def source_files(self, cells: Mapping[str, str]) -> tuple[str, ...]:
        """Returns the files inside the data root that a label is read from.

        Where one of them changes, the shard is made anew.

        Args:
            cells: The sample's row of the manifest, by column.
        """
        return self.offer("read", "source_files", cells) or ()

    def read(
        self,
        cells: Mapping[str, str],
        io: Any,
        samples: Mapping[str, Sample],
    ) -> Label:
        """Reads the label of one sample that `has_label`.

        It follows from the arguments alone. Of a kind that is
        `read_with_sample`.

        Args:
            cells: The sample's row of the manifest, by column.
            io: A `mmkeras.data.SampleIO`: files, chance, and as `learned` what
                `Modality.open_learned` returned, by modality.
            samples: Those of `reads_with`, as a shard holds them, and where
                their pixels came from; one that is absent is left out.

        Raises:
            mmkeras.data.BadSample: If the label cannot be used; the sample is
                quarantined with the reason then.
        """
        return self.ask("read", "read", cells, io, samples)

    def sums(self, label: Label) -> dict[str, Any] | None:
        """Returns what the facts of a `read_with_sample` kind add up, as JSON.

        Args:
            label: Of one sample of the training split, with its weight.

        Returns:
            Numbers, or lists of numbers, by name; None for nothing.
        """
        return self.offer("read", "sums", label)

    def finish(self, sums: dict[str, Any] | None) -> dict[str, Any]:
        """Returns the facts of the labels of the training split, as JSON.

        Args:
            sums: Over all samples; None where none has a label.
        """
        return self.offer("read", "finish", sums) or {}

    def facts(self, values: np.ndarray, weights: np.ndarray) -> dict[str, Any]:
        """Returns what is known of the labels of the training split, as JSON.

        Args:
            values: Labels, first axis samples; where the kind is `sparse`, a
                `scipy.sparse.csr_array`.
            weights: Their weights; 0 where there is no label.
        """
        return {}

    def mix(self, labels: Any, other: Any, share: Any) -> Any | None:
        """Returns labels of samples that are mixed in pairs, in the graph.

        The kind's loss takes them as it takes labels.

        Args:
            labels: `(batch, *shape)`.
            other: Those of the partners.
            share: `(batch,)` float32, of the sample's own; the rest is its
                partner's.

        Returns:
            None for a kind whose labels cannot be mixed.
        """
        return self.offer("augment", "mix", labels, other, share)

    def move(self, labels: Any, weights: Any, moves: Any) -> tuple[Any, Any]:
        """Returns labels and weights moved as their modality was, in the graph.

        Args:
            labels: `(batch, *shape)`.
            weights: `(batch, *weight_shape)`.
            moves: The `mmkeras.data.Moves` of the batch, of `moves_with`.
        """
        return self.ask("augment", "move", labels, weights, moves)
