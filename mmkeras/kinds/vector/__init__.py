"""Rows of a table."""

from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import pydantic
from pydantic import Field

from mmkeras.spec.modality import Modality
from mmkeras.spec.registry import register_modality
from mmkeras.spec.tables import Column, Columns, Fraction

# Indices of a category in a batch: the cell is empty; it is not known; it is
# the first of the known ones.
MISSING, UNKNOWN, FIRST = 0, 1, 2

# As many as the genes of a genome.
Wide = Annotated[tuple[Column, ...], Field(strict=False, max_length=100_000)]
Quantiles = Annotated[tuple[Fraction, Fraction], Field(strict=False)]


@register_modality
class Vector(Modality):
    """Numbers and categories: columns, a list, or a row of an `.npy` file.

    An empty cell, or "nan" among numbers, is missing. In a batch, numbers
    stand in raw units, NaN where missing; after them a category is an index: 0
    missing, 1 unknown, from 2 on the known ones.

    Args:
        kind: "vector".
        columns: Manifest columns with one number each.
        categorical: Manifest columns with one category each, any text. Known
            are those that occur twice or more in the training split.
        optional: Whether a sample may lack it (every cell missing).
        file: An `.npy` file inside the data root, `(rows, size)`.
        column: Manifest column with a list of numbers; with `file`, with the
            row's index.
        size: With `column`: numbers in a list or row.
        outliers: What happens to a number outside `outlier_quantiles` of its
            column, over the training split: "keep", "clip" (it becomes the
            nearest quantile) or "mask" (it is missing). With `columns` only.
        outlier_quantiles: The lowest and the highest that are kept.
    """

    kind: Literal["vector"]
    columns: Wide = ()
    categorical: Columns = ()
    file: str | None = None
    column: Column | None = None
    size: Annotated[int, Field(gt=0, le=100_000)] | None = None
    outliers: Literal["keep", "clip", "mask"] = "keep"
    outlier_quantiles: Quantiles = (0.001, 0.999)
    device_keys: ClassVar[tuple[str, ...]] = (
        "columns",
        "categorical",
        "outliers",
    )
    free_keys: ClassVar[tuple[str, ...]] = (
        *Modality.free_keys,
        "columns",
        "categorical",
        "file",
    )
    from_file: ClassVar[bool] = False

    @pydantic.model_validator(mode="after")
    def _check(self) -> "Vector":
        cells = self.columns + self.categorical
        one = (self.column is not None, self.size is not None)
        if (
            bool(cells) == one[0]
            or len({*one}) > 1
            or (self.file is not None and not one[0])
        ):
            raise ValueError(
                "`columns` must be given alone, or `column` and `size` "
                "together, with `file` or without; `categorical` goes with "
                f"`columns`, or alone. Received: columns={list(self.columns)}, "
                f"categorical={list(self.categorical)}, file={self.file!r}, "
                f"column={self.column!r}, size={self.size!r}"
            )
        low, high = self.outlier_quantiles
        if low >= high:
            raise ValueError(
                "`outlier_quantiles` must rise. Received: "
                f"{list(self.outlier_quantiles)}"
            )
        if self.outliers != "keep" and not self.columns:
            raise ValueError(
                "`outliers` must be left out where there are no `columns` of "
                f"numbers. Received: {self.outliers!r}"
            )
        if len(set(cells)) < len(cells):
            raise ValueError(
                "`columns` and `categorical` must name a column once. "
                f"Received: {list(cells)}"
            )
        return self

    @property
    def mixed_axes(self) -> tuple[int, ...] | None:
        """Numbers are blended; indices of categories cannot be."""
        return None if self.categorical else ()

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one sample: (size,), numbers before categories."""
        return (self.size or len(self.columns) + len(self.categorical),)

    @property
    def example(self) -> str:
        """A row for the runner: as many numbers, and categories, as it has."""
        numbers = self.shape[0] - len(self.categorical)
        row = [str(number + 1) for number in range(numbers)]
        return ",".join([*row, *["CATEGORY"] * len(self.categorical)])

    @property
    def manifest_columns(self) -> tuple[str, ...]:
        """Columns of the manifest that one sample is read from."""
        if self.column is not None:
            return (self.column,)
        return self.columns + self.categorical

    @property
    def number_columns(self) -> tuple[str, ...]:
        return self.columns

    @property
    def category_columns(self) -> tuple[str, ...]:
        return self.categorical

    @property
    def web(self) -> str | None:
        """What stands for it on the phone's page, which knows no bounds."""
        return "numbers" if self.outliers == "keep" else None

    def device_entry(self, name: str, folder: Path) -> dict[str, Any]:
        """Adds the files of the categories and bounds that training knew."""
        entry = super().device_entry(name, folder)
        if self.categorical:
            entry["categories"] = f"categories_{name}.json"
        if self.outliers != "keep":
            entry["bounds"] = f"bounds_{name}.json"
        return entry

    def device_files(self, name: str, data: Any) -> dict[str, Any]:
        """Returns the categories that training knew, and its bounds."""
        if not self.categorical and self.outliers == "keep":
            return {}
        facts, files = data.statistics["modalities"][name], {}
        if self.outliers != "keep":
            files[f"bounds_{name}.json"] = facts["bounds"]
        if not self.categorical:
            return files
        known = facts["categories"]
        # No column has an empty name; here stands what means a missing cell.
        # What older data knew as a category stays one.
        names = {name for names in known.values() for name in names}
        missing = [t for t in data.spec.data.missing_tokens if t not in names]
        files[f"categories_{name}.json"] = {**known, "": missing}
        return files
