"""The parts of a `tf.data` pipeline over shards.

No Python function runs in it, and every random choice follows from a seed.
"""

import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mmkeras.data.stored import VARIANTS, scaled, stored_dtype
from mmkeras.spec import DataSpec, Modality

# What TensorFlow calls the values of `data.compression`.
COMPRESSION = {"none": "", "gzip": "GZIP"}


def read_shards(
    paths: list[Path],
    repaired: dict[str, list[bytes]],
    compression: str = "none",
):
    """Returns the serialized samples of shards, in order.

    Args:
        paths: The shards.
        repaired: The intact records of damaged shards, by name.
        compression: How the shards are packed, as the spec says.
    """
    import tensorflow as tf

    records = tf.data.Dataset.from_tensor_slices(tf.constant([], tf.string))
    # Few datasets, however many shards there are.
    for damaged, part in itertools.groupby(
        paths, lambda path: path.name in repaired
    ):
        if damaged:
            kept = [one for path in part for one in repaired[path.name]]
            values = tf.constant(kept, tf.string, (len(kept),))
            read = tf.data.Dataset.from_tensor_slices(values)
        else:
            read = tf.data.TFRecordDataset(
                [str(path) for path in part], COMPRESSION[compression]
            )
        records = records.concatenate(read)
    return records


def read_shuffled(
    paths: list[Path],
    seed: int,
    buffer: int,
    keep=None,
    compression: str = "none",
):
    """Returns the serialized samples of shards in random order, mixed.

    Args:
        paths: The shards.
        seed: Seed of the order of shards and samples, another each epoch.
        buffer: Samples that are mixed.
        keep: For `Dataset.filter`; None keeps all.
        compression: How the shards are packed, as the spec says.
    """
    import tensorflow as tf

    packed = COMPRESSION[compression]
    names = tf.constant([str(path) for path in paths])

    def epoch(number):
        order = tf.data.Dataset.from_tensor_slices(names)
        records = _once_shuffled(order, len(paths), number).interleave(
            lambda path: tf.data.TFRecordDataset(path, packed),
            cycle_length=4,
            num_parallel_calls=tf.data.AUTOTUNE,
            deterministic=True,
        )
        if keep is not None:
            records = records.filter(keep)
        return _once_shuffled(records, buffer, number)

    # One number an iterator, drawn when it is made. Of a shuffle inside
    # another operator, the order would be drawn when it is first read.
    return batch_seeds(seed).take(1).flat_map(epoch)


def _once_shuffled(strings, buffer: int, seed):
    """Shuffles a dataset of strings, in the order of `seed`, a tensor."""
    import tensorflow as tf

    order = tf.raw_ops.ShuffleDataset(
        input_dataset=tf.data.experimental.to_variant(strings),
        buffer_size=buffer,
        seed=seed,
        seed2=1,
        output_types=[tf.string],
        output_shapes=[[]],
        reshuffle_each_iteration=False,
    )
    return tf.data.experimental.from_variant(
        order, tf.TensorSpec([], tf.string)
    )


def parser(spec: DataSpec, variants: Sequence[str] = ()):
    """Returns a function from `(batch,)` serialized samples to a batch.

    Args:
        spec: The spec.
        variants: Modalities of which the stored variants are wanted too: they
            stand beside them in the inputs, `(batch, variants, *shape)`,
            under a name that `VARIANTS` begins.
    """
    import tensorflow as tf

    names = [*spec.modalities, *spec.targets]
    names += [f"weight/{target}" for target in spec.targets]
    names += ["present"] if spec.optional else []
    names += [f"{VARIANTS}{name}" for name in variants]
    features = {name: tf.io.FixedLenFeature([], tf.string) for name in names}

    def parse(serialized):
        raw = tf.io.parse_example(serialized, features)
        x, y, weights = {}, {}, {}
        for name, modality in spec.modalities.items():
            x[name] = _values(raw[name], modality, modality.shape)
        for name in variants:
            modality, key = spec.modalities[name], f"{VARIANTS}{name}"
            shape = (len(modality.variant_names), *modality.shape)
            x[key] = _values(raw[key], modality, shape)
        if spec.optional:
            shape = (len(spec.optional),)
            x["present"] = _array(raw["present"], np.float32, shape)
        for name, target in spec.targets.items():
            y[name] = _array(raw[name], np.dtype(target.dtype), target.shape)
            weights[name] = _array(
                raw[f"weight/{name}"], np.float32, target.weight_shape
            )
        return x, y, weights

    return parse


