"""`mmkeras label` and `mmkeras apply-labels`: labels for what has none."""

from pathlib import Path
from typing import Annotated

import typer

from mmkeras.cli.options import Imports
from mmkeras.cli.stopping import stoppable
from mmkeras.escaping import say


@stoppable("no sheet was written", goes_on=False)
def label(
    run: Annotated[Path, typer.Argument(help="Folder of `train`.")],
    out: Annotated[Path, typer.Option(help="CSV to write.")],
    source: Annotated[
        Path | None,
        typer.Argument(
            help="TOML spec of new samples, a prepared folder, or a table or "
            "folder of class folders; the run's data when left out."
        ),
    ] = None,
    split: Annotated[
        str, typer.Option(help="Of a folder: train, validation or test.")
    ] = "train",
    strategy: Annotated[
        str,
        typer.Option(
            help="entropy, margin, confidence, disagreement, or doubt, which "
            "looks for wrong labels."
        ),
    ] = "entropy",
    limit: Annotated[
        int | None, typer.Option(help="Rows at most, such as 200.")
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="List samples with a label, too.")
    ] = False,
    imports: Imports = None,
) -> None:
    """Proposes labels for samples that have none, most informative first."""
    from mmkeras.studies.label import propose_labels

    rows = propose_labels(run, out, source, split, strategy, limit, everything)
    say(
        f"{out}: {len(rows)} proposals. In the column `label`, write `ok` to "
        "take what is proposed, or the right class; what stays empty stays "
        "without a label."
    )
    is_spec = source is not None and source.suffix == ".toml"
    spec = source if is_spec else "SPEC.toml"
    say(f"Next: mmkeras apply-labels {spec} {out} --out MANIFEST.csv")
    if not is_spec:
        say("Where no spec names a manifest, the prepared folder stands for it")


@stoppable("no manifest was written", goes_on=False)
def apply_labels(
    spec: Annotated[
        Path,
        typer.Argument(help="TOML spec of the samples, or a prepared folder."),
    ],
    sheet: Annotated[Path, typer.Argument(help="What `label` wrote.")],
    out: Annotated[Path, typer.Option(help="Manifest to write, as CSV.")],
    replace: Annotated[
        bool, typer.Option("--replace", help="Change labels that are there.")
    ] = False,
    imports: Imports = None,
) -> None:
    """Puts the labels of a sheet that was filled in into a new manifest."""
    from mmkeras.studies.label import apply_labels as run

    counts = run(spec, sheet, out, replace)
    for name, count in sorted(counts.items()):
        say(f"{name}: {count} labels")
    following = f"name it in `data.manifest` of {spec}, then mmkeras prepare"
    if spec.is_dir():
        following = "join it with your rows by its first column, and prepare"
    say(out, f"Next: {following}")
