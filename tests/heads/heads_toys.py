"""A data set of nothing but a CSV file, with a target of every kind."""

import csv

import numpy as np

from mmkeras.spec import DataSpec

WORDS = {"rest": ["calm", "still"], "walk": ["left", "right"], "run": ["fast"]}
SPEC = {
    "name": "kinds",
    "split": {"train": 0.6, "validation": 0.1, "test": 0.3},
    "modalities": {
        "table": {"kind": "vector", "columns": ["a", "b", "c"]},
        "note": {"kind": "text", "column": "note", "optional": True,
                 "max_tokens": 8, "tokenizer": "word"},
    },
    "targets": {
        "side": {"kind": "category", "column": "side",
                 "classes": ["left", "right"]},
        "tags": {"kind": "categories", "column": "tags",
                 "classes": ["a", "b"]},
        "grade": {"kind": "ordinal", "column": "grade",
                  "classes": ["low", "mid", "high"]},
        "move": {"kind": "sequence", "column": "move", "steps": 4,
                 "modality": "note", "classes": ["rest", "walk", "run"]},
        "size": {"kind": "number", "column": "size", "unit": "mm"},
        "who": {"kind": "embedding", "column": "who"},
    },
}  # fmt: skip


def write_table(folder, samples=240, seed=0):
    """Writes `manifest.csv`; every ninth label of every target is missing."""
    rng = np.random.default_rng(seed)
    rows = []
    for i in range(samples):
        a, b, c = rng.uniform(-1, 1, 3)
        moves = rng.choice(list(WORDS), 4)
        words = [rng.choice(WORDS[move]) for move in moves for _ in range(2)]
        row = {
            "a": f"{a:.4f}",
            "b": f"{b:.4f}",
            "c": f"{c:.4f}",
            "note": " ".join(words) if i % 7 else "",
            "side": "left" if a < 0 else "right",
            "tags": "|".join(n for n, v in (("a", a), ("b", b)) if v > 0),
            "grade": "low" if b < -0.4 else "mid" if b < 0.4 else "high",
            "move": "|".join(moves) if i % 7 else "",
            "size": f"{10 + 4 * c:.3f}",
            "who": f"person {int(4 * (c + 1))}",
        }
        for place, target in enumerate(SPEC["targets"]):
            if i % 9 == place:
                row[target] = ""
        if i % 5 == 0 and row["move"]:
            row["move"] = "|" + row["move"].split("|", 1)[1]
        rows.append(row)
    with open(folder / "manifest.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return rows


def toy_spec(folder, **move):
    targets = {**SPEC["targets"], "move": {**SPEC["targets"]["move"], **move}}
    data = {"root": str(folder)}
    return DataSpec.from_dict({**SPEC, "targets": targets, "data": data})
