"""What all tests share: the real data, a device, and a quiet Keras."""

import gc
import importlib.metadata
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import forking
import offline
import pytest
import stackless

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
# No test may reach for a network: a hub that is asked must fail at once.
os.environ.setdefault("HF_HUB_OFFLINE", "1")

# A shell has jobs in the background ignore Ctrl-C, and children inherit that:
# a test that stops something would stop nothing.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
offline.block()
forking.install()

ROOT = Path(__file__).parents[1]
# All that a device has beside Python.
NEEDED = ("numpy", "ai-edge-litert")


# The slowest files, longest first: one that begins last keeps one core busy.
SLOWEST = (
    "test_pairs.py",
    "test_notebooks.py",
    "test_contract.py",
    "test_fault_06.py",
    "test_cli.py",
    "test_qat_file.py",
    "test_golden.py",
    "test_backends.py",
    "test_compare_run.py",
    "test_fault_02.py",
    "test_ensembles.py",
    "test_pruning.py",
    "test_component.py",
)


def pytest_collection_modifyitems(items):
    """The slowest files first, the others in their order."""
    place = {name: i for i, name in enumerate(SLOWEST)}
    items.sort(key=lambda item: place.get(item.path.name, len(place)))


def pytest_collection_finish():
    """Spares the garbage collector what is imported and so never garbage.

    TensorFlow's million objects are walked through at every conversion to
    TFLite, and whenever a model is traced: half a second each time.
    """
    gc.collect()
    gc.freeze()
    if "tensorflow" in sys.modules:
        stackless.forget_stacks()


@pytest.fixture(autouse=True)
def _offline():
    """Fails what has reached for a network, even if the error was caught."""
    yield
    reached, offline.REACHED[:] = list(offline.REACHED), []
    assert not reached, f"A test must stay offline. Received: {reached}"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with the real data sets, beside the checkout."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("needs the real data sets in ../shared/data")
    return folder


@pytest.fixture(scope="session")
def device_python(tmp_path_factory) -> Path:
    """A Python that has NumPy and ai-edge-litert, and nothing more.

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
