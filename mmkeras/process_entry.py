"""What a child process begins with: a script, since a package may be hidden.

It runs by its path, and imports nothing but the standard library until it has
found the very package that it lies in. See `processes`.
"""

import contextlib
import fcntl
import importlib
import importlib.util
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Iterable
from pathlib import Path

PACKAGE = "mmkeras"
POLL_SEC = 0.2


def import_places(places: Iterable[tuple[str, str]]) -> None:
    """Imports what a parent has found by `places_of`.

    The folder of a module is appended to the path: it hides nothing.

    Raises:
        ValueError: If another file has the name of such a module.
    """
    for name, file in places:
        folder = Path(file).parents[name.count(".")]
        if Path(file).name == "__init__.py":
            folder = folder.parent
        if not is_ours(name) and str(folder) not in sys.path:
            sys.path.append(str(folder))
        found = importlib.import_module(name).__file__
        if not os.path.samefile(found, file):
            raise ValueError(
                f"The module `{name}` must have a name of its own. Received: "
                f"`{file}`, which `{found}` hides"
            )


def is_ours(module: str) -> bool:
    """Returns whether a module is one of this package."""
    return module.split(".")[0] == PACKAGE


def _end_with(parent: int, lifeline: int) -> None:
    """Ends this process soon after its parent has gone.

    Args:
        parent: Its process id.
        lifeline: What nobody holds open any more then. The signal ends what
            is deep inside a library, where no thread of ours would run.
    """
    with contextlib.suppress(OSError, AttributeError):
        signal.signal(signal.SIGIO, signal.SIG_DFL)
        fcntl.fcntl(lifeline, fcntl.F_SETOWN, os.getpid())
        fcntl.fcntl(lifeline, fcntl.F_SETFL, os.O_ASYNC)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(POLL_SEC)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _find_package() -> None:
    """Imports mmkeras from where this file is, installed or not."""
    home = Path(__file__).parent
    spec = importlib.util.spec_from_file_location(
        PACKAGE,
        home / "__init__.py",
        submodule_search_locations=[str(home)],
    )
    package = importlib.util.module_from_spec(spec)
    sys.modules[PACKAGE] = package
    spec.loader.exec_module(package)


def _main(setup: str, module: str, *arguments: str) -> int | None:
    """Is what a child runs."""
    settings = json.loads(setup)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    _end_with(settings["parent"], settings["lifeline"])
    sys.path += [path for path in settings["path"] if path not in sys.path]
    _find_package()
    import_places(settings["modules"])
    sys.argv = [module, *arguments]
    return importlib.import_module(module).main(*arguments)


if __name__ == "__main__":
    sys.exit(_main(*sys.argv[1:]))
