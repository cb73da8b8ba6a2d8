"""The command line, `mmkeras ...`: thin, and quick to start.

TensorFlow and Keras take seconds to import, so each command imports what it
needs, when it runs.
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

import mmkeras
from mmkeras import framework_errors
from mmkeras.cli import (
    compare,
    data,
    ensemble,
    export,
    inspect_data,
    label,
    recipe,
    retrieve,
    spec,
    tune,
)
from mmkeras.cli.options import Imports
from mmkeras.cli.stopping import running, stoppable
from mmkeras.escaping import complain, say, warnings_said

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

app = typer.Typer(
    help="From samples in several modalities to a verified int8 file.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.add_typer(spec.app, name="spec")
app.add_typer(recipe.app, name="recipe")
app.add_typer(data.app, name="data")

Out = Annotated[Path, typer.Option(help="Folder to write.")]
Seed = Annotated[int, typer.Option(min=0, help="Seed of every random draw.")]


def _version(asked: bool) -> None:
    if asked:
        say(f"mmkeras {mmkeras.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the traceback of an error.")
    ] = False,
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            is_eager=True,
            callback=_version,
            help="Print the version and stop.",
        ),
    ] = False,
    imports: Imports = None,
) -> None:
    pass


@app.command()
@stoppable("no demo set was written", goes_on=False)
def demo(
    out: Out,
    samples: Annotated[int, typer.Option(min=100, max=1797)] = 1500,
    seed: Seed = 0,
) -> None:
    """Generates the demo set: real digits, synthetic sound and sentences."""
    from mmkeras.data import write_demo

    written = write_demo(out, samples=samples, seed=seed)
    say(f"{written}", f"Next: mmkeras prepare {written} --out DATA")


@app.command()
@stoppable("the shards that are done are kept")
def prepare(
    file: Annotated[Path, typer.Argument(metavar="SPEC", help="TOML spec.")],
    out: Out,
    source: Annotated[
        Path | None,
        typer.Option(
            help="Table or folder of class folders, instead of the manifest."
        ),
    ] = None,
    root: Annotated[
        Path | None,
        typer.Option(help="Data root, instead of the spec's `data.root`."),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Decoding processes.")
    ] = None,
    seed: Seed = 0,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Read all samples, and write the list of faults only.",
        ),
    ] = False,
    restart: Annotated[
        bool,
        typer.Option(
            "--restart", help="Read all samples again, whatever OUT holds."
        ),
    ] = False,
    append: Annotated[
        bool,
        typer.Option(
            "--append",
            help="Add new rows of the manifest; old ones stay in their splits.",
        ),
    ] = False,
    imports: Imports = None,
) -> None:
    """Decodes, checks and splits the samples; writes shards."""
    from mmkeras.data import prepare as run
    from mmkeras.spec import load_spec

    manifest = run(
        source,
        load_spec(file),
        out,
        root=root,
        workers=workers,
        seed=seed,
        dry_run=dry_run,
        restart=restart,
        append=append,
    )
    counts = ", ".join(
        f"{split} {entry['count']}"
        for split, entry in manifest["splits"].items()
    )
    if dry_run:
        say(f"{out} would hold: {counts}")
        return
    say(f"{out}: {counts}")
    if manifest["quarantined"]:
        say(f"Faults are listed in {out}/quarantine.csv")
    say(f"Next: mmkeras train {out} --model RECIPE.toml --out RUN")


@app.command()
@stoppable("nothing new was trained that is not kept")
def train(
    data: Annotated[Path, typer.Argument(help="Folder of `prepare`.")],
    out: Out,
    model: Annotated[
        Path | None, typer.Option(help="TOML recipe; defaults when left out.")
    ] = None,
    strategy: Annotated[
        str,
        typer.Option(help="full, component, pseudo_label, fixmatch, co_train."),
    ] = "full",
    seed: Seed = 0,
    verbose: Annotated[
        int, typer.Option(min=0, max=2, help="As in model.fit.")
    ] = 2,
    restart: Annotated[
        bool,
        typer.Option("--restart", help="Begin anew, whatever OUT holds."),
    ] = False,
    imports: Imports = None,
) -> None:
    """Builds the recipe's model and trains it; goes on where it stopped."""
    from mmkeras.runs import open_recipe, train_run

    tables = open_recipe(model, data)
    train_run(data, tables, strategy, out, seed, verbose, model, restart)
    say(f"{out}", f"Next: mmkeras evaluate {out}")


@app.command()
@stoppable("nothing was measured", goes_on=False)
def evaluate(
    run: Annotated[Path, typer.Argument(help="Folder of `train`.")],
    data: Annotated[
        Path | None, typer.Option(help="Prepared data, if they have moved.")
    ] = None,
    baselines: Annotated[
        bool, typer.Option(help="Train each modality alone, to compare.")
    ] = True,
    imports: Imports = None,
) -> None:
    """Measures a run on the test split and writes an HTML report."""
    from mmkeras.runs import evaluate_run

    result = evaluate_run(run, data, baselines)
    for target, entry in result["targets"].items():
        say(f"{target}: {headline(entry)}")
    for sentence in result["cautions"]:
        say(f"caution: {sentence}")
    say(f"{run}/evaluation/report.html")
    say(f"Next: mmkeras export {run} --quantize int8 --out BUNDLE")


@app.command()
def card(
    bundle: Annotated[Path, typer.Argument(help="Folder of the export.")],
    imports: Imports = None,
) -> None:
    """Prints what was measured of an exported bundle."""
    from mmkeras import artefact
    from mmkeras.export import card_table, read_card

    artefact.read_manifest(bundle, "bundle")
    say(*card_table(read_card(bundle / "card.json")).split("\n"))


app.add_typer(ensemble.app, name="ensemble")
for _command in (
    inspect_data.inspect,
    export.export,
    compare.compare,
    tune.tune,
    label.label,
    label.apply_labels,
    retrieve.index,
    retrieve.search,
):
    app.command()(_command)


def headline(entry: dict) -> str:
    """Returns a target's first metric as text, with its interval."""
    name = entry["headline"]
    metric = entry["metrics"].get(name)
    if metric is None or metric["value"] is None:
        return f"{name} is not defined on this split"
    low, high = metric["low"], metric["high"]
    return f"{name} {metric['value']:.3f} ({low:.3f} to {high:.3f})"


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command line; a user's error is one message and exit code 2.

    Args:
        arguments: What stands behind `mmkeras`; None for `sys.argv`.

    Returns:
        The exit code.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        with running(given), warnings_said():
            app(given, prog_name="mmkeras")
    # Typer has no other way to say that it is done.
    except SystemExit as done:
        return done.code or 0
    except (ValueError, OSError) as error:
        if "--debug" in given:
            raise
        complain(str(error))
        return 2
    except Exception as error:
        said = _told(error)
        if "--debug" in given or said is None:
            raise
        complain(said)
        return 2
    return 0


def _told(error: Exception) -> str | None:
    """Returns what is said of an error that is nobody's mistake in here."""
    if (found := framework_errors.told(error)) is not None:
        return str(found)
    short = MemoryError, RuntimeError, ImportError
    if isinstance(error, short) and _is_short_of_memory(error):
        return (
            "This command must have more memory. Received: "
            f"{type(error).__name__}: {str(error)[:200]}"
        )
    return None


def _is_short_of_memory(error: Exception) -> bool:
    """Whether an error is what the system says that has no memory left."""
    said = ("can't start new thread", "failed to map segment", "allocate")
    return isinstance(error, MemoryError) or any(
        text in str(error) for text in said
    )
