"""Boxes that a file finds itself: a signature of its own, without weights.

A detector tells boxes cell by cell, and `find_boxes` leaves out those that
overlap a surer one, in NumPy. An app without NumPy runs the signature
`suppressed_<target>` on what the model told, which finds the same.
"""

from pathlib import Path

import keras
import numpy as np

from mmkeras.metrics.detections import (
    BOX,
    CANDIDATES,
    LEAST_SCORE,
    MOST,
    OVERLAP,
    SCORES,
)

# Behind the model's own by the alphabet, as which the converter orders them:
# what knows no signatures runs the first.
PREFIX = "suppressed_"


def finder_models(model: keras.Model) -> dict[str, keras.Model]:
    """Returns the models that find, by signature.

    Each goes from `{"cells": (1, cells, 8 + classes)}`, an output of the
    model, to what `FoundBoxes` returns.
    """
    layers = {layer.name: layer for layer in model.layers}
    found = {}
    for name in model.output:
        if getattr(layers.get(name), "tells_boxes", False):
            shape = model.output[name].shape[1:]
            cells = keras.Input(shape, batch_size=1, name="cells")
            told = FoundBoxes(name="found")(cells)
            found[f"{PREFIX}{name}"] = keras.Model({"cells": cells}, told)
    return found


def drop_finders(source: Path, target: Path) -> Path:
    """Returns a file without them, for firmware, which has no signatures.

    Args:
        source: A `.tflite` file.
        target: Where to write; nothing is where it has none.
    """
    from ai_edge_litert.tools import flatbuffer_utils

    model = flatbuffer_utils.read_model(str(source))
    there = [
        each.signatureKey.decode().startswith(PREFIX)
        for each in model.signatureDefs
    ]
    graphs = {
        each.subgraphIndex
        for each, gone in zip(model.signatureDefs, there, strict=True)
        if gone
    }
    kept = len(model.subgraphs) - len(graphs)
    # Those of a loop lie behind, and are known by their numbers.
    if not graphs or min(graphs) < kept:
        return source
    model.signatureDefs = [
        each
        for each, gone in zip(model.signatureDefs, there, strict=True)
        if not gone
    ]
    model.subgraphs = model.subgraphs[:kept]
    flatbuffer_utils.write_model(model, str(target))
    return target


class FoundBoxes(keras.layers.Layer):
    """The boxes that cells tell, those that overlap a surer one left out.

    It finds what `mmkeras.metrics.find_boxes` finds, in operators that are
    built into LiteRT, and needs TensorFlow. It does not train.

    Input shape: `(1, cells, 8 + classes)`, of `heads.CellsToBoxes`.

    Output: a dict of `boxes`, `(1, 100, 6)`: left, top, right, bottom in
    shares of the picture, probability, class, the surest first, zeros behind
    the last; and `count`, `(1,)`, of them.

    Source: Neubeck and Van Gool, "Efficient Non-Maximum Suppression", 2006.
    """

    def call(self, x):
        import tensorflow as tf

        classes = x.shape[-1] - SCORES.start
        scores = tf.reshape(x[0, :, SCORES], [-1])
        first = min(CANDIDATES, scores.shape[0])
        scores, places = tf.math.top_k(scores, first)
        cells = places // classes
        index = tf.cast(places - cells * classes, x.dtype)[:, None]
        # Not `gather`, which an int8 file would round to its 256 steps.
        boxes = tf.gather_nd(x[0, :, BOX], cells[:, None])
        boxes = tf.clip_by_value(boxes, 0.0, 1.0)
        good = tf.reduce_all(boxes[:, 2:] > boxes[:, :2], axis=1)
        good &= scores >= LEAST_SCORE
        # Of boxes that are as sure the first stays, as in NumPy: the operator
        # is told places in the order, not probabilities.
        ranks = tf.constant(np.linspace(1, 0.5, first, dtype="float32"))
        # Boxes of other classes are put elsewhere, so that they do not
        # overlap.
        rows, count = tf.raw_ops.NonMaxSuppressionV4(
            boxes=boxes + 2.0 * index,
            scores=tf.where(good, ranks, 0.0),
            max_output_size=MOST,
            iou_threshold=OVERLAP,
            score_threshold=0.25,
            pad_to_max_output_size=True,
        )
        found = tf.concat([boxes, scores[:, None], index], axis=1)
        found = tf.gather_nd(found, rows[:, None])
        there = tf.cast(tf.range(MOST) < count, x.dtype)
        return {
            "boxes": (found * there[:, None])[None],
            "count": tf.reshape(count, [1]),
        }

    def compute_output_spec(self, x):
        return {
            "boxes": keras.KerasTensor((1, MOST, 6), x.dtype),
            "count": keras.KerasTensor((1,), "int32"),
        }
