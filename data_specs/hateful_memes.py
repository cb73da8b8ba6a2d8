"""Builds hateful_memes: a picture, the text on it, and whether it is hateful.

Kiela et al., "The Hateful Memes Challenge", 2020, arXiv 2005.04790 (licence of
the challenge: research only, no passing on). 8,500 memes train; the "seen"
parts validate (500) and test (1,000), in the first release called dev and
test. The field measures AUROC.

A meme without a picture is left out, one without a label, as the test set of
the first release, keeps none; both are counted.
"""

import json
import sys
from collections import Counter
from pathlib import Path

import builder

# Of each split, the file of the second release and that of the first.
PARTS = {
    "train": ("train.jsonl",),
    "validation": ("dev_seen.jsonl", "dev.jsonl"),
    "test": ("test_seen.jsonl", "test.jsonl"),
}
LABELS = {0: "not_hateful", 1: "hateful", None: ""}


def build(source: Path, folder: Path) -> int:
    """Writes the files and the manifest; returns the number of memes."""
    rows, counts = [], Counter()
    for split, names in PARTS.items():
        paths = [source / name for name in names if (source / name).is_file()]
        if not paths:
            raise ValueError(f"`{source}` must hold {names[0]}. Received: none")
        for meme in read(paths[0]):
            picture = builder.copy(source, folder, meme["img"])
            label = LABELS[meme.get("label")]
            counts["memes without a picture, left out"] += not picture
            counts[f"memes of {split} without a label"] += not label
            if picture:
                rows.append(
                    {
                        "id": str(meme["id"]),
                        "image": picture,
                        "text": meme["text"],
                        "label": label,
                        "split": split,
                    }
                )
    builder.tell(counts)
    return builder.write_manifest(folder, rows)


def read(path: Path) -> list[dict]:
    """Reads a meme a line: id, img, text and, where known, label."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        memes = [json.loads(line) for line in lines if line.strip()]
        for meme in memes:
            meme["id"], meme["img"] + meme["text"], LABELS[meme.get("label")]
    except (ValueError, LookupError, TypeError) as error:
        raise ValueError(
            f"`{path}` must have a line of JSON a meme, with id, img, text and "
            f"label. Received: {error!r}"
        ) from None
    return memes


BUILDER = builder.Builder(
    name="hateful_memes",
    source="img/, train.jsonl, dev_seen.jsonl and test_seen.jsonl",
    home="https://ai.meta.com/tools/hatefulmemes/",
    build=build,
)

if __name__ == "__main__":
    sys.exit(builder.main(BUILDER))
