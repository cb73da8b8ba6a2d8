"""What samples may come from: a table, a folder, arrays, another data set.

Data sets of other packages are known by what they can do, so that none of
those packages has to be there.
"""

import contextlib
import itertools
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

import pandas as pd

from mmkeras.data.ingest.cell_rules import SPLIT_NAMES
from mmkeras.data.ingest.cells import columns_of
from mmkeras.data.ingest.data_sets import hugging_face, rows_of, tensors
from mmkeras.data.ingest.source_rows import (
    CHUNK,
    Source,
    chunked,
    columns_frame,
    cut,
    guarded,
)
from mmkeras.data.ingest.table_files import (
    MAX_MANIFEST_BYTES,
    read_table_file,
)
from mmkeras.spec import DataFiles, DataSpec

# Columns of a folder of class folders.
FILE, CLASS, SPLIT = "file", "class", "split"


def open_source(given: Any, spec: DataSpec | None = None) -> Source:
    """Returns the rows of what a user has.

    Args:
        given: A DataFrame; the path of a CSV, JSON lines or Parquet file; a
            folder with a folder a class; arrays by column; rows as dicts; a
            `tf.data.Dataset`; a data set of TFDS or Hugging Face, or several
            of these by the name of their split.
        spec: The spec, which says how a CSV is written and which columns are
            wanted.

    Raises:
        ValueError: If it is nothing of the kind.
    """
    if isinstance(given, str | os.PathLike):
        path = Path(given)
        return _folder(path) if path.is_dir() else _file(path, spec)
    if isinstance(given, pd.DataFrame):
        return Source("the DataFrame", cut(_indexed(given, spec)))
    if isinstance(given, Mapping):
        parts = given.values()
        if parts and all(_is_data_set(part) for part in parts):
            return _splits(given, spec)
        return Source(
            "the arrays", _of_arrays(given), arrays=True, by_name=True
        )
    if hasattr(given, "element_spec") and hasattr(given, "as_numpy_iterator"):
        return tensors(given, spec)
    if hasattr(given, "features") and hasattr(given, "column_names"):
        return hugging_face(given)
    if hasattr(given, "to_pandas"):
        return Source("the table", cut(_indexed(given.to_pandas(), spec)))
    if hasattr(given, "__len__") and hasattr(given, "__getitem__"):
        return rows_of(given)
    raise ValueError(
        "`source` must be a DataFrame, the path of a table or of a folder of "
        "class folders, arrays by column, a tf.data.Dataset, or a data set of "
        f"TFDS or Hugging Face. Received: {type(given).__name__}"
    )


def _is_data_set(value: Any) -> bool:
    return hasattr(value, "element_spec") or hasattr(value, "column_names")


def _indexed(table: pd.DataFrame, spec: DataSpec | None) -> pd.DataFrame:
    named = spec is not None and table.index.name == spec.data.id_column
    keep = named and table.index.name is not None
    return table.reset_index(drop=not keep).rename(columns=str)


def _file(path: Path, spec: DataSpec | None) -> Source:
    settings = spec.data if spec else DataFiles()
    wanted = columns_of(spec) if spec else ()

    @contextlib.contextmanager
    def errors() -> Iterator[None]:
        try:
            yield
        except (ValueError, OSError, pd.errors.ParserWarning) as error:
            reason = getattr(error, "strerror", None) or error
            raise ValueError(
                "`source` must be a CSV, JSON lines or Parquet file with "
                f"named columns, or a folder. Received: {path} ({reason})"
            ) from None

    with errors():
        if path.stat().st_size > MAX_MANIFEST_BYTES:
            raise ValueError(f"more than {MAX_MANIFEST_BYTES:,} bytes")
        file = open(path, "rb")
        try:
            found = read_table_file(file, settings, wanted)
        except BaseException:
            file.close()
            raise
    said = (", ".join(found.said),) if found.said else ()
    return Source(
        path.name,
        guarded(_closing(file, found.chunks), errors),
        path.parent,
        found.separator,
        found.encoding,
        path,
        said,
    )


def _closing(file: BinaryIO, chunks: Iterable) -> Iterator[pd.DataFrame]:
    with file:
        yield from chunks


def _folder(root: Path) -> Source:
    """Reads `class/file`, or `train/class/file` where all are splits."""
    names = sorted(p.name for p in root.iterdir() if p.is_dir())
    names = [name for name in names if not name.startswith(".")]
    splits = {name: SPLIT_NAMES.get(name.casefold()) for name in names}
    parted = len(names) > 1 and all(splits.values())
    chunks = chunked(_files_of(root, splits if parted else {"": None}))
    first = next(chunks, None)
    if first is None:
        raise ValueError(
            "`source` must be a folder that has a folder of files for each "
            f"class. Received: {root}, with {len(names)} folders"
        )
    said = f"{root.name}: `{FILE}` is a path, `{CLASS}` its folder"
    said += f", `{SPLIT}` the folder above" if parted else ""
    return Source(
        root.name,
        itertools.chain([first], chunks),
        root,
        said=(said,),
        by_name=True,
    )


def _files_of(
    root: Path, splits: Mapping[str, str | None]
) -> Iterator[dict[str, str]]:
    """Yields the files of class folders, in the folders of splits."""
    for top, split in splits.items():
        for kind in sorted((root / top).iterdir()):
            if not kind.is_dir() or kind.name.startswith("."):
                continue
            for path in sorted(kind.rglob("*")):
                if path.is_file() and not path.name.startswith("."):
                    name = path.relative_to(root).as_posix()
                    more = {} if split is None else {SPLIT: split}
                    yield {FILE: name, CLASS: kind.name, **more}


def _of_arrays(given: Mapping[str, Any]) -> Iterator[pd.DataFrame]:
    columns = {
        str(name): value if hasattr(value, "__len__") else list(value)
        for name, value in given.items()
    }
    sizes = {name: len(value) for name, value in columns.items()}
    if len(set(sizes.values())) != 1:
        raise ValueError(
            "`source` must have as many samples in each of its arrays. "
            f"Received: {sizes}"
        )
    size = next(iter(sizes.values()))
    for start in range(0, size, CHUNK):
        part = slice(start, start + CHUNK)
        yield columns_frame({n: list(v[part]) for n, v in columns.items()})


def _splits(given: Mapping[str, Any], spec: DataSpec | None) -> Source:
    """Several data sets by the name of their split, one after the other."""
    parts = {name: open_source(part, spec) for name, part in given.items()}

    def chunks() -> Iterator[pd.DataFrame]:
        for name, part in parts.items():
            for chunk in part.chunks:
                yield chunk.assign(**{SPLIT: str(name)})

    first = next(iter(parts.values()))
    said = dict.fromkeys(s for part in parts.values() for s in part.said)
    return replace(
        first,
        chunks=chunks(),
        said=(*said, f"`{SPLIT}` is the name of the data set's part"),
    )
