"""`mmkeras inspect`: what is in the data, and what is wrong with them."""

from pathlib import Path
from typing import Annotated

import typer

from mmkeras.cli.options import Imports
from mmkeras.cli.stopping import stoppable
from mmkeras.escaping import say


@stoppable("no report was written", goes_on=False)
def inspect(
    source: Annotated[
        Path, typer.Argument(help="TOML spec, or folder of `prepare`.")
    ],
    out: Annotated[
        Path | None,
        typer.Option(help="Folder to write; SOURCE.inspection if left out."),
    ] = None,
    root: Annotated[
        Path | None,
        typer.Option(help="Data root, instead of the spec's `data.root`."),
    ] = None,
    run: Annotated[
        Path | None,
        typer.Option(help="Folder of `train`: its answers find wrong labels."),
    ] = None,
    fail_on: Annotated[
        list[str] | None,
        typer.Option(
            help="Findings that end in exit code 2, such as leak,labels; "
            "repeatable."
        ),
    ] = None,
    seed: Annotated[
        int, typer.Option(min=0, help="Seed of the samples shown.")
    ] = 0,
    folds: Annotated[
        int,
        typer.Option(
            min=0,
            help="With --run: folds of the training split; 0 leaves it out.",
        ),
    ] = 5,
    imports: Imports = None,
) -> None:
    """Reports what is in the data, and what is wrong, before training."""
    from mmkeras.studies.data_report import inspect as run_inspection

    place = source.absolute()
    stem = place.stem if place.suffix == ".toml" else place.name
    out = out or place.with_name(f"{stem}.inspection")
    report = run_inspection(
        source,
        out=out,
        root=root,
        run=run,
        fail_on=fail_on or (),
        seed=seed,
        folds=folds,
    )
    for one in report["findings"]:
        say(f"{one['name']}: {one['text']}")
    for sentence in report["said"]:
        say(sentence)
    found = len(report["findings"])
    say(f"{report['samples']:,} samples, {found or 'no'} findings")
    say(f"{out}/report.html")
