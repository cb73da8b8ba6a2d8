"""How every page of this package is written: escaped, by strict templates."""

from pathlib import Path

import jinja2


def page_environment(folder: Path) -> jinja2.Environment:
    """Returns the environment of the templates in a folder.

    Names of classes, files and tokens cannot become markup, and a name that a
    template does not know is an error.

    Example:

    >>> environment = page_environment(Path(__file__).parent)
    >>> environment.from_string("{{ name }}").render(name="<b>")
    '&lt;b&gt;'
    """
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
