"""`load_data`: a prepared folder as `tf.data`, ready for `model.fit`."""

import functools
from pathlib import Path
from typing import Any

from mmkeras.arguments import check_choice, check_integer, check_positive
from mmkeras.data.ingest import learning
from mmkeras.data.ingest.shards import sample_bytes
from mmkeras.data.loading import augment as augmentation
from mmkeras.data.loading import augment_files, labels, pipeline, views
from mmkeras.data.loading.check import check_folder, lost
from mmkeras.data.loading.watch import Watch, watched
from mmkeras.data.stored import GROUP
from mmkeras.spec import DataSpec, Learned

TOKENIZER = "tokenizer"
CACHE_BYTES = 10**9
SHUFFLE_BYTES = 256 * 2**20


class Data:
    """What `load_data` returns: three `tf.data.Dataset`, and what is known.

    Attributes:
        folder: The prepared folder.
        spec: The spec it was prepared from.
        statistics: Means, deviations, class counts and vocabulary sizes of
            the training split: `{"modalities": {...}, "targets": {...}}`.
        counts: Samples in each split.
        skipped: Damaged samples left out of each split.
        validation, test: Batches in fixed order.
        manifest: The folder's manifest.
        labels: Those of the training split, after `with_labels`.
        seed, augment, cache: As `load_data` was told, settings complete.
    """

    def __init__(
        self,
        folder: Path,
        manifest: dict,
        repaired: dict[str, list[bytes]],
        batch_size: int,
        seed: int,
        augment: dict[str, dict],
        cache: bool,
    ) -> None:
        self.folder = folder
        self.manifest = manifest
        self.spec = DataSpec.from_dict(manifest["spec"])
        self.statistics = manifest["statistics"]
        self.skipped = lost(manifest, repaired)
        self.counts = {
            split: entry["count"] - self.skipped[split]
            for split, entry in manifest["splits"].items()
        }
        self.batch_size = batch_size
        self.labels: labels.Labels | None = None
        self._repaired = repaired
        self._watch = Watch(folder, manifest)
        self.seed, self.augment, self.cache = seed, augment, cache
        self.augment_files = augment_files.hashes(self.spec, augment)
        self.validation = self.ordered("validation", cache)
        self.test = self.ordered("test", cache)

    @functools.cached_property
    def train(self):
        """Batches in random order, another one each epoch, augmented."""
        return self.shuffled()

    def ordered(self, split: str, cache: bool = False):
        """Returns a split in fixed order, without augmentation.

        Args:
            split: "train", "validation" or "test".
            cache: Whether small splits stay in memory after the first pass.
        """
        import tensorflow as tf

        records = self.records(split)
        if cache and self._fits(split):
            records = records.cache()
        batches = records.batch(self.batch_size).map(
            self._parser(split), num_parallel_calls=tf.data.AUTOTUNE
        )
        return self._ready(batches)

    def _ready(self, batches):
        batches = batches.prefetch(-1).with_options(pipeline.options())
        return watched(batches, self._watch)

    def ids(self, split: str) -> list[str]:
        """Returns the ids of a split's samples, in the fixed order."""
        with self.reading():
            return pipeline.texts_of(self.records(split), "sample/id")

    def groups(self, split: str) -> list[str] | None:
        """Returns the `split.group` of each sample; None if none is stored."""
        with self.reading():
            found = pipeline.texts_of(self.records(split), GROUP, "")
        return found if any(found) else None

    def reading(self):
        """Returns a context in which errors of reading name the shard."""
        return self._watch.reading()

    def tokenizer_path(self, name: str) -> Path:
        """Returns the tokenizer's JSON of the text modality `name`."""
        modality = self.spec.modalities.get(name)
        if modality is None or modality.learned_file != TOKENIZER:
            raise ValueError(
                f"`name` must be a modality of kind "
                f"{learning.kinds_with(TOKENIZER)}. Received: {name!r}; "
                f"modalities: {sorted(self.spec.modalities)}"
            )
        return self.folder / learning.learned_file(name, modality)

    @property
    def learned_files(self) -> dict[str, Path]:
        """Where that is which reading took from the training split.

        By modality; of those alone that have a file, such as a tokenizer.
        """
        files = {
            name: learning.learned_file(name, modality)
            for name, modality in self.spec.modalities.items()
        }
        return {n: self.folder / file for n, file in files.items() if file}

    @property
    def vocabularies(self) -> dict[str, str]:
        """SHA-256, by modality, of what its tokens or categories mean."""
        return learning.vocabularies(self.spec, self.learned)

    @property
    def learned(self) -> dict[str, Learned]:
        """What reading took from the training split, by modality."""
        facts = self.statistics["modalities"]
        return learning.load_learned(self.spec, facts, self.folder)

    def with_labels(self, fraction: float, seed: int = 0) -> "Data":
        """Returns the same data as if few training samples were labelled.

        `train` then has the labelled samples alone, and so have `counts`,
        `ids`, and the statistics of the targets. `everything` is the data
        whose `train` has all samples: what is hidden has weight 0, and its
        label is gone. Validation and test stay as they are.

        Args:
            fraction: Of the labelled samples, in each class of the first
                target that has classes, rounded up; above 0, at most 1.
            seed: Which ones; those of 0.1 are among those of 0.3.

        Example:

        >>> few = data.with_labels(0.1)
        >>> few.counts["train"], few.everything.counts["train"]
        (120, 1196)
        """
        return labels.with_labels(self, fraction, seed)

    def using(self, given: labels.Labels) -> "Data":
        """Returns the same data with other labels in its training split."""
        return labels.using(self, given)

    def views(self, labelled: int, unlabelled: int, strength: float = 3.0):
        """Returns labelled batches beside two views of any; see `views.py`."""
        return views.views(self, labelled, unlabelled, strength)

    def shuffled(self, times: int = 1):
        """Returns a new `train`, with each sample so often an epoch."""
        import tensorflow as tf

        seed = self.seed
        small = self._fits("train")
        size = sample_bytes(self.spec)
        # A repeated order of shards would depend on how far it was read.
        if small or times > 1 or self._repaired:
            records = self.records("train")
            if self.cache and small:
                records = records.cache()
            if times > 1:
                records = records.repeat(times)
            # Shuffled while a sample is one string: moving it costs nothing.
            buffer = self.counts["train"] if small else SHUFFLE_BYTES // size
            records = pipeline.shuffled(records, buffer + 1, seed)
        else:
            records = pipeline.read_shuffled(
                self._paths("train"),
                seed,
                SHUFFLE_BYTES // size + 1,
                self._filter("train"),
                self.spec.data.compression,
            ).apply(
                tf.data.experimental.assert_cardinality(self.counts["train"])
            )
        variants = augmentation.variants_of(self.spec, self.augment)
        change, parse = None, self._parser("train", variants)
        if self.augment:
            change = augmentation.batch_augmenter(
                self.spec, self.augment, self.learned
            )
        seeds = pipeline.batch_seeds(seed)

        def rest(batches: int):
            left = records.skip(batches * self.batch_size)
            left = left.batch(self.batch_size), seeds.skip(batches)
            return self._ready(pipeline.parsed(*left, parse, change))

        train = rest(0)
        # As records: what a resumed epoch leaves out is never parsed.
        train.rest_of_epoch = rest
        return train

    def _fits(self, split: str) -> bool:
        return self.counts[split] * sample_bytes(self.spec) < CACHE_BYTES

    def _parser(self, split: str, variants: list[str] | tuple = ()):
        parse = pipeline.parser(self.spec, variants)
        hidden = split == "train" and self.labels is not None
        return self.labels.giver(parse) if hidden else parse

    def records(self, split: str):
        """Returns the serialized samples of a split, in the fixed order."""
        import tensorflow as tf

        check_choice("split", split, sorted(self.counts))
        records = pipeline.read_shards(
            self._paths(split), self._repaired, self.spec.data.compression
        )
        keep = self._filter(split)
        if keep is not None:
            records = records.filter(keep)
        return records.apply(
            tf.data.experimental.assert_cardinality(self.counts[split])
        )

    def _paths(self, split: str) -> list[Path]:
        shards = self.manifest["splits"][split]["shards"]
        return [self.folder / shard["file"] for shard in shards]

    def _filter(self, split: str):
        """Returns what keeps the samples of a split; None keeps all."""
        if split != "train" or self.labels is None or not self.labels.only:
            return None
        return self.labels.filter()


