"""What the builders beside this file share.

A builder turns the original distribution of a data set into a folder with a
manifest: `python data_specs/NAME.py SOURCE --out data/NAME`.
"""

import argparse
import contextlib
import csv
import hashlib
import http.client
import os
import shutil
import sys
import urllib.request
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from mmkeras import artefact

# What a file is until git-lfs has fetched it.
POINTER = b"version https://git-lfs"


@dataclass(frozen=True)
class Builder:
    """How one data set is built.

    Args:
        name: Name of the data set and of its folder in `data/`.
        source: What the folder SOURCE must hold, for `--help`; None for a set
            that is generated, of which there is no original.
        home: Web page of the original distribution.
        build: Called with the source and an empty folder; writes the files
            and the manifest, and returns the number of samples.
        download: Called with the source, fills it; None where no checksum of
            the original distribution is known.
    """

    name: str
    source: str | None
    home: str
    build: Callable[[Path | None, Path], int]
    download: Callable[[Path], None] | None = None


def main(builder: Builder, arguments: list[str] | None = None) -> int:
    """Runs a builder as a command and returns its exit code.

    Args:
        builder: The builder.
        arguments: The command line; that of the process when left out.
    """
    options = _parser(builder).parse_args(arguments)
    try:
        if options.download:
            if builder.download is None:
                raise ValueError(
                    f"`--download` is not offered for {builder.name}: no "
                    "checksum of the original file is known. Get it from "
                    f"{builder.home} and give its folder as SOURCE."
                )
            builder.download(options.source)
        if builder.source is not None and not options.source.is_dir():
            raise ValueError(
                f"SOURCE must be a folder with {builder.source} (see "
                f"{builder.home}). Received: {options.source}"
            )
        with new_folder(options.out) as folder:
            count = builder.build(options.source, folder)
    except (ValueError, OSError) as error:
        if options.debug:
            raise
        print(f"{builder.name}: {error}", file=sys.stderr)
        return 2
    print(f"{options.out}: {count:,} samples")
    return 0


def _parser(builder: Builder) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=f"Writes the data set {builder.name} and its manifest.",
        epilog=f"Original distribution: {builder.home}",
    )
    if builder.source is None:
        parser.set_defaults(source=None)
    else:
        parser.add_argument(
            "source",
            metavar="SOURCE",
            nargs="?",
            type=Path,
            default=Path("data", f"{builder.name}_original"),
            help=f"folder with {builder.source} (default: %(default)s)",
        )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("data", builder.name),
        help="folder to write, new or empty (default: %(default)s)",
    )
    parser.add_argument(
        "--download",
        action="store_true",
        help="first fetch the original distribution into SOURCE",
    )
    parser.add_argument(
        "--debug", action="store_true", help="show the traceback of an error"
    )
    return parser


@contextlib.contextmanager
def new_folder(out: Path) -> Iterator[Path]:
    """Yields a temporary folder that becomes `out` when all went well.

    Raises:
        ValueError: If `out` is there already and not an empty folder.
    """
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise ValueError(
            "`--out` must be a new or an empty folder; delete it to build "
            f"again. Received: {out}"
        )
    out = out.absolute()
    out.parent.mkdir(parents=True, exist_ok=True)
    temporary = out.with_name(f".tmp-{os.getpid()}-{out.name}")
    try:
        temporary.mkdir()
        yield temporary
        os.replace(temporary, out)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def read_table(
    path: Path, needed: Collection[str], encoding: str = "utf-8-sig"
) -> list[dict[str, str]]:
    """Reads a CSV file with a header, which must have the columns `needed`."""
    try:
        with open(path, newline="", encoding=encoding) as file:
            rows = list(csv.DictReader(file))
    except UnicodeDecodeError as error:
        raise ValueError(f"`{path}` must be {encoding}: {error}") from None
    lacking = sorted({*needed} - {*(rows[0] if rows else ())})
    if lacking:
        raise ValueError(
            f"`{path}` must be a table with the columns "
            f"{', '.join(sorted(needed))}. Received: none of "
            f"{', '.join(lacking)}"
        )
    return rows


def copy(source: Path, folder: Path, name: str) -> str:
    """Copies a file of the source; returns its name, or "" for none.

    A file that git-lfs has left a pointer of is none.
    """
    if not (source / name).is_file() or Path(name).is_absolute():
        return ""
    if not (source / name).resolve().is_relative_to(source.resolve()):
        return ""
    with open(source / name, "rb") as file:
        if file.read(len(POINTER)) == POINTER:
            return ""
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source / name, folder / name)
    return name


def tell(counts: Mapping[str, int]) -> None:
    """Prints what is missing, broken or left out, each with its number."""
    for what, count in counts.items():
        if count:
            print(f"{what}: {count:,}", file=sys.stderr)


def write_manifest(folder: Path, rows: list[dict]) -> int:
    """Writes `manifest.csv` and returns the number of rows."""
    if not rows:
        raise ValueError("SOURCE must hold samples. Received: none")
    with artefact.atomic(folder / "manifest.csv") as temporary:
        with open(temporary, "w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, rows[0], lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
    return len(rows)


def fetch(url: str, path: Path, size: int, sha256: str | None) -> None:
    """Downloads `url` to `path`, unless the right file is there already.

    Args:
        url: Address of the file.
        path: Where to put it; nothing is left there when it is not right.
        size: Largest size accepted, in bytes.
        sha256: SHA-256 of the file; None when the caller checks its content.

    Raises:
        ValueError: If the server fails or the file is another one.
    """
    if sha256 and path.is_file() and artefact.sha256_of(path) == sha256:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    digest, received = hashlib.sha256(), 0
    try:
        with (
            urllib.request.urlopen(url, timeout=60) as response,
            artefact.atomic(path) as temporary,
            open(temporary, "wb") as file,
        ):
            while received <= size and (block := response.read(1 << 16)):
                received += len(block)
                digest.update(block)
                file.write(block)
            if received > size or sha256 not in (None, digest.hexdigest()):
                raise ValueError(
                    f"{url} must be a file of at most {size:,} bytes"
                    + (f" with sha256 {sha256}" if sha256 else "")
                    + f". Received: {received:,} bytes, {digest.hexdigest()}"
                )
    except (OSError, http.client.HTTPException) as error:
        raise ValueError(
            f"{url} could not be downloaded. Received: {error}"
        ) from None
