"""`mmkeras recipe`: what a recipe may say, and what one says."""

from pathlib import Path
from typing import Annotated

import typer

from mmkeras.cli.options import Imports
from mmkeras.escaping import say

app = typer.Typer(help="Recipes: models and trainings.", no_args_is_help=True)

File = Annotated[Path, typer.Argument(help="TOML recipe.")]


@app.command()
def check(
    file: File,
    spec: Annotated[
        Path | None,
        typer.Option(help="TOML spec, or folder of `prepare`."),
    ] = None,
    imports: Imports = None,
) -> None:
    """Checks a recipe; with a spec, also the keys of each tower and head."""
    from mmkeras.runs import check_recipe, in_file
    from mmkeras.studies.compare.arms import check_arms

    source = check_recipe(file, spec)
    with in_file(file):
        check_arms(source.get("compare", {}))
    say(f"{file}: valid" + ("" if spec is None else f" for {spec}"))


@app.command()
def show(
    file: File,
    spec: Annotated[
        Path | None,
        typer.Option(help="TOML spec, or folder of `prepare`."),
    ] = None,
    imports: Imports = None,
) -> None:
    """Prints every key of a recipe with its value; defaults are marked.

    Which keys a tower and a head have, their kind in the spec says; without
    it, those that the recipe sets are shown.
    """
    from mmkeras.runs import show_recipe

    say(*show_recipe(file, spec).rstrip("\n").split("\n"))


@app.command()
def reference(imports: Imports = None) -> None:
    """Prints every key that a recipe may have, as Markdown."""
    from mmkeras.runs import reference as page

    say(*page().rstrip("\n").split("\n"))
