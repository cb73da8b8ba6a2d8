"""Builds cmu_mosi: reviews on video, an opinion an utterance.

Zadeh, Zellers, Pincus and Morency, "MOSI", 2016, arXiv 1606.06259 (for
research; please cite). Features, and the split into 62 videos that train and
31 that test, no speaker in both, are those of Poria et al., "Context-Dependent
Sentiment Analysis in User-Generated Videos", ACL 2017, whose LSTM was right in
80.3 % of the utterances. The last fifth of the videos that train validates, as
in their code.

An utterance is a step of three series: its words (100 features of a CNN), its
sound (73 of openSMILE) and its pictures (100 of a 3-D CNN). The files do not
say which class is which; class 1 is taken for positive, as where sentiment is
0 or above.
"""

import pickle
import sys
from pathlib import Path

import builder
import numpy as np

SIZES = {"text": 100, "audio": 73, "video": 100}
CLASSES = ("negative", "positive")
MAX_STEPS = 63
TRAIN_SHARE = 0.8
# All that a pickle of arrays names; anything else could run a program.
ARRAYS = {
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy.core.multiarray", "scalar"),
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("_codecs", "encode"),
}


class Arrays(pickle.Unpickler):
    """Reads a pickle of NumPy arrays, of Python 2 as well, and no other."""

    def find_class(self, module, name):
        if (module.replace("._core", ".core"), name) not in ARRAYS:
            raise pickle.UnpicklingError(f"it names {module}.{name}")
        return super().find_class(module.replace(".core", "._core"), name)


def build(source: Path, folder: Path) -> int:
    """Writes the files and the manifest; returns the number of videos."""
    found = {name: read(source, name, size) for name, size in SIZES.items()}
    rows = []
    for part, (_, labels, lengths) in found["text"].items():
        for name, parts in found.items():
            (folder / name).mkdir(exist_ok=True)
            if any(
                not np.array_equal(mine, other)
                for mine, other in zip((labels, lengths), parts[part][1:])
            ):
                raise ValueError(
                    f"`{source}` must hold three files of the same videos. "
                    f"Received: other labels in {name} than in text"
                )
        for place, length in enumerate(lengths):
            row = {"id": f"{part}_{place:02}", "utterances": length}
            for name, parts in found.items():
                row[name] = f"{name}/{row['id']}.npy"
                np.save(folder / row[name], parts[part][0][place, :length])
            row["sentiment"] = "|".join(
                CLASSES[i] for i in labels[place, :length]
            )
            validates = part == "train" and place >= int(
                TRAIN_SHARE * len(lengths)
            )
            rows.append({**row, "split": "validation" if validates else part})
    return builder.write_manifest(folder, rows)


def read(source: Path, name: str, size: int) -> dict[str, tuple]:
    """Returns features, labels and lengths of each part."""
    path = source / f"{name}_2way.pickle"
    try:
        with open(path, "rb") as file:
            found = Arrays(file, encoding="latin1").load()
        parts = {
            "train": (found[0], found[1], found[5]),
            "test": (found[2], found[3], found[6]),
        }
        return {p: checked(*arrays, size) for p, arrays in parts.items()}
    except (pickle.UnpicklingError, EOFError, LookupError, TypeError) as error:
        raise ValueError(
            f"`{path}` must be the pickled arrays of MOSI. Received: {error}"
        ) from None


def checked(values, labels, lengths, size: int) -> tuple:
    """Returns arrays of one part; labels as indices, without their padding."""
    values, labels = np.asarray(values, "float32"), np.asarray(labels)
    lengths = np.asarray(lengths, int)
    # One of two numbers a class is 1, in the files as they were at first.
    labels = labels.argmax(-1) if labels.ndim == 3 else labels.astype(int)
    if (
        values.shape != (len(lengths), MAX_STEPS, size)
        or labels.shape != values.shape[:2]
        or not ((0 < lengths) & (lengths <= MAX_STEPS)).all()
        or not {*np.unique(labels)} <= {0, 1}
    ):
        raise TypeError(
            f"values {values.shape}, for (videos, {MAX_STEPS}, {size}), with "
            f"labels {labels.shape} and {lengths.shape} lengths"
        )
    known = np.arange(MAX_STEPS) < lengths[:, None]
    return values, np.where(known, labels, 0), lengths


BUILDER = builder.Builder(
    name="cmu_mosi",
    source="text_2way.pickle, audio_2way.pickle and video_2way.pickle, of its "
    "folder dataset/mosi/raw",
    home="https://github.com/soujanyaporia/multimodal-sentiment-analysis",
    build=build,
)

if __name__ == "__main__":
    sys.exit(builder.main(BUILDER))
