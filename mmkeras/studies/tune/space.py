"""A recipe whose values may be ranges: the space that a search is over."""

import copy
import itertools
from collections.abc import Iterator, Mapping
from typing import Any

from mmkeras.studies.tune.ranges import Range, find_ranges


class Space:
    """All ranges of a recipe.

    Args:
        recipe: Tables as `mmkeras train` takes them, where a value may be
            `{min = 16, max = 128, step = 16}`, also with `sampling = "log"`
            and `default`, or `{choices = ["concat", "gated"]}`. Whole tables
            may be choices too.

    Raises:
        ValueError: If a range is wrong, or there is none.

    Example:

    >>> space = Space({"fusion": {"units": {"min": 16, "max": 64, "step": 16}}})
    >>> space.recipe({"fusion.units": 32})
    {'fusion': {'units': 32}}
    """

    def __init__(self, recipe: Mapping[str, Any]):
        self.source = recipe
        self.ranges = list(find_ranges((), recipe))
        if not self.ranges:
            raise ValueError(
                "The space must hold at least one range, such as `units = "
                "{ min = 16, max = 64 }` or `method = { choices = [...] }`. "
                "Received: a recipe without any"
            )

    def recipe(self, values: Mapping[str, Any]) -> dict:
        """Returns the recipe of a trial.

        Args:
            values: By name, as keras-tuner drew them.
        """
        read = {r.name: r.read(values[r.name]) for r in self.ranges}
        return self._filled(read)

    def probes(self) -> Iterator[tuple[str, dict]]:
        """Yields recipes that each try one value of one range.

        The first is the one of all defaults. With each comes what it tries.
        """
        start = {r.name: r.default for r in self.ranges}
        yield "defaults", self._filled(start)
        for one in self.ranges:
            for value in one.probes():
                if value != one.default:
                    label = f"{one.name} = {value!r}"
                    yield label, self._filled({**start, one.name: value})

    def hyperparameters(self) -> Any:
        """Returns the space as a `keras_tuner.HyperParameters`."""
        import keras_tuner

        found = keras_tuner.HyperParameters()
        for one in self.ranges:
            one.register(found)
        return found

    def check_grid(self) -> None:
        """Raises ValueError for numbers whose grid would have no end."""
        for one in self.ranges:
            free = one.step is None
            if not one.values and free and not self._counts(one):
                raise ValueError(
                    f"`{one.name}` must have a `step` for a grid (a factor "
                    'with `sampling = "log"`), or be a list of choices. '
                    "Received: none"
                )

    @staticmethod
    def _counts(one: Range) -> bool:
        return one.whole and one.sampling == "linear"

    def _filled(self, read: Mapping[str, Any]) -> dict:
        recipe = copy.deepcopy(dict(self.source))
        for one in self.ranges:
            table = recipe
            for key in one.path[:-1]:
                table = table[key]
            table[one.path[-1]] = copy.deepcopy(read[one.name])
        return recipe


def changed(old: Any, new: Any, path: str = "") -> Iterator[str]:
    """Yields "key: old, now new" for each difference of nested tables."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in sorted(set(old) | set(new)):
            inner = f"{path}.{key}" if path else key
            yield from changed(old.get(key), new.get(key), inner)
    elif old != new:
        yield f"`{path}` was {old!r}, now {new!r}"


def first_changes(old: Any, new: Any, limit: int = 3) -> str:
    """Returns the first differences as one text, "" where there are none."""
    return "; ".join(itertools.islice(changed(old, new), limit))
