"""One value of a recipe that may be chosen from a range."""

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mmkeras.arguments import check_choice, check_keys

SAMPLINGS = ("linear", "log", "reverse_log")
NUMBER_KEYS = ("min", "max", "step", "sampling", "default")
CHOICE_KEYS = ("choices", "default")
# What a sampled number is rounded to, so that a recipe stays readable.
DIGITS = 4


@dataclass(frozen=True)
class Range:
    """One value of a recipe that is searched.

    Args:
        path: Keys that lead to it, such as `("towers", "image", "units")`.
        values: For choices, what may be chosen; empty for numbers.
        low, high: Ends of a range of numbers, both included.
        step: Distance of two numbers; a factor unless `sampling` is "linear".
        sampling: How numbers are spread: one of `SAMPLINGS`.
        default: What the first trial of a grid takes.
    """

    path: tuple[str, ...]
    values: tuple = ()
    low: float = 0
    high: float = 0
    step: float | None = None
    sampling: str = "linear"
    default: Any = None

    @property
    def name(self) -> str:
        return ".".join(self.path)

    @property
    def whole(self) -> bool:
        given = (self.low, self.high, self.step or 0, self.default)
        return all(isinstance(v, int) for v in given)

    def probes(self) -> list[Any]:
        """Returns values that must all work: each choice, or both ends."""
        return list(self.values) or [self.low, self.high]

    def register(self, hyperparameters: Any) -> None:
        """Adds the range to a `keras_tuner.HyperParameters`."""
        if self.values:
            # As text: keras-tuner has no tables and lists, nor mixed types.
            texts = [json.dumps(value) for value in self.values]
            default = json.dumps(self.default)
            hyperparameters.Choice(self.name, texts, default=default)
            return
        kind = hyperparameters.Int if self.whole else hyperparameters.Float
        kind(
            self.name, self.low, self.high, step=self.step,
            sampling=self.sampling, default=self.default,
        )  # fmt: skip

    def read(self, value: Any) -> Any:
        """Returns what the recipe holds for a value of keras-tuner."""
        if self.values:
            return json.loads(value)
        if self.whole:
            return int(value)
        rounded = float(f"{value:.{DIGITS}g}")
        return min(max(rounded, float(self.low)), float(self.high))


def find_ranges(path: tuple[str, ...], table: Mapping) -> Iterator[Range]:
    """Yields each range of nested tables, in their order."""
    for key, value in table.items():
        if not isinstance(value, Mapping):
            continue
        if _is_range(value):
            yield parse_range((*path, key), value)
        else:
            yield from find_ranges((*path, key), value)


def _is_range(table: Mapping) -> bool:
    # A modality may have any name, but then its value is a table.
    ends = [table[key] for key in ("min", "max") if key in table]
    ends = [end for end in ends if not isinstance(end, Mapping)]
    choices = table.get("choices", {})
    return bool(ends) or not isinstance(choices, Mapping)


def parse_range(path: tuple[str, ...], table: Mapping[str, Any]) -> Range:
    """Returns a checked range.

    Args:
        path: Keys that lead to it.
        table: What the TOML says.

    Raises:
        ValueError: If a key, a type or a value is wrong.
    """
    name = ".".join(path)
    allowed = CHOICE_KEYS if "choices" in table else NUMBER_KEYS
    check_keys(name, table, allowed)
    if "choices" in table:
        return _choices(path, name, table)
    return _numbers(path, name, table)


def _choices(path: tuple, name: str, table: Mapping) -> Range:
    values = table["choices"]
    if not isinstance(values, list) or len(values) < 2:
        raise ValueError(
            f"`{name}.choices` must be a list of two or more. "
            f"Received: {values!r}"
        )
    texts = [_text(name, value) for value in values]
    if len(set(texts)) < len(texts):
        raise ValueError(f"`{name}.choices` must differ. Received: {values!r}")
    default = table.get("default", values[0])
    if _text(name, default) not in texts:
        raise ValueError(
            f"`{name}.default` must be one of the choices. "
            f"Received: {default!r}. Choices: {values!r}"
        )
    return Range(path, values=tuple(values), default=default)


def _text(name: str, value: Any) -> str:
    inner = {"choice": value} if not isinstance(value, Mapping) else value
    if next(find_ranges((), inner), None) is not None:
        raise ValueError(
            f"`{name}.choices` must be plain values. Received: a range "
            f"inside {value!r}"
        )
    try:
        return json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        raise ValueError(
            f"`{name}.choices` must be texts, finite numbers, true or false, "
            f"lists or tables. Received: {value!r}"
        ) from None


def _numbers(path: tuple, name: str, table: Mapping) -> Range:
    low, high = (_number(name, table, key) for key in ("min", "max"))
    if low >= high:
        raise ValueError(
            f"`{name}.min` must be below `{name}.max`. Received: min={low}, "
            f"max={high}"
        )
    sampling = table.get("sampling", "linear")
    check_choice(f"{name}.sampling", sampling, SAMPLINGS)
    if sampling != "linear" and low <= 0:
        raise ValueError(
            f'`{name}.min` must be positive with `sampling = "{sampling}"`. '
            f"Received: {low}"
        )
    step = _number(name, table, "step") if "step" in table else None
    least = 0 if sampling == "linear" else 1
    if step is not None and step <= least:
        raise ValueError(
            f"`{name}.step` must be above {least} with sampling "
            f"'{sampling}'. Received: {step}"
        )
    default = _number(name, table, "default") if "default" in table else low
    if not low <= default <= high:
        raise ValueError(
            f"`{name}.default` must lie from {low} to {high}. "
            f"Received: {default}"
        )
    return Range(
        path, low=low, high=high, step=step, sampling=sampling, default=default
    )


def _number(name: str, table: Mapping, key: str) -> float:
    value = table.get(key)
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not math.isfinite(value):
        raise ValueError(
            f"`{name}.{key}` must be a finite number. Received: {value!r}"
        )
    return value
