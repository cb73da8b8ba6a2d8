"""What a teacher with all modalities is worth to a student with one.

    python benchmarks/distillation.py RUN --modality audio

The student has the recipe of the run at half its width and one modality. It
is trained with the labels alone, and by the run as its teacher; with all the
labels, and with those of every twentieth sample (`--every`), where a sample
without label still has the teacher's answer. Prints the accuracy on the test
split.
"""

import argparse
import time
from pathlib import Path

import keras
import numpy as np

from mmkeras import artefact, heads
from mmkeras.compress import SoftLabels, distill
from mmkeras.model import load_model
from mmkeras.runs import build_from_recipe, open_data, smaller


def arrays(dataset) -> list[dict[str, np.ndarray]]:
    """Returns inputs, labels and weights of a whole split."""
    parts = list(dataset.as_numpy_iterator())
    return [
        {name: np.concatenate([p[i][name] for p in parts]) for name in first}
        for i, first in enumerate(parts[0])
    ]


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("run", type=Path)
    options.add_argument("--data", type=Path, help="where they are now")
    options.add_argument("--modality", default="audio")
    options.add_argument("--width", type=float, default=0.5)
    options.add_argument("--epochs", type=int, default=8)
    options.add_argument("--every", type=int, nargs="+", default=[1, 20])
    options.add_argument("--samples", type=int, help="of the training split")
    options.add_argument("--batch-size", type=int, default=64)
    options.add_argument("--temperature", type=float, default=4.0)
    options = options.parse_args()

    manifest = artefact.read_manifest(options.run, "run")
    data = open_data(manifest, options.data, augment=False)
    spec = data.spec.only(options.modality)
    recipe = {**manifest["recipe"], "modality_dropout": 0.0}
    towers = recipe.get("towers", {}).items()
    recipe["towers"] = {k: v for k, v in towers if k == options.modality}
    recipe = smaller(recipe, spec, options.width)
    teacher = load_model(options.run)
    x, y, weight = [
        {name: array[: options.samples] for name, array in part.items()}
        for part in arrays(data.train)
    ]
    test = arrays(data.test)
    count = len(next(iter(x.values())))

    print("labels  taught by   accuracy   seconds")
    for every in options.every:
        labelled = np.float32(np.arange(count) % every == 0)
        given = {name: w * labelled for name, w in weight.items()}
        for name, share in (("labels", 1.0), ("teacher", 0.3)):
            keras.utils.set_random_seed(0)
            student, kinds = build_from_recipe(spec, data.statistics, recipe)
            steps = options.epochs * -(-count // options.batch_size)
            rate = keras.optimizers.schedules.CosineDecay(
                0.0, steps, warmup_target=0.003, warmup_steps=steps // 10
            )
            start = time.perf_counter()
            distill(
                teacher,
                student,
                keras_batches(x, y, given, options.batch_size),
                options.epochs,
                loss=heads.losses(kinds),
                optimizer=keras.optimizers.AdamW(rate, clipnorm=1.0),
                distillation_losses=SoftLabels(options.temperature),
                student_loss_weight=share,
                optional=data.spec.optional,
            )
            seconds = time.perf_counter() - start
            accuracy = score(student, *test)
            print(
                f"{int(labelled.sum()):6d}  {name:9s} "
                + ", ".join(f"{k} {v:.4f}" for k, v in accuracy.items())
                + f"  {seconds:6.1f}",
                flush=True,
            )


def keras_batches(x, y, weight, batch_size):
    """Batches in a new order each epoch."""
    import tensorflow as tf

    dataset = tf.data.Dataset.from_tensor_slices((x, y, weight))
    return dataset.shuffle(len(dataset), seed=0).batch(batch_size)


def score(student, x, y, weight) -> dict[str, float]:
    """Returns the accuracy of each category."""
    heard = {name: x[name] for name in student.input}
    answers = student.predict(heard, verbose=0)
    return {
        name: np.average(answer.argmax(1) == y[name], weights=weight[name])
        for name, answer in answers.items()
        if y[name].dtype == np.int32
    }


if __name__ == "__main__":
    main()