def load_data(
    folder: str | Path,
    batch_size: int = 32,
    seed: int = 0,
    augment: bool | dict[str, dict[str, Any]] = True,
    cache: bool = True,
    on_error: str = "raise",
) -> Data:
    """Opens a prepared folder after checking every file of it.

    A batch is `({modality: x}, {target: y}, {target: sample_weight})`, as
    `model.fit` takes it. If a modality is optional, x holds `present` too:
    `(batch, optional modalities in sorted order)`, 1 where it is there.

    Args:
        folder: Folder that `prepare` wrote.
        batch_size: Samples a batch; the last one of an epoch may be smaller.
        seed: Seed of order and augmentation; integer, 0 or more.
        augment: True for the defaults of each kind, False for none, or a
            dict by modality, which augments those alone, such as
            `{"image": {"rotation_degrees": 10, "zoom": 0.1}}`. The keys are
            those of its kind's `augmentations`. Its table "together" names
            modalities by the key of a draw that they share, such as
            `{"time_crop": ["video", "audio"]}`. Its table "mix" mixes the
            samples of a batch in pairs, with their labels, such as
            `{"mixup": 0.2}`; labels of classes are then shares, `(batch,
            classes)`.
        cache: Whether splits below 1 GB stay in memory after the first pass.
        on_error: "raise" refuses a damaged shard; "skip" leaves damaged
            samples out and counts them in `data.skipped`.

    Raises:
        ValueError: If a file is missing, cut, repeated, foreign or damaged, or
            an argument is wrong.

    Example:

    >>> data = load_data("demo", batch_size=64)
    >>> x, y, weights = next(iter(data.train))
    >>> x["image"].shape
    TensorShape([64, 16, 16, 1])
    """
    check_positive(batch_size=batch_size)
    check_integer("seed", seed, 0)
    manifest, repaired = check_folder(folder, on_error)
    spec = DataSpec.from_dict(manifest["spec"])
    settings = augmentation.settings_of(spec, augment)
    return Data(
        Path(folder), manifest, repaired, batch_size, seed, settings, cache
    )
