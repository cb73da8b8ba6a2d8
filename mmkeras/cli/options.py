"""Options that several commands have in common."""

from typing import Annotated

import typer

from mmkeras import processes
from mmkeras.cli.stopping import stoppable


@stoppable("nothing was done yet", goes_on=False)
def _import(
    context: typer.Context, modules: list[str] | None
) -> list[str] | None:
    # The shell asks what may follow; nothing is run for that.
    if not context.resilient_parsing:
        processes.import_modules(modules or ())
    return modules


Imports = Annotated[
    list[str] | None,
    typer.Option(
        "--import",
        metavar="MODULE",
        # Before any other argument is read.
        is_eager=True,
        callback=_import,
        help="Module with kinds or layers of your own; repeatable.",
    ),
]
