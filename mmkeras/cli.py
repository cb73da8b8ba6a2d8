"""The command line, `mmkeras ...`: thin, and quick to start.

TensorFlow and Keras take seconds to import, so each command imports what it
needs, when it runs.
"""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from mmkeras import processes
from mmkeras.commands import compare, ensemble, label, recipe, retrieve, tune

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

app = typer.Typer(
    help="From samples in several modalities to a verified int8 file.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
spec_app = typer.Typer(help="Data specs.", no_args_is_help=True)
app.add_typer(spec_app, name="spec")
app.add_typer(recipe.app, name="recipe")

Out = Annotated[Path, typer.Option(help="Folder to write.")]
Seed = Annotated[int, typer.Option(min=0, help="Seed of every random draw.")]
Debug = Annotated[bool, typer.Option(help="Show the traceback of an error.")]


@app.callback()
def _options(
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the traceback of an error.")
    ] = False,
    modules: Annotated[
        list[str] | None,
        typer.Option(
            "--import",
            metavar="MODULE",
            help="Module with kinds of your own; may be given several times.",
        ),
    ] = None,
) -> None:
    processes.import_modules(modules or ())


@spec_app.command("check")
def check(file: Annotated[Path, typer.Argument(help="TOML spec.")]) -> None:
    """Checks a data spec and says what it declares."""
    from mmkeras.spec import load_spec

    spec = load_spec(file)
    print(f"{file}: valid, `{spec.name}`")
    for name, modality in sorted(spec.modalities.items()):
        shape = " x ".join(map(str, modality.shape))
        optional = ", optional" if modality.optional else ""
        print(f"  modality {name}: {modality.kind}, {shape}{optional}")
    for name, target in sorted(spec.targets.items()):
        classes = getattr(target, "classes", None)
        of = f", {len(classes)} classes" if classes else ""
        print(f"  target {name}: {target.kind}{of}")


@app.command()
def demo(
    out: Out,
    samples: Annotated[int, typer.Option(min=100, max=1797)] = 1500,
    seed: Seed = 0,
) -> None:
    """Generates the demo set: real digits, synthetic sound and sentences."""
    from mmkeras.data import write_demo

    spec = write_demo(out, samples=samples, seed=seed)
    print(f"{spec}\nNext: mmkeras prepare {spec} --out DATA")


@app.command()
def prepare(
    spec: Annotated[Path, typer.Argument(help="TOML spec.")],
    out: Out,
    root: Annotated[
        Path | None,
        typer.Option(help="Data root, instead of the spec's `data.root`."),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Decoding processes.")
    ] = None,
    seed: Seed = 0,
) -> None:
    """Decodes, checks and splits the samples; writes shards."""
    from mmkeras.data import prepare as run
    from mmkeras.spec import load_spec

    manifest = run(load_spec(spec), out, root=root, workers=workers, seed=seed)
    counts = ", ".join(
        f"{split} {entry['count']}"
        for split, entry in manifest["splits"].items()
    )
    print(f"{out}: {counts}")
    if manifest["quarantined"]:
        print(f"quarantined (see {out}/quarantine.csv):")
        for reason, count in sorted(manifest["quarantined"].items()):
            print(f"  {reason}: {count}")
    print(f"Next: mmkeras train {out} --model RECIPE.toml --out RUN")


@app.command()
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
) -> None:
    """Builds the recipe's model and trains it; goes on where it stopped."""
    from mmkeras.runs import open_recipe, train_run

    tables = open_recipe(model, data)
    train_run(data, tables, strategy, out, seed, verbose, model, restart)
    print(f"{out}\nNext: mmkeras evaluate {out}")


@app.command()
def evaluate(
    run: Annotated[Path, typer.Argument(help="Folder of `train`.")],
    data: Annotated[
        Path | None, typer.Option(help="Prepared data, if they have moved.")
    ] = None,
    baselines: Annotated[
        bool, typer.Option(help="Train each modality alone, to compare.")
    ] = True,
) -> None:
    """Measures a run on the test split and writes an HTML report."""
    from mmkeras.runs import evaluate_run

    result = evaluate_run(run, data, baselines)
    for target, entry in result["targets"].items():
        print(f"{target}: {headline(entry)}")
    print(f"{run}/evaluation/report.html")
    print(f"Next: python -m mmkeras.export {run} --quantize int8 --out BUNDLE")


@app.command()
def card(
    bundle: Annotated[Path, typer.Argument(help="Folder of the export.")],
) -> None:
    """Prints what was measured of an exported bundle."""
    from mmkeras import artefact
    from mmkeras.export import card_table, read_card

    artefact.read_manifest(bundle, "bundle")
    print(card_table(read_card(bundle / "card.json")))


app.add_typer(ensemble.app, name="ensemble")
for _command in (
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


def main() -> None:
    """Runs the command line: a user's error is one message and exit code 2."""
    debug = "--debug" in sys.argv
    try:
        app()
    except (ValueError, OSError) as error:
        if debug:
            raise
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
