"""The int8 recipes, and the one that is shipped: the one measured best."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

from mmkeras.export.bundle.card import failures, largest_drop
from mmkeras.export.recipes.layer_errors import worth_floating
from mmkeras.export.worker import tasks

# What is made from the float file, each in a process of its own.
RECIPES = {
    "int8": ("int8-heavy", "int8-full"),
    "int8-heavy": ("int8-heavy",),
    "int8-full": ("int8-full",),
    "int16x8": ("int16x8",),
    "int4": ("int4",),
    "mixed": ("mixed",),
}
Run = Callable[[dict, Callable[[str], None]], None]


def make_recipes(
    job: dict, run: Run, report: Callable[[str], None]
) -> dict[str, str]:
    """Makes the quantized TFLite files; returns what each refusal said.

    Where there is a choice, a recipe that is refused or crashes is left out;
    if none is left, ValueError says why.
    """
    names = RECIPES.get(job["quantize"], ())
    refused: dict[str, str] = {}
    for name in names:
        try:
            run({**job, "task": name}, report)
        except ValueError as error:
            if len(refused) == len(names) - 1:
                raise
            refused[name] = str(error).splitlines()[0]
            report(f"left out: {name}: {refused[name]}")
    return refused


def tflite_files(job: dict) -> dict[str, str]:
    """Returns the TFLite files in the job's folder, as the card names them."""
    folder = Path(job["folder"])
    stems = RECIPES.get(job["quantize"], (job["quantize"],))
    files = {"tflite float32": "float.tflite"}
    for stem in stems:
        if (folder / f"{stem}.tflite").is_file():
            files[f"tflite {stem}"] = f"{stem}.tflite"
    return files


def choose(card: dict, quantize: str, refused: Mapping[str, str]) -> str | None:
    """Chooses among the recipes that were measured, and notes all in the card.

    Of those that hold every metric, the fastest on this machine; where none
    does, the one that loses least.

    Args:
        card: The card.
        quantize: What was asked for.
        refused: What the refused recipes said, by name.

    Returns:
        The name of the recipe; None where there is nothing to choose.
    """
    if quantize not in RECIPES:
        return None
    entries = {}
    for name in (*RECIPES[quantize], "mixed"):
        label = f"tflite {name}"
        if label in card["files"]:
            drop = largest_drop(card, label)
            passes = not failures(card, [label])
            entries[name] = {
                **card["files"][label], "drop": drop, "passes": passes
            }  # fmt: skip
        elif name in refused:
            entries[name] = {"refused": refused[name]}
    made = {n: e for n, e in entries.items() if "refused" not in e}
    passing = {n: e for n, e in made.items() if e["passes"]}
    if passing:
        chosen = min(passing, key=lambda n: passing[n]["latency_ms"])
    else:
        chosen = min(made, key=lambda n: made[n]["drop"])
    card["recipes"], card["recipe"] = entries, chosen
    return chosen


def rename(card: dict, old: str, new: str) -> None:
    """Gives a file of the card another name, in its place."""
    for table in [card["files"], *(
        found for targets in card["scenarios"].values()
        for found in targets.values()
    )]:  # fmt: skip
        items = [(new if k == old else k, v) for k, v in table.items()]
        table.clear()
        table.update(items)


def add_advice(card: dict, folder: Path) -> None:
    """Notes the error of each layer, and the layers worth keeping in float."""
    errors = _read(folder / tasks.ERRORS)
    names = _read(folder / tasks.NAMES)
    layers: dict[str, dict] = {}
    for key, values in (("snr_db", errors["whole"]), ("own_db", errors["own"])):
        for scope, value in values.items():
            entry = layers.setdefault(names.get(scope, scope), {})
            # Of several operators of one layer: the last one in the file;
            # alone, the one that hurts most.
            value = round(value, 1)
            entry[key] = min(value, entry.get(key, value)) if (
                key == "own_db"
            ) else value  # fmt: skip
    kept = card.get("float_layers", ())
    worst, gain = worth_floating(
        {k: v for k, v in errors["own"].items() if names[k] not in kept}
    )
    card["layers"] = layers
    card["advice"] = {
        "worth_floating": list(dict.fromkeys(names[scope] for scope in worst)),
        "gain_db": round(gain, 1),
    }


def _read(path: Path):
    return json.loads(path.read_text(encoding="utf-8"))
