"""Artefacts of every kind that are small: their manifests have each field."""

from pathlib import Path

from mmkeras import artefact

# Where a test needs no data in it.
DATA = {
    "spec": {},
    "spec_sha256": "0" * 64,
    "source_sha256": "0" * 64,
    "seed": 0,
    "statistics": {"modalities": {}, "targets": {}},
    "splits": {
        name: {"count": 0, "shards": []}
        for name in ("train", "validation", "test")
    },
    "quarantined": {},
}
SHARE = {"steps": None, "seconds": 1.5}
PROGRESS = {
    "stage": 1, "stage_epochs": 1, "iterators": 2, "stopped": False,
    "share": SHARE, "left_out": ["é"],
    "rows": [{"epoch": 1, "stage": "all", "loss": 1e-05}], "callbacks": [{}],
}  # fmt: skip
CACHED = {
    "batch_size": 2, "record_bytes": 4, "count": 3, "files": ["a.bin"],
    "arrays": [["x", "image", "float32", [1]]],
}  # fmt: skip
BUNDLE = {
    "name": "toy",
    "spec_sha256": "0" * 64,
    "model": {"file": "a.bin", "format": "tflite", "quantize": "int8",
              "signature": "serving_default"},
    "inputs": {"image": {"kind": "image", "shape": [2, 2, 1],
                         "dtype": "uint8", "optional": True}},
    "outputs": {"digit": {"kind": "category", "classes": ["a", "b\x1b"]}},
    "streams": {"image": {"signature": "step", "step": 1}},
    "present": ["image"],
}  # fmt: skip
# Fields of a manifest of every kind.
FIELDS = {
    "data": DATA,
    "run": {"data": "é", "data_sha256": "0" * 64, "spec": {}, "seed": 0,
            "recipe": {"training": {"learning_rate": 0.001}},
            "strategy": "full", "vocabularies": {"text": "0" * 64}},
    "checkpoint": {"epoch": 3, "progress": PROGRESS, "fingerprint": {"a": 1}},
    "bundle": BUNDLE,
    "embeddings": {"splits": {"train": CACHED, "validation": None}},
    "index": {"dtype": "float32", "count": 3, "units": 2, "spec": {},
              "encoders": {"image": {"file": "a.bin", "output": "image",
                                     "inputs": ["image"]}}},
    "trial": {"recipe": {}, "figures": {"val_loss": 0.25}, "parameters": 9,
              "failed": None, "seconds": 1.5},
    "measured": {"identity": {"seed": 1}},
    "evaluation": {},
}  # fmt: skip


def write_toy(folder: Path, kind: str) -> Path:
    """Writes an artefact of two files; returns the path of its manifest."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "a.bin").write_bytes(bytes(range(256)))
    files = ["a.bin", "labels.json"]
    artefact.write_json(folder / "labels.json", {"digit": ["a", "b\x1b"]})
    artefact.write_manifest(folder, kind, files, **FIELDS[kind])
    return folder / artefact.MANIFEST
