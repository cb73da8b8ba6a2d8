"""A device: a Python that has NumPy and ai-edge-litert, and nothing more."""

import importlib.metadata
import re
import subprocess
import sys
from pathlib import Path

import pytest
from export.export_toys import runner

ROOT = Path(__file__).parents[2]
NEEDED = ("numpy", "ai-edge-litert")


@pytest.fixture(scope="session")
def device_python(tmp_path_factory) -> Path:
    """The interpreter of a virtual environment without TensorFlow.

    `make test` has made one; without it, one is made here.
    """
    ready = ROOT / ".venv-device"
    if (ready / "installed").is_file():
        return ready / "bin" / "python"
    folder = tmp_path_factory.mktemp("device")
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    python = folder / "bin" / "python"
    install = [python, "-m", "pip", "install", "--quiet", *NEEDED]
    try:
        subprocess.run(install, check=True, timeout=300, capture_output=True)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
        link_packages(folder, NEEDED)
    return python


def link_packages(folder: Path, names) -> None:
    """Links installed packages, and what they need, into an environment."""
    (site,) = folder.glob("lib/python*/site-packages")
    wanted, done = list(names), set()
    while wanted:
        name = wanted.pop()
        if name in done:
            continue
        done.add(name)
        try:
            package = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue
        for file in package.files or ():
            top = site / file.parts[0]
            if file.parts[0] not in ("..", "__pycache__") and not top.exists():
                top.symlink_to(package.locate_file(file.parts[0]))
        for requirement in package.requires or ():
            if "extra ==" not in requirement:
                wanted.append(re.match(r"[\w.-]+", requirement)[0])


@pytest.fixture(scope="session")
def runner_module():
    """The module `run.py` of the toy bundle, imported here."""
    return runner()
