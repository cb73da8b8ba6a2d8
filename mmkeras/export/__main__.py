"""`python -m mmkeras.export RUN --quantize int8 --out BUNDLE`."""

import argparse
import os
import signal
import sys
from pathlib import Path
from typing import NoReturn

from mmkeras import processes

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def parser() -> argparse.ArgumentParser:
    """Returns the command line's options."""
    options = argparse.ArgumentParser(
        prog="python -m mmkeras.export",
        description="Converts a trained run, verifies it on the test split "
        "and writes a bundle for the device.",
    )
    add = options.add_argument
    add("run", type=Path, help="folder written by `mmkeras train`")
    add("--out", type=Path, required=True, help="folder of the bundle")
    add(
        "--quantize",
        default="int8",
        help="none, float16, dynamic, int16x8, int4 (weights) or int8: the "
        "better one of int8-heavy (the heavy operators) and int8-full (all), "
        "or mixed (all heavy ones that do not hurt)",
    )
    add(
        "--float-layers",
        default="",
        help="parts of names of layers to keep in float, with commas",
    )
    add(
        "--format",
        default="tflite",
        help="tflite, onnx, c-array, several with commas; litert is tflite",
    )
    add(
        "--max-drop",
        type=float,
        default=0.01,
        help="largest drop of a task metric, as a fraction",
    )
    add("--target", help="device profile the file has to fit, or a TOML file")
    add(
        "--budget-kb",
        type=float,
        help="search for a smaller model whose file has so many kB at most",
    )
    add(
        "--budget-ms",
        type=float,
        help="or whose answer takes so long at most, here, on one thread",
    )
    add(
        "--search-epochs",
        type=int,
        default=3,
        help="epochs of each pruned model of a search",
    )
    add("--data", type=Path, help="prepared data, if they have moved")
    add("--samples", type=int, default=2000, help="test samples at most")
    add("--force", action="store_true", help="replace any folder at --out")
    add(
        "--import",
        dest="modules",
        metavar="MODULE",
        action="append",
        default=[],
        help="module with kinds of your own; may be given several times",
    )
    add("--debug", action="store_true", help="show tracebacks and converters")
    return options


def run(options: argparse.Namespace) -> None:
    """Exports, and prints path, size and the next command."""
    from mmkeras import artefact
    from mmkeras.export import bundle, export
    from mmkeras.export.bundle.device_profiles import load_profile
    from mmkeras.runs import open_data
    from mmkeras.spec import DataSpec

    manifest = artefact.read_manifest(options.run, "run")
    profile = load_profile(options.target) if options.target else None
    formats = options.format.replace("litert", "tflite").split(",")
    settings = {
        "quantize": options.quantize,
        "formats": list(dict.fromkeys(formats)),
        "max_drop": options.max_drop,
        "test_samples": options.samples,
        "float_layers": [x for x in options.float_layers.split(",") if x],
        "target": profile,
        "force": options.force,
        "debug": options.debug,
    }
    if options.budget_kb is None and options.budget_ms is None:
        export(
            options.run,
            DataSpec.from_dict(manifest["spec"], str(options.run)),
            open_data(manifest, options.data, augment=False),
            options.out,
            **settings,
        )
    else:
        search(options, settings)
    written = artefact.read_manifest(options.out, "bundle")
    size = sum(entry["bytes"] for entry in written["files"].values())
    print(f"{options.out}: {size:,} bytes")
    print(f"Next: {bundle.next_command(written, options.out)}")


def search(options: argparse.Namespace, settings: dict) -> None:
    """Looks for a model within the budget, and exports that."""
    from mmkeras.studies.shrink import Budget, shrink_run

    shrink_run(
        options.run,
        options.out,
        Budget(options.budget_kb, options.budget_ms),
        epochs=options.search_epochs,
        data_folder=options.data,
        **settings,
    )


def main(arguments: list[str] | None = None) -> int:
    """Runs the command; a user's error is one message and exit code 2."""
    options = parser().parse_args(arguments)
    before = signal.signal(signal.SIGTERM, _stop)
    try:
        processes.import_modules(options.modules)
        run(options)
    except KeyboardInterrupt as error:
        stopped = error.args == (signal.SIGTERM,)
        print("stopped: no bundle was written; the same command starts anew",
              file=sys.stderr)  # fmt: skip
        return 143 if stopped else 130
    except (ValueError, OSError) as error:
        if options.debug:
            raise
        print(f"error: {error}", file=sys.stderr)
        return 2
    finally:
        signal.signal(signal.SIGTERM, before)
    return 0


def _stop(number: int, _frame: object) -> NoReturn:
    # As Ctrl-C does: every folder and process is cleared away on its way out.
    raise KeyboardInterrupt(signal.Signals(number))


if __name__ == "__main__":
    sys.exit(main())
