"""`mmkeras export`: from a trained run to a verified bundle."""

from pathlib import Path
from typing import Annotated

import typer

from mmkeras.cli.options import Imports
from mmkeras.cli.stopping import stoppable
from mmkeras.escaping import say


@stoppable("no bundle was written", goes_on=False)
def export(
    context: typer.Context,
    run: Annotated[Path, typer.Argument(help="Folder of `train`.")],
    out: Annotated[Path, typer.Option(help="Folder of the bundle.")],
    quantize: Annotated[
        str,
        typer.Option(
            help="none, float16, dynamic, int16x8, int4 (weights) or int8: "
            "the better one of int8-heavy (the heavy operators) and "
            "int8-full (all), or mixed (all heavy ones that do not hurt)."
        ),
    ] = "int8",
    float_layers: Annotated[
        str,
        typer.Option(
            help="Parts of names of layers to keep in float, with commas."
        ),
    ] = "",
    form: Annotated[
        str,
        typer.Option(
            "--format",
            help="tflite, onnx, c-array, several with commas; litert is "
            "tflite.",
        ),
    ] = "tflite",
    max_drop: Annotated[
        float,
        typer.Option(
            help="Largest drop of a task metric, as a fraction: of the drop "
            "itself with every modality there, of the lower end of its 95 % "
            "interval with one absent."
        ),
    ] = 0.01,
    target: Annotated[
        str | None,
        typer.Option(
            help="Device profile the file has to fit, or a TOML file."
        ),
    ] = None,
    budget_kb: Annotated[
        float | None,
        typer.Option(
            help="Search for a smaller model whose file has so many kB at most."
        ),
    ] = None,
    budget_ms: Annotated[
        float | None,
        typer.Option(
            help="Or whose answer takes so long at most, here, on one thread."
        ),
    ] = None,
    search_epochs: Annotated[
        int, typer.Option(help="Epochs of each pruned model of a search.")
    ] = 3,
    data: Annotated[
        Path | None, typer.Option(help="Prepared data, if they have moved.")
    ] = None,
    samples: Annotated[int, typer.Option(help="Test samples at most.")] = 2000,
    force: Annotated[
        bool,
        typer.Option("--force", help="Replace what mmkeras wrote at OUT."),
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show tracebacks and converters.")
    ] = False,
    imports: Imports = None,
) -> None:
    """Converts a run, verifies it on the test split, writes a bundle."""
    from mmkeras.export.bundle.device_profiles import load_profile

    formats = form.replace("litert", "tflite").split(",")
    settings = {
        "quantize": quantize,
        "formats": list(dict.fromkeys(formats)),
        "max_drop": max_drop,
        "test_samples": samples,
        "float_layers": [part for part in float_layers.split(",") if part],
        "target": load_profile(target) if target else None,
        "force": force,
        "debug": debug or context.find_root().params["debug"],
    }
    if budget_kb is None and budget_ms is None:
        convert(run, data, out, settings)
    else:
        search(run, data, out, (budget_kb, budget_ms), search_epochs, settings)
    _show(out)


def convert(run: Path, data: Path | None, out: Path, settings: dict) -> None:
    """Exports the run as it is."""
    from mmkeras import artefact
    from mmkeras.export import export
    from mmkeras.runs import open_data
    from mmkeras.spec import DataSpec

    manifest = artefact.read_manifest(run, "run")
    spec = DataSpec.from_dict(manifest["spec"], str(run))
    export(run, spec, open_data(manifest, data, augment=False), out, **settings)


def search(
    run: Path,
    data: Path | None,
    out: Path,
    budget: tuple[float | None, float | None],
    epochs: int,
    settings: dict,
) -> None:
    """Looks for a model within the budget, and exports that."""
    from mmkeras.studies.shrink import Budget, shrink_run

    shrink_run(
        run, out, Budget(*budget), epochs=epochs, data_folder=data, **settings
    )


def _show(out: Path) -> None:
    from mmkeras import artefact
    from mmkeras.export import bundle

    written = artefact.read_manifest(out, "bundle")
    size = sum(entry["bytes"] for entry in written["files"].values())
    say(f"{out}: {size:,} bytes")
    say(f"Next: {bundle.next_command(written, out)}")
