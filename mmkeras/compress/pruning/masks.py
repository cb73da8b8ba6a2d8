"""Masks of the weights to keep, by magnitude, as NumPy arrays."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from keras import ops

from mmkeras.arguments import check_choice
from mmkeras.compress.kernels import Kernel

POOLINGS = ("AVG", "MAX")
SCOPES = ("layer", "global")


@dataclass(frozen=True)
class Pattern:
    """How the weights to keep are chosen.

    Args:
        method: "unstructured" keeps the largest weights; "2:4", or any
            `(m, n)`, makes the `m` smallest of `n` neighbours zero. The
            neighbours are those multiplied with consecutive input channels.
        block: Rows and columns of the blocks kept or pruned as one; inputs
            are rows, outputs are columns. A kernel with more than two axes is
            seen as `(all but the last, last)`.
        pooling: Importance of a block: its mean ("AVG") or largest ("MAX")
            magnitude.
        scope: "layer" prunes every kernel to the same share, "global" the
            smallest weights of all kernels together.

    The masks equal those of tensorflow_model_optimization, but for blocks that
    do not divide a kernel: there tfmot pools other blocks than it prunes.
    """

    method: str | tuple[int, int] = "unstructured"
    block: tuple[int, int] = (1, 1)
    pooling: str = "AVG"
    scope: str = "layer"

    def __post_init__(self):
        check_choice("pooling", self.pooling, POOLINGS)
        check_choice("scope", self.scope, SCOPES)
        if len(self.block) != 2 or min(self.block) < 1:
            raise ValueError(
                "`block` must be two positive numbers, rows and columns. "
                f"Received: block={self.block}"
            )
        if self.group and (self.block != (1, 1) or self.scope != "layer"):
            raise ValueError(
                "`block` and `scope` must be left alone where `method` is "
                f"N:M. Received: method={self.method!r}, block={self.block}, "
                f"scope={self.scope!r}"
            )

    @property
    def group(self) -> tuple[int, int] | None:
        """Zeros in a group and size of the group, or None."""
        if self.method == "unstructured":
            return None
        parts = self.method
        if isinstance(parts, str):
            parts = parts.split(":")
        try:
            zeros, size = (int(part) for part in parts)
        except (TypeError, ValueError):
            zeros, size = 0, 0
        if not 0 < zeros < size:
            raise ValueError(
                '`method` must be "unstructured", "2:4", or two numbers, '
                "zeros in a group and the size of the group, which is larger. "
                f"Received: method={self.method!r}"
            )
        return zeros, size

    def masks(
        self, kernels: Sequence[Kernel], sparsity: float | Sequence[float]
    ) -> list[np.ndarray]:
        """Returns one mask a kernel, 1 where a weight is kept.

        Where more weights are zero than `sparsity` requires, all are kept:
        a kernel that starts at zero can learn.

        Args:
            kernels: What is pruned.
            sparsity: Share of zeros; for scope "layer" also one a kernel.
                Unused where `method` is N:M.
        """
        values = [np.abs(ops.convert_to_numpy(k.variable)) for k in kernels]
        if self.group:
            return [
                _group_mask(value, kernel.rows, *self.group)
                for value, kernel in zip(values, kernels, strict=True)
            ]
        scores = [self._pool(value) for value in values]
        if self.scope == "global":
            kept = _global_masks(scores, float(sparsity))
        else:
            shares = np.broadcast_to(sparsity, len(scores))
            kept = [_largest(*each) for each in zip(scores, shares)]
        return [
            self._unpool(mask, value.shape).astype(value.dtype)
            for mask, value in zip(kept, values, strict=True)
        ]

    def _pool(self, value: np.ndarray) -> np.ndarray:
        """Returns one score a block."""
        if self.block == (1, 1):
            return value
        pool = np.nanmean if self.pooling == "AVG" else np.nanmax
        table = value.reshape(-1, value.shape[-1])
        for axis, size in enumerate(self.block):
            short = -table.shape[axis] % size
            pad = [(0, short if a == axis else 0) for a in (0, 1)]
            # The last block may be smaller: its padding does not count.
            table = np.pad(table, pad, constant_values=np.nan)
            shape = list(table.shape)
            shape[axis : axis + 1] = [shape[axis] // size, size]
            table = pool(table.reshape(shape), axis=axis + 1)
        return table

    def _unpool(self, mask: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        """Returns the mask of every weight of a kernel of `shape`."""
        if self.block == (1, 1):
            return mask
        rows, columns = self.block
        table = mask.repeat(rows, axis=0).repeat(columns, axis=1)
        return table[: np.prod(shape[:-1]), : shape[-1]].reshape(shape)


def _largest(scores: np.ndarray, sparsity: float) -> np.ndarray:
    """Returns True for the largest scores, equal ones all or none."""
    # In single precision and half to even, as tfmot counts.
    share = np.float32(1) - np.float32(sparsity)
    kept = max(int(np.round(np.float32(scores.size) * share)), 1)
    place = scores.size - kept
    return scores >= np.partition(scores, place, axis=None)[place]


def _global_masks(
    scores: Sequence[np.ndarray], sparsity: float
) -> list[np.ndarray]:
    """Returns masks under one threshold; every kernel keeps its largest."""
    together = np.concatenate([score.ravel() for score in scores])
    kept = np.split(
        _largest(together, sparsity), np.cumsum([s.size for s in scores])[:-1]
    )
    # A layer that is all zeros would cut the network.
    return [
        mask.reshape(score.shape) | (score == score.max())
        for mask, score in zip(kept, scores, strict=True)
    ]


def _group_mask(
    value: np.ndarray, rows: tuple[int, ...], zeros: int, size: int
) -> np.ndarray:
    """Returns the mask that makes `zeros` of `size` neighbours zero."""
    table = value.transpose(rows)
    pad = [(0, 0)] * (table.ndim - 1) + [(0, -table.shape[-1] % size)]
    # What is padded comes last among equals, and never before a weight.
    groups = np.pad(table, pad, constant_values=-1).reshape(-1, size)
    order = np.argsort(-groups, axis=-1, kind="stable")
    mask = np.ones_like(groups)
    np.put_along_axis(mask, order[:, size - zeros :], 0, axis=-1)
    mask = mask.reshape(*table.shape[:-1], -1)[..., : table.shape[-1]]
    return mask.transpose(np.argsort(rows))
