"""What every table of a spec shares, and the tables `[data]` and `[split]`."""

from collections import Counter
from typing import Annotated, Literal

import pydantic
from pydantic import Field


def _all_differ(
    names: tuple[str, ...], info: pydantic.ValidationInfo
) -> tuple[str, ...]:
    twice = next((n for n, c in Counter(names).items() if c > 1), None)
    if twice is not None:
        raise ValueError(
            f"`{info.field_name}` must all differ. Received: "
            f"{twice[:80]!r} twice"
        )
    return names


# Of names of which each is another: `Annotated[Columns, DISTINCT]`.
DISTINCT = pydantic.AfterValidator(_all_differ)

Fraction = Annotated[float, Field(ge=0, le=1)]
Column = Annotated[str, Field(min_length=1, max_length=200)]
# TOML has lists only; a tuple keeps the spec immutable.
Columns = Annotated[tuple[Column, ...], Field(strict=False, max_length=10_000)]

Missing = Annotated[
    tuple[Annotated[str, Field(max_length=100)], ...],
    Field(strict=False, max_length=1000),
]

# What programs write for a cell without a value. Among numbers and names of
# classes it cannot mean anything else; a text may well be "None".
MISSING = (
    "?", "NA", "N/A", "n/a", "#N/A", "NaN", "nan", "None", "none", "NULL",
    "Null", "null", "<NA>", "NaT",
)  # fmt: skip


class Table(pydantic.BaseModel):
    """A table of a spec: strict types, no unknown key, immutable."""

    model_config = pydantic.ConfigDict(
        strict=True, extra="forbid", frozen=True, allow_inf_nan=False
    )


class DataFiles(Table):
    """Table `[data]`: where the samples are.

    Args:
        root: Folder that every path in the manifest stays inside, relative to
            the spec file.
        manifest: CSV, JSON lines or Parquet file inside `root`, one sample a
            row; a text may be packed with gzip.
        id_column: Column that names a sample in reports; the row number when
            left out.
        max_bad_fraction: Largest fraction of samples that may be quarantined,
            or lack an optional modality because its file is broken.
        separator: What stands between two cells of a CSV; found, and said,
            where left out. So are the next three.
        encoding: How the manifest's letters are bytes, by Python's names, such
            as "latin-1"; UTF-8 or UTF-16 where left out.
        decimal: What stands before the fraction of a number.
        missing: What stands for a missing value, beside an empty cell; with
            it left out "?", "NA", "None" and the like do, among numbers and
            categories.
        duplicates: What becomes of samples that are the same in every
            modality: "keep" them all, keep the "first", "drop" them with
            their first, or "group" them into one split.
        compression: "gzip" packs the shards: smaller, and slower to read.
    """

    root: str = "."
    manifest: str = "manifest.csv"
    id_column: Column | None = None
    max_bad_fraction: Fraction = 0.05
    separator: Annotated[str, Field(min_length=1, max_length=1)] | None = None
    encoding: Annotated[str, Field(min_length=1, max_length=40)] | None = None
    decimal: Literal[".", ","] | None = None
    missing: Missing | None = None
    duplicates: Literal["keep", "first", "drop", "group"] = "keep"
    compression: Literal["none", "gzip"] = "none"

    @property
    def missing_tokens(self) -> tuple[str, ...]:
        """What stands for a missing value, declared or as programs write it."""
        return MISSING if self.missing is None else self.missing

    @pydantic.field_validator("encoding")
    @classmethod
    def _known(cls, encoding: str | None) -> str | None:
        try:
            text = encoding is None or "".encode(encoding) is not None
        # Python has encodings of bytes to bytes, too.
        except (LookupError, ValueError, TypeError):
            text = False
        if not text:
            raise ValueError(
                "`encoding` must be one that Python knows, such as 'utf-8', "
                f"'utf-16' or 'latin-1'. Received: {encoding!r}"
            )
        return encoding


class Split(Table):
    """Table `[split]`: which samples train, validate and test.

    Args:
        method: "fractions" draws at random, "column" reads `column`, "time"
            trains on what was first and tests on what was last, by `time`.
        train: Fraction of the samples; with `group`, in whole groups.
        validation: Fraction of the samples.
        test: Fraction of the samples.
        column: Column holding "train", "validation" (or "val", "valid",
            "dev") or "test".
        time: Column that holds when a sample was: a number, or a date as ISO
            8601 has it. Samples of one time are never parted.
        stratify: Category target whose classes keep their share in each split.
        group: Column, such as a speaker or a patient, whose value is never on
            two sides.
        seed: Seed of the draw.
    """

    method: Literal["fractions", "column", "time"] = "fractions"
    train: Fraction = 0.8
    validation: Fraction = 0.1
    test: Fraction = 0.1
    column: Column | None = None
    time: Column | None = None
    stratify: str | None = None
    group: Column | None = None
    seed: Annotated[int, Field(ge=0)] = 0

    @pydantic.model_validator(mode="after")
    def _check(self) -> "Split":
        if (self.method == "column") != (self.column is not None):
            raise ValueError(
                '`column` must be given with `method = "column"`, and only '
                f"there. Received: method={self.method!r}, "
                f"column={self.column!r}"
            )
        if (self.method == "time") != (self.time is not None):
            raise ValueError(
                '`time` must be given with `method = "time"`, and only there. '
                f"Received: method={self.method!r}, time={self.time!r}"
            )
        drawn = self.stratify or self.group
        if self.method == "time" and drawn:
            raise ValueError(
                '`stratify` and `group` must be left out with `method = "time"`'
                f", which time alone decides. Received: {drawn!r}"
            )
        total = self.train + self.validation + self.test
        if abs(total - 1) > 1e-6 or min(self.train, self.test) <= 0:
            raise ValueError(
                "`train`, `validation` and `test` must add up to 1, with "
                f"`train` and `test` above 0. Received: {self.train}, "
                f"{self.validation}, {self.test}"
            )
        return self
