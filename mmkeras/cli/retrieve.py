"""`mmkeras index` and `mmkeras search`: samples like this one."""

from pathlib import Path
from typing import Annotated

import typer

from mmkeras.cli.options import Imports
from mmkeras.cli.stopping import stoppable
from mmkeras.escaping import say


@stoppable("no index was written", goes_on=False)
def index(
    source: Annotated[
        Path, typer.Argument(help="Run, stage of a run, or bundle.")
    ],
    data: Annotated[Path, typer.Argument(help="Folder of `prepare`.")],
    name: Annotated[
        str, typer.Option(help="Modality, or target of kind embedding.")
    ],
    out: Annotated[Path, typer.Option(help="Folder to write.")],
    split: Annotated[
        str, typer.Option(help="train, validation or test.")
    ] = "test",
    form: Annotated[
        str, typer.Option("--format", help="Encoders: keras or tflite.")
    ] = "keras",
    dtype: Annotated[str, typer.Option(help="float32 or int8.")] = "float32",
    imports: Imports = None,
) -> None:
    """Embeds samples and writes an index to search them by likeness."""
    from mmkeras.studies.retrieval import build_index

    found = build_index(source, data, name, out, split, form, dtype)
    say(f"{out}: {found['count']} samples, {found['units']} units, {dtype}")
    for direction, metrics in found["recall"].items():
        told = ", ".join(
            f"{metric.replace('_', ' ')} {entry['value']:.3f}"
            for metric, entry in metrics.items()
            if entry["value"] is not None
        )
        say(f"  {direction}: {told}")
    for entry in found["encoders"].values():
        given = [f"{n}=FILE" for n in entry["inputs"] if n != "present"]
        say(f"Next: mmkeras search {out} {' '.join(given)}")


def search(
    folder: Annotated[Path, typer.Argument(help="Folder of `index`.")],
    query: Annotated[
        list[str],
        typer.Argument(help='Such as image=x.png, or text="a text".'),
    ],
    k: Annotated[int, typer.Option("-k", min=1, help="How many.")] = 10,
    imports: Imports = None,
) -> None:
    """Prints the samples of an index that are nearest to a query."""
    from mmkeras.studies.retrieval import query as run

    files = {}
    for each in query:
        name, equals, value = each.partition("=")
        if not equals:
            raise ValueError(f"A query must be NAME=FILE. Received: {each!r}")
        files[name] = value
    for found, near in run(folder, files, k):
        say(f"{near:7.4f}  {found}")
