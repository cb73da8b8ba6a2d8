"""Builds tweets: what people wrote to airlines, and how they felt.

A tweet that occurs twice is kept once. How sure the people were who labelled
it becomes how strong the sentiment is. What a tweet mentions is marked by rules
of this file, not by people: airlines, flights, airports, times and durations.
"""

import json
import re
import sys
import zlib
from datetime import datetime
from pathlib import Path

import builder
import pandas as pd

COLUMNS = (
    "text", "airline", "retweet_count", "created", "timezone", "sentiment",
    "confidence", "negative_reason",
)  # fmt: skip
SIGN = {"negative": -1, "neutral": 0, "positive": 1}
# The 30 airports with most passengers of 2015, and those of the airlines.
AIRPORTS = (
    "ATL BOS BWI CLE CLT DAL DCA DEN DFW DTW EWR FLL HOU IAD IAH JFK LAS LAX "
    "LGA MCO MDW MIA MSP ORD PDX PHL PHX RDU SAN SEA SFO SLC TPA"
).split()
AIRLINES = (
    "virgin ?america", "united(?:airlines?)?", "southwest(?:air(?:lines)?)?",
    "jet ?blue(?:airways)?", "us ?air(?:ways)?", "american ?air(?:lines)?",
    "delta(?: ?air(?:lines)?)?",
)  # fmt: skip
NUMBER = r"(?:\d+(?:[.,]\d+)?|an?|one|two|three|four|five|six|several)"
# In the order in which a stretch of text is taken.
RULES = {
    "flight": r"(?i:\b(?:flight|flt)s? ?(?:number |no\.? |# ?)?\d{1,4}\b)"
    r"|\b(?:UA|AA|DL|WN|VX|B6) ?\d{2,4}\b|#\d{2,4}\b",
    "duration": rf"(?i:\b{NUMBER}[ -]?(?:\+ ?)?"
    r"(?:hours?|hrs?|minutes?|mins?|days?|weeks?|months?|years?)\b)",
    "time": r"(?i:\b(?:[01]?\d|2[0-3]):[0-5]\d(?: ?[ap]\.?m\b)?"
    r"|\b(?:1[0-2]|[1-9]) ?[ap]m\b)",
    "airport": rf"\b(?:{'|'.join(AIRPORTS)})\b",
    "airline": rf"(?i:[@#](?:{'|'.join(AIRLINES)})\b)",
}


def build(source: Path, folder: Path) -> int:
    """Writes the manifest; returns the number of samples."""
    table = read_table(source / "tweets.csv.gz").drop_duplicates("text")
    rows = []
    for place, row in table.iterrows():
        when = datetime.strptime(row["created"], "%d-%m-%Y %H:%M")
        sentiment = row["sentiment"]
        rows.append(
            {
                "id": f"tweet_{place:05}",
                "text": row["text"],
                "airline": row["airline"],
                "retweets": row["retweet_count"],
                "hour": round(when.hour + when.minute / 60, 2),
                "weekday": when.strftime("%A"),
                "timezone": row["timezone"],
                "sentiment": sentiment,
                "intensity": SIGN[sentiment] * float(row["confidence"]),
                "reason": row["negative_reason"],
                "mentions": json.dumps(mentions(row["text"])),
            }
        )
    return builder.write_manifest(folder, rows)


def read_table(path: Path) -> pd.DataFrame:
    """Reads the gzipped CSV file, all cells as texts."""
    try:
        table = pd.read_csv(
            path, compression="gzip", dtype=str, keep_default_na=False
        )
    except (ValueError, OSError, EOFError, zlib.error) as error:
        raise ValueError(
            f"`{path}` must be a gzipped CSV file of tweets. Received: {error}"
        ) from None
    lacking = [name for name in COLUMNS if name not in table]
    wrong = [] if lacking else [*{*table["sentiment"]} - {*SIGN}]
    if lacking or wrong:
        raise ValueError(
            f"`{path}` must have the columns {', '.join(COLUMNS)}, with the "
            f"sentiments {', '.join(SIGN)}. Received: "
            f"{(lacking or wrong)[0]!r}{' is lacking' if lacking else ''}"
        )
    return table


def mentions(text: str) -> list[list]:
    """Returns what the rules mark: start, end, label, in characters.

    Example:

    >>> mentions("@united Flight 719 is 3 hours late")
    [[0, 7, 'airline'], [8, 18, 'flight'], [22, 29, 'duration']]
    """
    found, taken = [], set()
    for label, rule in RULES.items():
        for match in re.finditer(rule, text):
            places = range(*match.span())
            if not taken.intersection(places):
                taken.update(places)
                found.append([match.start(), match.end(), label])
    return sorted(found)


BUILDER = builder.Builder(
    name="tweets",
    source="tweets.csv.gz, with " + ", ".join(COLUMNS),
    home="https://www.kaggle.com/datasets/crowdflower/"
    "twitter-airline-sentiment",
    build=build,
)

if __name__ == "__main__":
    sys.exit(builder.main(BUILDER))
