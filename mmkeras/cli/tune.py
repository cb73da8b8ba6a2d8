"""`mmkeras tune`: a search over a recipe's ranges."""

from pathlib import Path
from typing import Annotated

import typer

from mmkeras.cli.options import Imports
from mmkeras.cli.stopping import stoppable
from mmkeras.escaping import say


@stoppable("the trials that are done are kept")
def tune(
    data: Annotated[Path, typer.Argument(help="Folder of `prepare`.")],
    space: Annotated[Path, typer.Option(help="TOML recipe with ranges.")],
    out: Annotated[Path, typer.Option(help="Folder to write.")],
    method: Annotated[
        str, typer.Option(help="grid, random, bayesian or hyperband.")
    ] = "random",
    trials: Annotated[
        int | None,
        typer.Option(min=1, help="Most trials; a grid has its own end."),
    ] = None,
    epochs: Annotated[
        int | None,
        typer.Option(min=1, help="Epochs of a trial; the recipe's if left."),
    ] = None,
    objective: Annotated[
        str, typer.Option(help="Figure of the validation split.")
    ] = "val_loss",
    direction: Annotated[
        str | None, typer.Option(help="min or max; by the name if left out.")
    ] = None,
    strategy: Annotated[
        str, typer.Option(help="Strategy of every trial.")
    ] = "full",
    seed: Annotated[
        int, typer.Option(min=0, help="Seed of the search and its trials.")
    ] = 0,
    workers: Annotated[
        int, typer.Option(min=1, help="Processes that train trials.")
    ] = 1,
    restart: Annotated[
        bool,
        typer.Option("--restart", help="Search anew; OUT stays till then."),
    ] = False,
    verbose: Annotated[
        int, typer.Option(min=0, max=2, help="Of the best recipe's training.")
    ] = 0,
    imports: Imports = None,
) -> None:
    """Searches a recipe's ranges, then trains and tests the best one.

    Trials are compared on the validation split. The same command goes on
    with a search that was stopped.
    """
    from mmkeras.spec import read_toml
    from mmkeras.studies.tune import Job, direction_of
    from mmkeras.studies.tune import tune as run
    from mmkeras.studies.tune.report import headline, short

    if method in ("random", "bayesian") and trials is None:
        trials = 20
    job = Job(
        data=str(data), space=read_toml(space), out=str(out), method=method,
        trials=trials, epochs=epochs, objective=objective,
        direction=direction or direction_of(objective),
        strategy=strategy, seed=seed,
    )  # fmt: skip
    result = run(job, workers, restart, verbose)
    if result is None:
        return
    best = result["best"]
    say(f"best: trial {best['trial']}, {objective} {best['objective']:.4g}")
    for name, value in best["values"].items():
        say(f"  {name} = {short(value)}")
    for target, metrics in sorted(result["test"].items()):
        if metrics:
            name = headline(result, target)
            say(f"test, {target}: {name} {short(metrics[name]['value'])}")
    say(f"{out}/report.html", f"Next: mmkeras export {out}/best")
