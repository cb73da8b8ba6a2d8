"""Losses of embeddings: samples of one identity near, all others far."""

import keras
from keras import ops

MISSING = -1
# Added to the logit of a sample that is left out: exp() gives 0, and unlike
# -inf no NaN in a gradient.
HIDDEN = -1e9


@keras.saving.register_keras_serializable(package="mmkeras")
class InfoNCE(keras.losses.Loss):
    """Which samples of the batch are the same? A softmax over all of them.

    For each sample, the mean over its matches of minus the log-probability
    that a softmax over the other samples gives to the match. Each sample of a
    pair must find the other, so the loss is symmetric. With several matches
    a sample it is the supervised contrastive loss. A sample without match in
    the batch costs nothing itself; one without an identity (-1) is left out,
    neither a positive nor a negative.

    Good for retrieval with batches that hold pairs; wants large batches.

    Args:
        temperature: Divides the cosine similarities; smaller
            puts more weight on the hardest samples.

    Call arguments:
        y_true: `(batch,)` identities, -1 where unknown.
        y_pred: `(batch, units)` of length 1.

    Source: van den Oord et al., "Representation Learning with Contrastive
    Predictive Coding", 2018 (arXiv 1807.03748); Khosla et al., "Supervised
    Contrastive Learning", 2020 (arXiv 2004.11362), for several matches.

    Example:

    >>> loss = InfoNCE(temperature=1.0)
    >>> x = np.eye(4)[[0, 0, 1, 1]]
    >>> float(loss(np.array([7, 7, 8, 8]), x))
    0.551...
    """

    def __init__(
        self,
        temperature=0.1,
        name="info_nce",
        reduction="sum_over_batch_size",
        dtype=None,
    ):
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        if temperature <= 0:
            raise ValueError(
                "`temperature` must be above 0. "
                f"Received: temperature={temperature}"
            )
        self.temperature = temperature

    def call(self, y_true, y_pred):
        match, other = pairs(y_true, y_pred.dtype)
        scores = ops.matmul(y_pred, ops.transpose(y_pred)) / self.temperature
        scores = scores + (1 - other) * HIDDEN
        found = ops.log_softmax(scores, axis=-1)
        matches = ops.maximum(ops.sum(match, axis=-1), 1)
        return -ops.sum(match * found, axis=-1) / matches

    def get_config(self):
        return {**super().get_config(), "temperature": self.temperature}


@keras.saving.register_keras_serializable(package="mmkeras")
class SigLIP(InfoNCE):
    """Is each pair of the batch the same? A sigmoid a pair, no softmax.

    For each sample, the sum over all others of the binary cross-entropy of
    "same identity". No sample competes with another one, so that small
    batches do, and a sample without match learns from its differences.

    The paper learns temperature and bias; here they are fixed, so that a
    saved model holds no weights that only training needs.

    Args:
        temperature: Divides the cosine similarities.
        bias: Added to them; negative, since most pairs differ.

    Call arguments: See `InfoNCE`.

    Source: Zhai et al., "Sigmoid Loss for Language Image Pre-Training", 2023
    (arXiv 2303.15343).
    """

    def __init__(
        self,
        temperature=0.1,
        bias=-5.0,
        name="siglip",
        reduction="sum_over_batch_size",
        dtype=None,
    ):
        super().__init__(temperature, name, reduction, dtype)
        self.bias = bias

    def call(self, y_true, y_pred):
        match, other = pairs(y_true, y_pred.dtype)
        scores = ops.matmul(y_pred, ops.transpose(y_pred)) / self.temperature
        signed = (2 * match - 1) * (scores + self.bias)
        return -ops.sum(other * ops.log_sigmoid(signed), axis=-1)

    def get_config(self):
        return {**super().get_config(), "bias": self.bias}


def pairs(ids, dtype):
    """Returns which pairs of samples match, and which are compared.

    Args:
        ids: `(batch,)` identities, -1 where unknown.
        dtype: Of what is returned: two `(batch, batch)` of 0 and 1.
    """
    ids = ops.cast(ops.reshape(ids, (-1,)), "int32")
    known = ops.cast(ids != MISSING, dtype)
    both = ops.expand_dims(known, 0) * ops.expand_dims(known, 1)
    other = both * (1 - ops.eye(ops.shape(ids)[0], dtype=dtype))
    same = ops.expand_dims(ids, 0) == ops.expand_dims(ids, 1)
    return ops.cast(same, dtype) * other, other
