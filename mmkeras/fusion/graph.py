"""Message passing between modalities, or between their tokens."""

import keras
from keras import layers, ops

from mmkeras.arguments import check_choice, check_fraction, check_positive
from mmkeras.fusion.base import Fusion, widths_of
from mmkeras.fusion.transformer import masked_mean


@keras.saving.register_keras_serializable(package="mmkeras")
class Graph(Fusion):
    """A graph in which modalities, or all their tokens, pass messages.

    Every node is tied to every other by a gate in (0, 1) that both ends
    decide on: `g_ij = sigmoid(a . x_i + b . x_j + c)`. A round averages what a
    node and its neighbours hold, `m_i = sum_j A_ij x_j / sum_j A_ij` with
    `A = g + I`, and adds `relu(W m_i)` to the node; padding sends nothing. The
    output is the mean of the nodes. Good where relations matter more than the
    modalities by themselves; with modalities as nodes among the cheapest here.
    Costs `M * d * units + rounds * (units ** 2 + 2 * units)` parameters, and
    `N * d * units + rounds * (N * units ** 2 + N ** 2 * units)` multiply-adds
    for M modalities of width d and N nodes.

    Args:
        units: Width of the output and of the nodes.
        nodes: `"modalities"`, one node for each vector, or `"tokens"`.
        rounds: Rounds of messages, each with its own weights.
        dropout: Dropout rate on the messages.

    Call arguments and output shape: see `Fusion`.

    Source: Kipf and Welling, "Semi-Supervised Classification with Graph
    Convolutional Networks", 2016 (arXiv 1609.02907), with the additive edge
    scores of Velickovic et al., "Graph Attention Networks", 2017
    (arXiv 1710.10903), behind a sigmoid.

    Example:

    >>> fused = Graph(32)({"a": tower_a(x), "b": tower_b(y)})
    """

    def __init__(
        self, units=64, nodes="modalities", rounds=2, dropout=0.0, **kwargs
    ):
        check_fraction("dropout", dropout)
        check_positive(rounds=rounds)
        check_choice("nodes", nodes, ("modalities", "tokens"))
        super().__init__(units, **kwargs)
        self.nodes = nodes
        self.rounds = rounds
        self.dropout = dropout
        self.reads_tokens = nodes == "tokens"
        self.drop = layers.Dropout(dropout, dtype=self.dtype_policy)

    def build_fuse(self, features_shape):
        widths = widths_of(features_shape)
        self.project = self.dense_each("node", widths, self.units)
        widths = {f"round_{i}": self.units for i in range(self.rounds)}
        self.gates = self.dense_each("gate", widths, 2)
        self.messages = self.dense_each("message", widths, self.units, "relu")

    def fuse(self, features):
        x, mask = self.as_nodes(features)
        for turn in self.gates:
            edges = self.edges(self.gates[turn](x), mask)
            message = self.messages[turn](ops.matmul(edges, x))
            x = x + self.drop(message)
        return masked_mean(x, mask)

    def as_nodes(self, features):
        """Returns nodes `(batch, nodes, units)` and mask `(batch, nodes)`."""
        key = "tokens" if self.reads_tokens else "vector"
        nodes = [self.project[n](features[n][key]) for n in sorted(features)]
        if not self.reads_tokens:
            x = ops.stack(nodes, axis=1)
            return x, ops.ones_like(x[:, :, 0])
        masks = [
            ops.cast(features[n]["mask"], nodes[0].dtype)
            for n in sorted(features)
        ]
        return ops.concatenate(nodes, axis=1), ops.concatenate(masks, axis=1)

    def edges(self, ends, mask):
        """Returns the normalised adjacency `(batch, nodes, nodes)`."""
        to, of = ops.split(ends, 2, axis=-1)
        gates = ops.sigmoid(to + ops.transpose(of, (0, 2, 1)))
        # Self-loops also keep the sum above 0 where all else is padding.
        itself = ops.eye(ends.shape[1], dtype=ends.dtype)
        edges = gates * ops.expand_dims(mask, 1) + itself
        return edges / ops.sum(edges, axis=-1, keepdims=True)

    def follow_fuse(self, follow, features):
        key = "tokens" if self.reads_tokens else "vector"
        for name in sorted(features):
            follow(self.project[name], features[name][key])
        return follow.flow((None, self.units))
