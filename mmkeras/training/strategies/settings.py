"""The settings of a strategy: which weights are trained, rates, precision."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mmkeras.training.trainable.precision import PRECISIONS

# What a setting must be, in words and as a test.
Check = tuple[str, Callable[[Any], bool]]


def is_real(value: Any) -> bool:
    """Whether `value` is a finite number, and not a truth value."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and float("-inf") < value < float("inf")


def is_whole(value: Any) -> bool:
    """Whether `value` is a whole number, and not a truth value."""
    return isinstance(value, int) and not isinstance(value, bool)


def _is_patterns(value: Any) -> bool:
    listed = isinstance(value, list | tuple)
    return listed and all(isinstance(each, str) and each for each in value)


def _is_table(value: Any, key: Callable, entry: Callable) -> bool:
    return value is None or (
        isinstance(value, Mapping)
        and all(key(k) and entry(v) for k, v in value.items())
    )


def _is_epoch(value: Any) -> bool:
    # TOML has no keys but text.
    return str(value).isdecimal() and int(value) > 0


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and value != ""


# What each setting must be, in words and as a test.
TUNING_CHECKS: dict[str, Check] = {
    "freeze": ("a list of patterns", _is_patterns),
    "unfreeze": (
        "a table from an epoch, counted from 1, to a list of patterns",
        lambda v: _is_table(v, _is_epoch, lambda p: _is_patterns(p) and p),
    ),
    "learning_rates": (
        "a table from a pattern to a positive number",
        lambda v: _is_table(v, _is_name, lambda r: is_real(r) and r > 0),
    ),
    "layer_decay": (
        "a number above 0, at most 1",
        lambda v: is_real(v) and 0 < v <= 1,
    ),
    "weight_decay_groups": (
        "a table from a pattern to a number from 0",
        lambda v: _is_table(v, _is_name, lambda r: is_real(r) and r >= 0),
    ),
    "lora_rank": (
        "a positive whole number or None",
        lambda v: v is None or (is_whole(v) and v > 0),
    ),
    "lora_alpha": (
        "a positive number or None",
        lambda v: v is None or (is_real(v) and v > 0),
    ),
    "lora_patterns": (
        "a list of patterns or None",
        lambda v: v is None or _is_patterns(v),
    ),
    "accumulate_steps": (
        "a positive whole number",
        lambda v: is_whole(v) and v > 0,
    ),
    "precision": (
        f"one of {', '.join(PRECISIONS)}",
        lambda v: v in PRECISIONS,
    ),
    "jit_compile": (
        'true, false or "auto"',
        lambda v: isinstance(v, bool) or v == "auto",
    ),
}


@dataclass(frozen=True, kw_only=True)
class TuningSettings:
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

    freeze: Sequence[str] = ()
    unfreeze: Mapping[Any, Sequence[str]] | None = None
    learning_rates: Mapping[str, float] | None = None
    layer_decay: float = 1.0
    weight_decay_groups: Mapping[str, float] | None = None
    lora_rank: int | None = None
    lora_patterns: Sequence[str] | None = None
    lora_alpha: float | None = None
    accumulate_steps: int = 1
    precision: str = "float32"
    jit_compile: bool | str = "auto"
