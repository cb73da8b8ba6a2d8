"""The file of a kind that travels to the device, run here."""

import importlib.util
from types import ModuleType

from mmkeras.export.bundle.device_code import runner_source
from mmkeras.spec import Kind


def load_device_file(kind: Kind) -> ModuleType:
    """Returns a kind's file for the device as a module, as `run.py` runs it.

    Raises:
        ValueError: If the kind has none.
        ImportError: If it imports what is neither NumPy nor the runner's.
    """
    path, runner = kind.device_path(), runner_source()
    found = importlib.util.spec_from_file_location("mmkeras_runner", runner)
    run = importlib.util.module_from_spec(found)
    found.loader.exec_module(run)
    shared = {shared.parent for shared in kind.device_shared().values()}
    return run.Code([path.parent, runner.parent, *shared], None).load(path.stem)
