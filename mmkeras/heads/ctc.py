"""The loss of transcripts, and how many of their symbols are wrong."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="mmkeras")
class CTC(keras.losses.Loss):
    """Connectionist temporal classification: a transcript without times.

    Minus the logarithm of the probability of all alignments of the transcript
    with the frames: each frame is a symbol or blank (0), and a run of one
    symbol is that symbol once.

    Call arguments:
        y_true: `(batch, 1 + symbols)`: how many symbols there are, then they,
            from 1 on, padded with 0.
        y_pred: `(batch, frames, classes)` logits, class 0 blank.

    Source: Graves et al., "Connectionist Temporal Classification: Labelling
    Unsegmented Sequence Data with Recurrent Neural Networks", 2006.
    """

    def __init__(self, name="ctc", reduction="sum_over_batch_size", dtype=None):
        super().__init__(name=name, reduction=reduction, dtype=dtype)

    def call(self, y_true, y_pred):
        counts, ids = parts_of(y_true)
        frames = ops.zeros_like(counts) + y_pred.shape[1]
        logits = ops.cast(y_pred, "float32")
        return ops.ctc_loss(ids, logits, counts, frames, mask_index=0)


@keras.saving.register_keras_serializable(package="mmkeras")
class SymbolErrorRate(keras.metrics.Metric):
    """Edits between transcripts and greedy answers, a symbol of the truth."""

    def __init__(self, name="symbol_error_rate", dtype=None):
        super().__init__(name=name, dtype=dtype)
        self.wrong = self.add_variable((), "zeros", name="wrong")
        self.all = self.add_variable((), "zeros", name="all")

    def update_state(self, y_true, y_pred, sample_weight=None):
        counts, ids = parts_of(y_true)
        wrong = ops.cast(edits(counts, ids, *greedy(y_pred)), self.dtype)
        total = ops.cast(counts, self.dtype)
        if sample_weight is not None:
            weight = ops.cast(sample_weight, self.dtype)
            wrong, total = wrong * weight, total * weight
        self.wrong.assign_add(ops.sum(wrong))
        self.all.assign_add(ops.sum(total))

    def result(self):
        return self.wrong / ops.maximum(self.all, 1e-7)


def parts_of(y_true):
    """Returns counts `(batch,)` and ids `(batch, symbols)` of labels."""
    y_true = ops.cast(y_true, "int32")
    return y_true[:, 0], y_true[:, 1:]


def greedy(logits):
    """Returns counts and ids of the likeliest symbol of each frame.

    Runs of one symbol count once, blanks not at all.
    """
    best = ops.cast(ops.argmax(logits, axis=-1), "int32")
    before = ops.pad(best[:, :-1], ((0, 0), (1, 0)))
    kept = ops.where(best == before, 0, best)
    there = ops.cast(kept > 0, "int32")
    # Symbols to the front, in their order: a key that differs in every frame.
    frames = kept.shape[1]
    order = ops.argsort((1 - there) * frames + ops.arange(frames), axis=1)
    return ops.sum(there, axis=1), ops.take_along_axis(kept, order, axis=1)


def edits(counts, ids, found_counts, found):
    """Returns the fewest edits between two batches of padded ids."""
    place = ops.arange(found.shape[1] + 1)
    row = ops.zeros_like(counts)[:, None] + place

    def step(number, row):
        wanted = ops.take(ids, number, axis=1)[:, None]
        changed = row[:, :-1] + ops.cast(found != wanted, "int32")
        left_out = row[:, 1:] + 1
        new = ops.concatenate(
            [row[:, :1] + 1, ops.minimum(changed, left_out)], axis=1
        )
        new = ops.associative_scan(ops.minimum, new - place, axis=1) + place
        new = ops.where((number < counts)[:, None], new, row)
        # A loop of TensorFlow's wants to know that its shape stays.
        return ops.reshape(new, ops.shape(row))

    row = ops.fori_loop(0, ids.shape[1], step, row)
    return ops.take_along_axis(row, found_counts[:, None], axis=1)[:, 0]
