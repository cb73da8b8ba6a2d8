"""Test metrics of a real set over several seeds, and of its exported file.

    python benchmarks/accuracy.py avdigits --source FOLDER --seeds 3

`FOLDER` holds the original distribution (see data_specs/NAME.py). For each
seed: the recipe's model trained with a strategy, each modality alone with the
same recipe, and the int8 file of the fused model with its own
verification. A spec that splits at random is split anew for each seed; one
that splits by a column such as `fold_0` takes the fold of the seed's number.
Prints mean and deviation over the seeds.
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

ROOT = Path(__file__).parents[1]
SHOWN = ("accuracy", "macro_f1", "mae", "r2", "wer", "dice", "iou", "entity_f1")


def builder_of(name: str) -> str:
    """Returns the builder of a spec: that of `emodb_speakers` is `emodb`."""
    if (ROOT / "data_specs" / f"{name}.py").is_file():
        return name
    return builder_of(name.rpartition("_")[0])


def build_data(name: str, source: Path, out: Path) -> Path:
    """Writes the manifest of a set once; returns its folder."""
    builder = builder_of(name)
    folder = out / builder
    if not (folder / ".built").exists():
        script = ROOT / "data_specs" / f"{builder}.py"
        command = [sys.executable, script, source, "--out", folder]
        subprocess.run(command, check=True)
        (folder / ".built").touch()
    return folder


def prepare_seed(name: str, root: Path, out: Path, seed: int) -> Path:
    """Prepares the split of one seed; returns the folder."""
    import mmkeras

    spec = mmkeras.load_spec(ROOT / "data_specs" / f"{name}.toml")
    values = spec.to_dict()
    fold = re.fullmatch(r"(.*_)\d+", spec.split.column or "")
    if spec.split.method == "fractions" or fold:
        if fold:
            values["split"]["column"] = f"{fold[1]}{seed}"
        else:
            values["split"]["seed"] = seed
        spec = mmkeras.DataSpec.from_dict(values)
        folder = out / f"{name}-data-{seed}"
    else:
        folder = out / f"{name}-data"
    mmkeras.prepare(spec, folder, root=root)
    return folder


def values_of(result: dict) -> dict[str, float]:
    """Returns `{"target metric": value}` of what `evaluate` returned."""
    return {
        f"{target} {metric}": entry["metrics"][metric]["value"]
        for target, entry in result["targets"].items()
        for metric in SHOWN
        if metric in entry["metrics"]
    }


def run_seed(options: argparse.Namespace, seed: int) -> dict[str, dict]:
    """Trains, evaluates and exports one seed; returns rows of figures."""
    from mmkeras.runs import evaluate_run, train_run
    from mmkeras.spec import read_toml

    recipe = read_toml(options.model)
    root = build_data(options.name, options.source, options.out)
    data = prepare_seed(options.name, root, options.out, seed)
    run = options.out / f"{options.name}-run-{seed}"
    train_run(data, recipe, options.strategy, run, seed, verbose=2)
    result = evaluate_run(run, baselines=not options.no_baselines)
    rows = {"fused": values_of(result)}
    for target, entry in result["targets"].items():
        for baseline in entry["baselines"]:
            row = rows.setdefault(baseline["name"], {})
            for metric in SHOWN:
                if metric in baseline["metrics"]:
                    value = baseline["metrics"][metric]["value"]
                    row[f"{target} {metric}"] = value
    if not options.no_export:
        export(run, options.out / f"{options.name}-bundle-{seed}")
    return rows


def export(run: Path, bundle: Path) -> None:
    """Exports in a process of its own, as a user would."""
    command = [sys.executable, "-m", "mmkeras.export", run, "--out", bundle]
    subprocess.run([*command, "--quantize", "int8", "--force"], check=True)


def print_rows(seeds: list[dict[str, dict]]) -> None:
    for name in seeds[0]:
        print(f"\n{name}")
        for figure in seeds[0][name]:
            values = [rows[name][figure] for rows in seeds]
            if any(value is None for value in values):
                continue
            spread = statistics.stdev(values) if len(values) > 1 else 0.0
            each = ", ".join(f"{value:.4f}" for value in values)
            print(
                f"  {figure:24} {statistics.mean(values):.4f} "
                f"± {spread:.4f}   ({each})"
            )


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("name", help="a spec of data_specs, without .toml")
    options.add_argument("--source", type=Path, required=True)
    options.add_argument("--model", type=Path, help="TOML recipe")
    options.add_argument("--strategy", default="full")
    options.add_argument("--seeds", type=int, default=3)
    options.add_argument("--out", type=Path, default=Path("build/benchmarks"))
    options.add_argument("--no-baselines", action="store_true")
    options.add_argument("--no-export", action="store_true")
    options = options.parse_args()
    # Both specs of EmoDB take one recipe, as they take one builder.
    name = builder_of(options.name)
    recipes = ROOT / "data_specs" / "recipes"
    options.model = options.model or recipes / f"{name}.toml"
    options.out.mkdir(parents=True, exist_ok=True)

    seeds = [run_seed(options, seed) for seed in range(options.seeds)]
    print(f"\n{options.name}, {options.seeds} seeds: mean ± deviation")
    print_rows(seeds)
    path = options.out / f"{options.name}.json"
    path.write_text(json.dumps(seeds, indent=1))


if __name__ == "__main__":
    main()
