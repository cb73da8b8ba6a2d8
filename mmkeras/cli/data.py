"""The commands `data show`, `data diff`, `data backup` and `data restore`."""

import json
from pathlib import Path
from typing import Annotated

import typer

from mmkeras.cli.options import Imports
from mmkeras.cli.stopping import stoppable
from mmkeras.escaping import say

app = typer.Typer(help="Prepared data.", no_args_is_help=True)

Folder = Annotated[Path, typer.Argument(help="Folder of `prepare`.")]
# Characters of a value of a spec or a statistic that are shown.
WIDTH = 40


@app.command("show")
def show(
    folder: Folder,
    sample: Annotated[
        str | None, typer.Option("--id", help="Sample to be shown as well.")
    ] = None,
    imports: Imports = None,
) -> None:
    """Checks prepared data, and says which they are."""
    from mmkeras.data import check_folder, data_version, read_sample

    found, _ = check_folder(folder)
    say(f"{folder}: {found['spec']['name']}, version {data_version(found)}")
    for split, part in found["splits"].items():
        size = sum(shard["bytes"] for shard in part["shards"])
        say(
            f"  {split}: {part['count']:,} samples, {size:,} bytes in "
            f"{len(part['shards']):,} shards"
        )
    for reason, count in found["quarantined"].items():
        say(f"  quarantined, {reason}: {count:,}")
    say(f"  written by mmkeras {found['versions'].get('mmkeras')}")
    if sample is None:
        return
    values = read_sample(folder, sample)
    say(f"{sample}: {values['split']}")
    for name, array in values["x"].items():
        say(f"  {name}: {array.dtype} {array.shape}, {_short(array)}")
    for name, label in values["y"].items():
        weight = values["weights"][name].tolist()
        say(f"  {name}: {_short(label)}, weight {weight}")


@app.command("diff")
def diff(
    first: Folder,
    second: Folder,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON, for a program.")
    ] = False,
    imports: Imports = None,
) -> None:
    """Says what differs between two folders of prepared data."""
    from mmkeras.data import diff_data

    found = diff_data(first, second)
    if as_json:
        say(*json.dumps(found, indent=2).split("\n"))
        return
    if len({*found["versions"]}) == 1:
        say(f"the same data, version {found['versions'][0]}")
        return
    say(" -> ".join(found["versions"]))
    for part in ("spec", "statistics"):
        for key, values in found[part].items():
            say(f"{part} {key}: {' -> '.join(map(_short, values))}")
    for part in ("added", "removed"):
        _samples(f"samples {part}", found[part])
    how = ", ".join(f"{n:,} {k}" for k, n in found["moved"]["splits"].items())
    _samples(f"samples moved ({how})", found["moved"])
    for name, entry in found["changed"].items():
        _samples(f"`{name}` changed in samples", entry)


@app.command("backup")
@stoppable("no archive was written", goes_on=False)
def backup(
    folder: Folder,
    archive: Annotated[
        Path,
        typer.Argument(help="Tar file to write; .gz, .xz or .bz2 packs it."),
    ],
    imports: Imports = None,
) -> None:
    """Writes prepared data into one archive, after checking every file."""
    from mmkeras.data import backup_data, data_version

    found = backup_data(folder, archive)
    say(f"{archive}: version {data_version(found)}")
    say(f"Next: mmkeras data restore {archive} DIR")


@app.command("restore")
@stoppable("no data were restored", goes_on=False)
def restore(
    archive: Annotated[Path, typer.Argument(help="File of `data backup`.")],
    folder: Annotated[Path, typer.Argument(help="Folder to write.")],
    imports: Imports = None,
) -> None:
    """Unpacks an archive of prepared data, and checks every file of it."""
    from mmkeras.data import data_version, restore_data

    found = restore_data(archive, folder)
    say(f"{folder}: version {data_version(found)}")


def _samples(title: str, entry: dict) -> None:
    if entry["count"]:
        more = ", ..." if entry["count"] > len(entry["ids"]) else ""
        say(f"{title}: {entry['count']:,} ({', '.join(entry['ids'])}{more})")


def _short(value: object) -> str:
    text = " ".join(str(value).split())
    return text if len(text) <= WIDTH else f"{text[: WIDTH - 3]}..."
