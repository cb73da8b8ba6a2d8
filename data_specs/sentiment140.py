"""Builds sentiment140: tweets, and whether they are positive.

Go, Bhayani and Huang, "Twitter Sentiment Classification using Distant
Supervision", 2009 (for research; please cite): 1,600,000 tweets whose
emoticon, taken out, is their label, and 498 labelled by hand that test, of
which 359 are not neutral. The authors' best was right in 83.0 % of these.

Every fiftieth user validates, with all tweets. Left out, and counted: neutral
tweets, which no training tweet is, and those of the training set that stand in
it with both labels.
"""

import html
import sys
import zlib
from pathlib import Path

import builder
import pandas as pd

from mmkeras import artefact

FILES = {
    "train": "training.1600000.processed.noemoticon.csv",
    "test": "testdata.manual.2009.06.14.csv",
}
COLUMNS = ("polarity", "id", "date", "query", "user", "text")
SENTIMENTS = {"0": "negative", "4": "positive"}
NEUTRAL = "2"
VALIDATES_EACH = 50


def build(source: Path, folder: Path) -> int:
    """Writes the manifest; returns the number of tweets."""
    train, test = (read(source / name) for name in FILES.values())
    neutral = test["polarity"] == NEUTRAL
    both = train.groupby("id")["polarity"].transform("nunique") > 1
    again = train.duplicated("id") & ~both
    builder.tell(
        {
            "neutral tweets left out": int(neutral.sum()),
            "tweets with both labels left out": int(both.sum()),
            "tweets that are there again left out": int(again.sum()),
        }
    )
    train, test = train[~both & ~again], test[~neutral]
    # A checksum, since Python's own hash differs from run to run.
    place = train["user"].map(lambda u: zlib.crc32(u.encode("utf-8")))
    held = place % VALIDATES_EACH == 0
    train = train.assign(
        split=held.map({True: "validation", False: "train"}),
        id="train_" + train["id"],
    )
    test = test.assign(split="test", id="test_" + test["id"])
    table = pd.concat([train, test], ignore_index=True)
    table = table.assign(
        sentiment=table["polarity"].map(SENTIMENTS),
        text=table["text"].map(html.unescape),
    ).drop(columns=["polarity", "query"])
    with artefact.atomic(folder / "manifest.parquet") as temporary:
        table.to_parquet(temporary, index=False)
    return len(table)


def read(path: Path) -> pd.DataFrame:
    """Reads a file of tweets: no header, ISO 8859-1, six columns."""
    try:
        table = pd.read_csv(
            path, names=COLUMNS, dtype=str, encoding="latin-1",
            keep_default_na=False,
        )  # fmt: skip
        wrong = ~table["polarity"].isin([*SENTIMENTS, NEUTRAL])
    except (ValueError, OSError) as error:
        raise ValueError(
            f"`{path}` must be a table of tweets. Received: {error}"
        ) from None
    if wrong.any() or table["text"].isna().any():
        raise ValueError(
            f"`{path}` must be a table without a header, with the columns "
            f"{', '.join(COLUMNS)} and a polarity of 0, 2 or 4. Received: "
            f"{wrong.sum():,} other rows"
        )
    return table


BUILDER = builder.Builder(
    name="sentiment140",
    source=" and ".join(FILES.values()),
    home="http://help.sentiment140.com/for-students/",
    build=build,
)

if __name__ == "__main__":
    sys.exit(builder.main(BUILDER))
