"""Seconds to build each tower and fusion of the package, after imports.

    python benchmarks/building.py

Each part is built in the sizes that its function takes by default, weights
included; the median of three. Aim: at most 2 s.
"""

import argparse
import os
import statistics
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import keras_hub  # noqa: F401, its import is not what is measured

from mmkeras import towers
from mmkeras.checks import fused_classifier
from mmkeras.fusion import FUSIONS

# What a tower has to be told: the shape of a sample, as in a small data set.
SHAPES = {
    "image": (128, 128, 3),
    "audio": (32000, 16000),
    "text": (128, 8000),
    "vector": (32,),
    "series": (1000, 6),
    "video": (16, 64, 64, 3),
    "volume": (32, 64, 64),
    "points": (4096, 4),
}
VARIANTS = {
    "image": (
        "cnn", "mobilenet", "resnet18", "resnet50", "resnet152",
        "efficientnet", "vit",
    ),
    "audio": (
        "cnn", "gru", "lstm", "wavenet", "resnet", "whisper", "moonshine",
    ),
    "text": (
        "bag", "cnn", "gru", "lstm", "transformer", "bert", "distilbert",
        "roberta",
    ),
    "vector": ("mlp", "ft_transformer", "grouped"),
    "series": ("resnet", "tcn", "gru", "lstm", "patch_transformer"),
    "video": ("gru", "attention", "cnn3d", "differences"),
    "volume": ("cnn", "resnet"),
    "points": ("pointnet",),
}  # fmt: skip


def seconds(make) -> float:
    times = []
    for _ in range(3):
        keras.backend.clear_session()
        start = time.perf_counter()
        make()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def main() -> None:
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    found = {}
    for kind, variants in VARIANTS.items():
        make = getattr(towers, f"{kind}_tower")
        for variant in variants:
            found[f"{kind} {variant}"] = seconds(
                lambda make=make, kind=kind, variant=variant: make(
                    *SHAPES[kind], variant=variant
                )
            )
    for name, part in FUSIONS.parts.items():
        make, late = part.build, part.build.decides
        found[f"fusion {name}"] = seconds(
            lambda make=make, late=late: fused_classifier(
                make(3 if late else 64)
            )
        )
    for name, value in sorted(found.items(), key=lambda item: -item[1]):
        print(f"{name:32}{value:8.2f} s{'' if value <= 2 else '  over 2 s'}")


if __name__ == "__main__":
    main()
