"""The settings of a strategy: which weights are trained, rates, precision."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mmkeras.options import Options, option
from mmkeras.training.trainable.precision import PRECISIONS
from mmkeras.values import (
    COUNT,
    FROM_ZERO,
    PART,
    POSITIVE,
    TEXT,
    Check,
    one_of,
    or_none,
)


def _is_patterns(value: Any) -> bool:
    listed = isinstance(value, list | tuple)
    return listed and all(isinstance(each, str) and each for each in value)


def _table(key: str, entry: Check, good_key: Callable = TEXT[1]) -> Check:
    words, good = entry
    return (
        f"a table from {key} to {words}, or None",
        lambda v: (
            v is None
            or (
                isinstance(v, Mapping)
                and all(good_key(k) and good(e) for k, e in v.items())
            )
        ),
    )


def _is_epoch(value: Any) -> bool:
    # TOML has no keys but text.
    return str(value).isdecimal() and int(value) > 0


PATTERNS: Check = ("a list of patterns", _is_patterns)
SOME_PATTERNS: Check = (PATTERNS[0], lambda v: _is_patterns(v) and bool(v))


@dataclass(frozen=True, kw_only=True)
class TuningSettings(Options):
    """Which weights are trained, at which rates, in which precision.

    A pattern such as "audio_tower/*" or "*/embedding*" means weights by the
    names of the layers around them, or whole layers; see `matches`. A layer
    is frozen as a whole, so that a batch normalization keeps its statistics;
    dropout in it stays on, as Keras has it.

    Args:
        freeze: Patterns of what is frozen.
        unfreeze: What is trained from a later epoch on: patterns by the epoch
            of a stage, counted from 1, at whose start it is unfrozen, such as
            `{3: ["audio_tower/*"]}`. Until then it is frozen.
        learning_rates: Multipliers of the learning rate by pattern; where
            several match, the last one counts.
        layer_decay: Each layer of a tower learns at this share of the rate of
            the one after it; see `rates_by_depth`. 1 for all alike.
        weight_decay_groups: Weight decay by pattern, in place of
            `weight_decay`; biases and scales have none all the same.
        lora_rank: Rank of LoRA; None for no LoRA. See `add_lora`. It is
            merged when `fit` ends.
        lora_patterns: Where LoRA goes; None for the towers.
        lora_alpha: LoRA's change is multiplied by `lora_alpha / lora_rank`;
            None for 1.
        accumulate_steps: Batches whose mean gradient makes a step of the
            weights, as one batch so many times the size would, save that a
            batch normalization sees the small ones. Epochs, schedules, the
            average of the weights and budgets go on counting batches.
        precision: "float32", "mixed_float16" or "mixed_bfloat16", of a model
            that was built in `precision_scope`. `fit` leaves it in float32.
        jit_compile: Whether XLA compiles the training step; "auto" as Keras
            finds best, which is not on a CPU. There, XLA goes without
            TensorFlow's deterministic operators, and the promise of the same
            bits is given up.
    """

    freeze: Sequence[str] = option((), PATTERNS)
    unfreeze: Mapping[Any, Sequence[str]] | None = option(
        None,
        _table("an epoch, counted from 1,", SOME_PATTERNS, _is_epoch),
    )
    learning_rates: Mapping[str, float] | None = option(
        None, _table("a pattern", POSITIVE)
    )
    layer_decay: float = option(1.0, PART)
    weight_decay_groups: Mapping[str, float] | None = option(
        None, _table("a pattern", FROM_ZERO)
    )
    lora_rank: int | None = option(None, or_none(COUNT))
    lora_patterns: Sequence[str] | None = option(None, or_none(PATTERNS))
    lora_alpha: float | None = option(None, or_none(POSITIVE))
    accumulate_steps: int = option(1, COUNT, "batches")
    precision: str = option("float32", one_of(*PRECISIONS))
    jit_compile: bool | str = option(
        "auto",
        ('true, false or "auto"', lambda v: v in (True, False, "auto")),
    )
