"""Every fusion on one data set: what it gains and what it costs.

    python benchmarks/fusions.py DATA --model RECIPE --seeds 3 --out TABLE.csv

`DATA` is a prepared folder. For each seed the towers of the recipe are trained
alone, once, and then stay as they are: what they say of every sample (of the
training split in `--passes` different augmentations) is computed once, and
each fusion learns from it, with the same heads, steps, batches and modality
dropout. So the table compares fusions and nothing else; towers trained along
with their fusion would do better, all of them.

Accuracy is the mean and deviation over the seeds on the test split, also with
each optional modality absent. Parameters are those of the fusion. The train
step is that of the whole model, towers included; step, latency and size are
measured at the end, on an idle machine if they shall say anything:
`--no-costs` leaves them to a later call with `--resume`, which goes on with a
table that was stopped.
"""

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import pandas as pd
import tensorflow as tf

import mmkeras
from mmkeras.export import latencies_ms, open_file, quantize_tflite, to_tflite
from mmkeras.fusion import FUSIONS
from mmkeras.spec import read_toml
from mmkeras.training import (
    ModalityWeightsFromValidation,
    embedding_model,
    fusion_model,
)
from mmkeras.training.stages import (
    OneModality,
    modality_weighted_layers,
    present_columns,
)
from mmkeras.training.trainable import modalities, tower_model


def train_towers(data, recipe: dict, seed: int) -> keras.Model:
    """Returns a whole model whose towers were trained alone."""
    keras.utils.set_random_seed(seed)
    model, heads = mmkeras.build_from_recipe(data.spec, data.statistics, recipe)
    settings = dict(recipe.get("training", {}))
    stages = settings.pop("component", {})
    settings.pop("full", None)
    settings.pop("batch_size", None)
    names = sorted(data.spec.modalities)
    columns = present_columns(data, names, len(data.spec.optional))
    strategy = mmkeras.FullFineTune(
        **settings, epochs=stages.get("tower_epochs", 10)
    )
    for name in names:
        alone = tower_model(model, name, heads)
        strategy.fit(
            alone,
            OneModality(data, name, columns.get(name)),
            heads,
            seed=seed,
            verbose=0,
        )
    return model


def say(model: keras.Model, dataset, passes: int = 1) -> tuple[dict, dict]:
    """Returns what the towers say of a split, packed, and its labels."""
    names = modalities(model)
    # Of every modality, since some of the fusions read tokens.
    towers = embedding_model(model, tokens=names)
    x, y = {}, {}
    for _ in range(passes):
        for batch, labels, _ in dataset:
            said = towers.predict_on_batch({n: batch[n] for n in names})
            if "present" in batch:
                said["present"] = np.asarray(batch["present"])
            for key, value in said.items():
                x.setdefault(key, []).append(np.asarray(value))
            for key, value in labels.items():
                y.setdefault(key, []).append(np.asarray(value))
    return (
        {key: np.concatenate(parts) for key, parts in x.items()},
        {key: np.concatenate(parts) for key, parts in y.items()},
    )


def accuracy(model: keras.Model, x: dict, y: dict) -> float:
    """Mean over the targets of the share of right decisions."""
    answers = model.predict(x, verbose=0, batch_size=256)
    return statistics.mean(
        float((answers[name].argmax(-1) == labels).mean())
        for name, labels in y.items()
        if labels.dtype.kind == "i"
    )


def build(data, method: str, recipe: dict, units: int) -> tuple:
    """Returns the recipe's model with one fusion, and its heads."""
    recipe = {**recipe, "fusion": {"method": method}}
    if not FUSIONS.parts[method].build.decides:
        recipe["fusion"]["units"] = units
    return mmkeras.build_from_recipe(data.spec, data.statistics, recipe)


