"""Records of embeddings on disk: written by the batch, read shuffled."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np

from mmkeras import artefact
from mmkeras.training.stages.datasets import count_batches
from mmkeras.training.stages.modality_weights import batches_of

SHUFFLE_BYTES = 256 * 2**20


def _rows(towers: keras.Model, dataset: Any) -> Iterator[dict]:
    """Yields `{(group, name): (batch, ...)}` of NumPy arrays."""
    for x, y, weights in _epoch_of(dataset):
        outputs = towers.predict_on_batch({n: x[n] for n in towers.input})
        if "present" in x:
            outputs["present"] = x["present"]
        groups = {"x": outputs, "y": y, "weights": weights or {}}
        yield {
            (group, name): keras.ops.convert_to_numpy(value)
            for group, values in sorted(groups.items())
            for name, value in sorted(values.items())
        }


def _epoch_of(dataset: Any) -> Iterator[tuple]:
    """Yields the batches of one epoch, as `fit` would see them."""
    if isinstance(dataset, keras.utils.PyDataset):
        dataset.on_epoch_begin()
    yield from batches_of(dataset)
    if isinstance(dataset, keras.utils.PyDataset):
        dataset.on_epoch_end()


def write_split(
    path: Path, towers: keras.Model, dataset: Any, copies: int = 1
) -> dict:
    """Writes a pass as records of one length; returns what they hold.

    Args:
        path: The file.
        towers: The model of the towers, see `embedding_model`.
        dataset: Its inputs.
        copies: How many such files the disk must have room for.
    """
    entry: dict[str, Any] = {}
    count = 0
    batches = count_batches(dataset)
    with artefact.atomic(path) as temporary, open(temporary, "wb") as file:
        for arrays in _rows(towers, dataset):
            if not entry:
                entry = _describe(arrays)
                artefact.check_room(
                    path.parent,
                    "the embeddings",
                    copies * batches * _batch_bytes(entry),
                    "; choose `cache=False`, or fewer `cache_passes`",
                )
            samples = len(next(iter(arrays.values())))
            flat = [
                np.ascontiguousarray(a).reshape(samples, -1).view("uint8")
                for a in arrays.values()
            ]
            with artefact.writing(path, "the embeddings"):
                file.write(np.concatenate(flat, axis=1).tobytes())
            count += samples
    return {**entry, "count": count}


def _describe(arrays: dict) -> dict:
    """Returns the layout of a record: names, types and shapes, in order."""
    return {
        "batch_size": len(next(iter(arrays.values()))),
        "record_bytes": sum(a[0].nbytes for a in arrays.values()),
        "arrays": [
            [group, name, str(a.dtype), list(a.shape[1:])]
            for (group, name), a in arrays.items()
        ],
    }


def _batch_bytes(entry: dict) -> int:
    return entry["batch_size"] * entry["record_bytes"]


def dataset_of(folder: Path, entry: dict, seed: int | None = None):
    """Returns batches of what `write_split` wrote.

    Args:
        folder: Where the files are.
        entry: What they hold, and their names: `files`.
        seed: Seed of another order, and another file, each epoch; None reads
            the first file in order.
    """
    import tensorflow as tf

    size, count = entry["record_bytes"], entry["count"]
    files = [str(folder / name) for name in entry["files"]]
    if seed is None:
        records = tf.data.FixedLengthRecordDataset(files[:1], size)
    else:
        buffer = max(1, min(count, SHUFFLE_BYTES // size))
        records = _shuffled(files, size, buffer, seed)
    options = tf.data.Options()
    options.deterministic = True
    return (
        records.apply(tf.data.experimental.assert_cardinality(count))
        .batch(entry["batch_size"])
        .map(_parser(entry["arrays"]), num_parallel_calls=2)
        .prefetch(2)
        .with_options(options)
    )


def _parser(layout: list):
    """Returns a function from serialized records to a batch."""
    import tensorflow as tf

    def parse(records):
        found: dict[str, dict] = {"x": {}, "y": {}, "weights": {}}
        start = 0
        for group, name, dtype, shape in layout:
            size = np.dtype(dtype).itemsize * math.prod(shape)
            raw = tf.strings.substr(records, start, size)
            flat = tf.io.decode_raw(raw, tf.as_dtype(dtype))
            found[group][name] = tf.reshape(flat, (-1, *shape))
            start += size
        batch = found["x"], found["y"], found["weights"]
        return batch if found["weights"] else batch[:2]

    return parse


def _shuffled(files: list[str], size: int, buffer: int, seed: int):
    """Returns the records of one file, shuffled; both drawn for each epoch.

    One number an epoch, drawn when its iterator is made, decides on both, so
    that an iterator that is never read counts as an epoch too.
    `Dataset.shuffle` would mix TensorFlow's global seed in.
    """
    import tensorflow as tf

    drawn = tf.raw_ops.RandomDatasetV2(
        seed=seed,
        seed2=3,
        seed_generator=tf.raw_ops.DummySeedGenerator(),
        output_types=[tf.int64],
        output_shapes=[[]],
        rerandomize_each_iteration=True,
    )
    drawn = tf.data.experimental.from_variant(
        drawn, tf.TensorSpec([], tf.int64)
    )
    names = tf.constant(files)

    def epoch(number):
        name = names[number % len(files)]
        records = tf.data.FixedLengthRecordDataset(name, size)
        mixed = tf.raw_ops.ShuffleDataset(
            input_dataset=tf.data.experimental.to_variant(records),
            buffer_size=buffer,
            seed=number,
            seed2=1,
            output_types=[tf.string],
            output_shapes=[[]],
            reshuffle_each_iteration=False,
        )
        return tf.data.experimental.from_variant(
            mixed, tf.TensorSpec([], tf.string)
        )

    return drawn.take(1).flat_map(epoch)
