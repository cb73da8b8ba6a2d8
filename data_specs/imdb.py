"""Builds imdb: film reviews, their sentiment and the stars they came with.

The original test set tests. A tenth of the training set, drawn with equal
shares of every rating, validates. Reviews of the training set that occur twice
there, or in the test set as well, are left out.
"""

import re
import sys
import zlib
from pathlib import Path

import builder
import numpy as np
import pandas as pd

from mmkeras import artefact

REVIEWS = 25_000
SENTIMENTS = {"neg": "negative", "pos": "positive"}
REVIEW_FILE = re.compile(r"\d+_(\d+)\.txt")


def build(source: Path, folder: Path) -> int:
    """Writes the manifest; returns the number of samples."""
    train, test = (read_part(source, part) for part in ("train", "test"))
    train = train[~train["text"].isin(test["text"])]
    train = train.drop_duplicates("text")
    train = train.assign(split="train")
    rng = np.random.default_rng(0)
    for _, rows in train.groupby(["sentiment", "rating"]):
        chosen = rng.permutation(rows.index)[: round(len(rows) / 10)]
        train.loc[chosen, "split"] = "validation"
    table = pd.concat([train, test.assign(split="test")])
    with artefact.atomic(folder / "manifest.parquet") as temporary:
        table.to_parquet(temporary, index=False)
    return len(table)


def read_part(source: Path, part: str) -> pd.DataFrame:
    """Reads "train" or "test": columns id, text, sentiment, rating."""
    if (source / part).is_dir():
        table = read_folder(source / part)
    else:
        table = read_table(source / f"{part}.csv.gz")
    good = table["sentiment"].isin(SENTIMENTS) & (
        table["rating"].between(1, 4) & (table["sentiment"] == "neg")
        | table["rating"].between(7, 10) & (table["sentiment"] == "pos")
    )
    if len(table) != REVIEWS or not good.all():
        raise ValueError(
            f"The {part} part in `{source}` must have {REVIEWS:,} reviews, "
            "neg with 1 to 4 stars or pos with 7 to 10. "
            f"Received: {len(table):,} reviews, {(~good).sum():,} of them not"
        )
    return pd.DataFrame(
        {
            "id": [f"{part}_{index:05}" for index in range(len(table))],
            "text": [clean(text) for text in table["text"]],
            "sentiment": table["sentiment"].map(SENTIMENTS).to_numpy(),
            "rating": table["rating"].to_numpy(),
        }
    )


def read_table(path: Path) -> pd.DataFrame:
    """Reads `sentiment,rating,text` from a gzipped CSV file."""
    try:
        table = pd.read_csv(
            path,
            compression="gzip",
            usecols=["sentiment", "rating", "text"],
            dtype={"sentiment": str, "rating": "int64", "text": str},
            keep_default_na=False,
        )
    except (ValueError, OSError, EOFError, zlib.error) as error:
        raise ValueError(
            f"`{path}` must be a gzipped CSV file with the columns sentiment, "
            f"rating and text. Received: {error}"
        ) from None
    return table


def read_folder(folder: Path) -> pd.DataFrame:
    """Reads `neg/ID_RATING.txt` and `pos/ID_RATING.txt`, as in aclImdb."""
    paths = [
        path
        for sentiment in SENTIMENTS
        for path in sorted((folder / sentiment).glob("*.txt"))
        if REVIEW_FILE.fullmatch(path.name)
    ]
    return pd.DataFrame(
        {
            "sentiment": [path.parent.name for path in paths],
            "rating": [int(REVIEW_FILE.fullmatch(p.name)[1]) for p in paths],
            "text": [path.read_text(encoding="utf-8") for path in paths],
        }
    )


def clean(text: str) -> str:
    """Returns `text` without what is left of HTML's line breaks."""
    return " ".join(re.sub(r"<br\s*/?\s*>", " ", text).split())


BUILDER = builder.Builder(
    name="imdb",
    source="train.csv.gz and test.csv.gz, or train/ and test/ of aclImdb",
    home="https://ai.stanford.edu/~amaas/data/sentiment/",
    build=build,
)

if __name__ == "__main__":
    sys.exit(builder.main(BUILDER))
