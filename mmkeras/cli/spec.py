"""The commands `spec check` and `spec init`."""

from pathlib import Path
from typing import Annotated

import typer

from mmkeras.cli.options import Imports
from mmkeras.escaping import say

app = typer.Typer(help="Data specs.", no_args_is_help=True)


@app.command("check")
def check(
    file: Annotated[Path, typer.Argument(help="TOML spec.")],
    imports: Imports = None,
) -> None:
    """Checks a data spec and says what it declares."""
    from mmkeras.spec import load_spec

    spec = load_spec(file)
    say(f"{file}: valid, `{spec.name}`")
    for name, modality in sorted(spec.modalities.items()):
        shape = " x ".join(map(str, modality.shape))
        optional = ", optional" if modality.optional else ""
        say(f"  modality {name}: {modality.kind}, {shape}{optional}")
    for name, target in sorted(spec.targets.items()):
        classes = getattr(target, "classes", None)
        of = f", {len(classes)} classes" if classes else ""
        say(f"  target {name}: {target.kind}{of}")


@app.command("init")
def init(
    table: Annotated[
        Path,
        typer.Argument(
            help="CSV, JSON lines or Parquet, or a folder of class folders."
        ),
    ],
    target: Annotated[
        list[str],
        typer.Option(help="Column that a model is to predict; repeatable."),
    ],
    group: Annotated[
        str | None,
        typer.Option(help="Column, such as a patient, to keep in one part."),
    ] = None,
    id_column: Annotated[
        str | None,
        typer.Option("--id", help="Column that names a sample."),
    ] = None,
    root: Annotated[
        Path | None,
        typer.Option(help="Folder of the paths in it, if not the table's."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="TOML file to write; printed when left out."),
    ] = None,
    imports: Imports = None,
) -> None:
    """Looks at a table and writes a first spec, with what was seen."""
    from mmkeras.data import infer_spec

    found = infer_spec(table, target, group, id_column, root, out)
    if out is None:
        say(*found.text.rstrip("\n").split("\n"))
        return
    for column, what in found.columns.items():
        say(f"{column}: {what}")
    for question in found.questions:
        say(f"to be said: {question}")
    say(out)
    if not found.questions:
        folder = "" if not table.is_dir() else f" --source {table}"
        say(f"Next: mmkeras prepare {out} --out DATA{folder}")
