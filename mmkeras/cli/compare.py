"""`mmkeras compare`: which strategy is better for these data?"""

from pathlib import Path
from typing import Annotated

import typer

from mmkeras.cli.options import Imports
from mmkeras.cli.stopping import stoppable
from mmkeras.escaping import say


@stoppable("the runs that are done are kept")
def compare(
    data: Annotated[Path, typer.Argument(help="Folder of `prepare`.")],
    out: Annotated[Path, typer.Option(help="Folder to write.")],
    model: Annotated[
        Path | None,
        typer.Option(
            help="TOML recipe; defaults when left out. A table "
            "`compare.NAME` describes a further arm."
        ),
    ] = None,
    budget_steps: Annotated[
        int | None, typer.Option(help="Optimizer steps of each run.")
    ] = None,
    budget_minutes: Annotated[
        float | None, typer.Option(help="Minutes of each run, instead.")
    ] = None,
    seeds: Annotated[int, typer.Option(help="Runs of each arm, 2 to 16.")] = 5,
    label_fraction: Annotated[
        str, typer.Option(help="Shares of the labels, such as 0.1,0.3,1.0.")
    ] = "1.0",
    arms: Annotated[
        str | None,
        typer.Option(help="Such as full,component; all when left out."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="The first seed.")] = 0,
    restart: Annotated[
        bool,
        typer.Option("--restart", help="Train all anew; OUT stays till then."),
    ] = False,
    verbose: Annotated[
        int, typer.Option(min=0, max=2, help="As in model.fit.")
    ] = 0,
    imports: Imports = None,
) -> None:
    """Trains every strategy under one budget and says which is better."""
    from mmkeras.runs import open_recipe
    from mmkeras.studies.compare.report import as_text
    from mmkeras.studies.compare.run import compare as run

    report = run(
        data,
        open_recipe(model, data),
        out,
        budget_steps=budget_steps,
        budget_minutes=budget_minutes,
        seeds=seeds,
        seed=seed,
        fractions=fractions_of(label_fraction),
        arms=arms.split(",") if arms is not None else None,
        restart=restart,
        verbose=verbose,
    )
    say(*as_text(report).split("\n"))
    say(f"{out}/report.html")


def fractions_of(text: str) -> list[float]:
    """Returns the numbers of "0.1,0.3,1.0"."""
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise ValueError(
            "`--label-fraction` must be numbers with commas between them. "
            f"Received: {text!r}"
        ) from None
