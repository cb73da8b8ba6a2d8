"""`mmkeras ensemble ...`: several models as one run."""

from pathlib import Path
from typing import Annotated

import typer

from mmkeras.cli.options import Imports
from mmkeras.cli.stopping import stoppable
from mmkeras.escaping import say

app = typer.Typer(help="Several models as one.", no_args_is_help=True)

Data = Annotated[Path, typer.Argument(help="Folder of `prepare`.")]
Runs = Annotated[list[Path], typer.Argument(help="Folders of `train`.")]
Out = Annotated[Path, typer.Option(help="Folder to write.")]
Recipe = Annotated[
    Path | None, typer.Option(help="TOML recipe; defaults when left out.")
]
Members = Annotated[int, typer.Option(min=2, help="How many models.")]
Strategy = Annotated[str, typer.Option(help="Strategy of every member.")]
Seed = Annotated[int, typer.Option(min=0, help="Seed of the first member.")]
Verbose = Annotated[int, typer.Option(min=0, max=2, help="As in model.fit.")]
Restart = Annotated[
    bool, typer.Option("--restart", help="Train all anew; OUT stays till then.")
]
Moved = Annotated[
    Path | None, typer.Option(help="Prepared data, if they have moved.")
]


@app.command()
@stoppable("the members that are done are kept")
def bagging(
    data: Data,
    out: Out,
    model: Recipe = None,
    members: Members = 5,
    strategy: Strategy = "full",
    seed: Seed = 0,
    verbose: Verbose = 0,
    restart: Restart = False,
    imports: Imports = None,
) -> None:
    """Trains members on bootstrap samples and averages their answers."""
    from mmkeras.studies.ensemble import bag

    trainer = _trainer(data, out, model, strategy, seed, verbose, restart)
    _show(out, bag(trainer, members))


@app.command()
@stoppable("the members that are done are kept")
def boosting(
    data: Data,
    out: Out,
    model: Recipe = None,
    members: Members = 5,
    target: Annotated[
        str | None, typer.Option(help="Target of kind category.")
    ] = None,
    strategy: Strategy = "full",
    seed: Seed = 0,
    verbose: Verbose = 0,
    restart: Restart = False,
    imports: Imports = None,
) -> None:
    """Trains members, each on the samples that the last got wrong."""
    from mmkeras.studies.ensemble import boost

    trainer = _trainer(data, out, model, strategy, seed, verbose, restart)
    _show(out, boost(trainer, members, target))


@app.command()
@stoppable("no ensemble was written", goes_on=False)
def average(
    runs: Runs, out: Out, data: Moved = None, imports: Imports = None
) -> None:
    """Averages the answers of runs."""
    from mmkeras.studies import ensemble

    _show(out, ensemble.average(runs, out, data))


@app.command()
@stoppable("no ensemble was written", goes_on=False)
def stacking(
    runs: Runs, out: Out, data: Moved = None, imports: Imports = None
) -> None:
    """Weighs the answers of runs by the validation split."""
    from mmkeras.studies.ensemble import stack

    result = stack(runs, out, data)
    _show(out, result)
    for target, weights in sorted(result["weights"].items()):
        shown = ", ".join(f"{weight:.2f}" for weight in weights)
        say(f"weights, {target}: {shown}")


@app.command()
@stoppable("no ensemble was written", goes_on=False)
def soup(
    runs: Runs,
    out: Out,
    data: Moved = None,
    objective: Annotated[
        str, typer.Option(help="Figure of the validation split.")
    ] = "val_loss",
    direction: Annotated[
        str | None, typer.Option(help="min or max; by the name if left out.")
    ] = None,
    imports: Imports = None,
) -> None:
    """Averages the weights of runs or checkpoints, as long as it helps."""
    from mmkeras.studies import ensemble
    from mmkeras.studies.tune import direction_of

    direction = direction or direction_of(objective)
    result = ensemble.soup(runs, out, data, objective, direction)
    for step in result["steps"]:
        taken = "taken" if step["taken"] else "left out"
        say(
            f"{step['run']}: {objective} {step['alone']:.4g} alone, "
            f"{step['soup']:.4g} in the soup, {taken}"
        )
    _show(out, result)


def _trainer(data, out, model, strategy, seed, verbose, restart):
    from mmkeras.runs import open_recipe
    from mmkeras.studies.ensemble import Trainer

    recipe = open_recipe(model, data)
    return Trainer(data, recipe, out, strategy, seed, verbose, restart)


def _show(out, result):
    from mmkeras import artefact
    from mmkeras.spec import DataSpec
    from mmkeras.studies.ensemble.results import table

    manifest = artefact.read_manifest(out, "run", check_files=False)
    targets = DataSpec.from_dict(manifest["spec"]).targets
    say(*table(result, targets).split("\n"))
    say(f"{out}", f"Next: mmkeras evaluate {out}")