def learn(data, trained, method: str, recipe: dict, cache: dict, options):
    """Trains one fusion; returns its accuracies."""
    keras.utils.set_random_seed(cache["seed"])
    whole, heads = build(data, method, recipe, options.units)
    for name in data.spec.modalities:
        tower = trained.get_layer(f"{name}_tower")
        whole.get_layer(f"{name}_tower").set_weights(tower.get_weights())
    (x, y), (test_x, test_y) = cache["train"], cache["test"]
    model = fusion_model(whole, tokens=modalities(whole))
    steps = options.epochs * -(-len(x[next(iter(data.spec.modalities))]) // 64)
    model.compile(
        keras.optimizers.AdamW(
            keras.optimizers.schedules.CosineDecay(2e-3, steps),
            weight_decay=0.01,
        ),
        loss={name: head.loss() for name, head in heads.items()},
    )
    model.fit(
        x,
        y,
        validation_data=cache["validation"],
        validation_batch_size=256,
        epochs=options.epochs,
        batch_size=64,
        callbacks=modality_weights(model, heads, cache["validation"]),
        verbose=0,
    )
    row = {"accuracy": accuracy(model, test_x, test_y)}
    for i, name in enumerate(data.spec.optional):
        present = test_x["present"].copy()
        present[:, i] = 0
        gone = {**test_x, "present": present}
        row[f"without_{name}"] = accuracy(model, gone, test_y)
    return row


def modality_weights(
    model: keras.Model, heads: dict, validation: tuple
) -> list:
    """What sets the weights of a late fusion that has some."""
    if not modality_weighted_layers(model):
        return []
    batches = tf.data.Dataset.from_tensor_slices(validation).batch(256)
    losses = {name: head.loss() for name, head in heads.items()}
    return [ModalityWeightsFromValidation(model, losses, batches)]


def add_costs(rows: list[dict], recipe: dict, options) -> None:
    """Adds what each fusion costs to its row of seed 0.

    The files are timed in turns: one after the other, the machine's own ups
    and downs were larger than what lies between two fusions.
    """
    data = mmkeras.load_data(options.data, batch_size=64)
    x, y, _ = next(iter(data.train))
    first = {row["fusion"]: row for row in rows if row["seed"] == 0}
    with tempfile.TemporaryDirectory() as folder:
        runs = {}
        for method, row in first.items():
            file = Path(folder) / f"{method}.tflite"
            row.update(costs(data, x, y, method, recipe, options.units, file))
            runs[method] = open_file(file)
            print("costs of", method, flush=True)
            keras.backend.clear_session(free_memory=True)
        samples = {key: np.asarray(value) for key, value in x.items()}
        for method, latency_ms in latencies_ms(runs, samples, 60.0).items():
            first[method]["int8_ms"] = latency_ms


def costs(
    data, x, y, method: str, recipe: dict, units: int, target: Path
) -> dict[str, float]:
    """Parameters, train step and int8 size of the whole model; its file."""
    whole, heads = build(data, method, recipe, units)
    fusions = [layer for layer in whole.layers if layer.name.endswith("fusion")]
    whole.compile(
        "adam", loss={name: head.loss() for name, head in heads.items()}
    )
    times = []
    for _ in range(15):
        start = time.perf_counter()
        whole.train_on_batch(x, y)
        times.append(time.perf_counter() - start)
    samples = {key: np.asarray(value)[:32] for key, value in x.items()}
    source = target.with_suffix(".float.tflite")
    to_tflite(whole, source)
    quantize_tflite(source, target, samples)
    return {
        "parameters": sum(layer.count_params() for layer in fusions),
        "train_step_ms": 1000 * statistics.median(times[5:]),
        "int8_kb": target.stat().st_size / 1000,
    }


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("data", type=Path, help="prepared folder")
    options.add_argument("--model", type=Path, required=True)
    options.add_argument("--seeds", type=int, default=3)
    options.add_argument("--epochs", type=int, default=15)
    options.add_argument("--passes", type=int, default=3)
    options.add_argument("--units", type=int, default=64)
    options.add_argument(
        "--fusions",
        nargs="+",
        choices=FUSIONS.parts,
        default=list(FUSIONS.parts),
    )
    options.add_argument("--out", type=Path, required=True)
    options.add_argument("--resume", action="store_true")
    options.add_argument("--no-costs", action="store_true")
    options = options.parse_args()
    recipe = read_toml(options.model)
    rows = []
    if options.resume and options.out.exists():
        rows = pd.read_csv(options.out).to_dict("records")
    done = {(row["fusion"], row["seed"]) for row in rows}

    for seed in range(options.seeds):
        wanted = [m for m in options.fusions if (m, seed) not in done]
        if not wanted:
            continue
        data = mmkeras.load_data(options.data, batch_size=64, seed=seed)
        trained = train_towers(data, recipe, seed)
        cache = {
            "seed": seed,
            "train": say(trained, data.train, options.passes),
            "validation": say(trained, data.validation),
            "test": say(trained, data.test),
        }
        for method in wanted:
            row = learn(data, trained, method, recipe, cache, options)
            rows.append({"fusion": method, "seed": seed, **row})
            pd.DataFrame(rows).to_csv(options.out, index=False)
            print(seed, method, round(row["accuracy"], 4), flush=True)
            keras.backend.clear_session(free_memory=True)
    if not options.no_costs:
        add_costs(rows, recipe, options)
        pd.DataFrame(rows).to_csv(options.out, index=False)
    print_table(pd.DataFrame(rows))


def print_table(rows: pd.DataFrame) -> None:
    """Prints the means over the seeds as Markdown, the best first."""
    shares = [
        name
        for name in rows
        if name == "accuracy" or name.startswith("without_")
    ]
    costs = [n for n in rows if n not in (*shares, "fusion", "seed")]
    groups = rows.groupby("fusion")
    means = groups.mean().sort_values("accuracy", ascending=False)
    spread = groups[shares].std().fillna(0.0)
    names = ["fusion", *shares, *costs]
    print("| " + " | ".join(names) + " |")
    print("| " + " | ".join(["---"] * len(names)) + " |")
    for fusion, row in means.iterrows():
        cells = [f"{row[n]:.3f} ± {spread.loc[fusion, n]:.3f}" for n in shares]
        cells += [
            f"{row[n]:,.0f}" if n == "parameters" else f"{row[n]:,.2f}"
            for n in costs
        ]
        print(f"| {fusion} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