def _values(raw, modality: Modality, shape: tuple[int, ...]):
    """Turns stored numbers into those of a batch, `(batch, *shape)`."""
    import tensorflow as tf

    stored = _array(raw, stored_dtype(modality), shape)
    if modality.stored.scale is None:
        return stored
    return scaled(modality, tf.cast(stored, modality.dtype))


def _array(raw, dtype, shape: tuple[int, ...]):
    """Turns `(batch,)` byte strings into `(batch, *shape)`."""
    import tensorflow as tf

    flat = tf.io.decode_raw(raw, tf.as_dtype(dtype))
    return tf.reshape(flat, (-1, *shape))


def shuffled(strings, buffer: int, seed: int):
    """Shuffles a dataset of strings, in another order each epoch.

    `Dataset.shuffle` mixes TensorFlow's global seed in, so that the order
    would depend on what else the process has done; this is the same operator
    without it.
    """
    import tensorflow as tf

    shuffled = tf.raw_ops.ShuffleDatasetV3(
        input_dataset=tf.data.experimental.to_variant(strings),
        buffer_size=buffer,
        seed=seed,
        seed2=1,
        seed_generator=tf.raw_ops.DummySeedGenerator(),
        output_types=[tf.string],
        output_shapes=[[]],
        reshuffle_each_iteration=True,
    )
    return tf.data.experimental.from_variant(
        shuffled, tf.TensorSpec([], tf.string)
    )


def texts_of(records, name: str, absent: str | None = None) -> list[str]:
    """Returns a text of serialized samples, such as their ids, in order.

    Args:
        records: Serialized samples.
        name: Of the feature.
        absent: What stands for it where a sample lacks it; None where all of
            them have it.
    """
    import tensorflow as tf

    feature = {name: tf.io.FixedLenFeature([], tf.string, absent)}
    found = []
    for batch in records.batch(1024):
        texts = tf.io.parse_example(batch, feature)[name]
        found += [text.decode() for text in texts.numpy()]
    return found


def batch_seeds(seed: int):
    """Returns endless int64 seeds, others each epoch; see `shuffled`."""
    import tensorflow as tf

    drawn = tf.raw_ops.RandomDatasetV2(
        seed=seed,
        seed2=2,
        seed_generator=tf.raw_ops.DummySeedGenerator(),
        output_types=[tf.int64],
        output_shapes=[[]],
        rerandomize_each_iteration=True,
    )
    return tf.data.experimental.from_variant(drawn, tf.TensorSpec([], tf.int64))


def parsed(batches, seeds, parse, change=None):
    """Returns batches of serialized samples as what a model takes.

    Args:
        batches: Of serialized samples: one call parses a batch.
        seeds: One for each batch, so that the order of threads is no matter.
        parse: What `parser` returned.
        change: Augments a batch by its seed; None for none.
    """
    import tensorflow as tf

    found = batches.map(parse, num_parallel_calls=tf.data.AUTOTUNE)
    if change is None:
        return found
    # After the cache, so that each epoch draws anew.
    return tf.data.Dataset.zip(found, seeds).map(
        change, num_parallel_calls=tf.data.AUTOTUNE
    )


def options():
    """Returns the options every split has."""
    import tensorflow as tf

    found = tf.data.Options()
    found.deterministic = True
    # Samples, not files, are shared out among several workers: a small split
    # is one file.
    found.experimental_distribute.auto_shard_policy = (
        tf.data.experimental.AutoShardPolicy.DATA
    )
    return found
