"""The builder of tweets on a few made-up ones, and the spec that reads them."""

import gzip
import json
from pathlib import Path

import builder
import pandas as pd
import pytest
import tweets
from builder_toys import run

from mmkeras.data import load_data, prepare
from mmkeras.metrics import find_spans
from mmkeras.spec import load_spec

FOLDER = Path(builder.__file__).parent
SAID = {
    "negative": "@united Flight {} is 3 hours late at ORD, since 7pm",
    "neutral": "@JetBlue do you fly from {} to Boston?",
    "positive": "great crew &amp; seats, thanks {}",
}


def write_source(folder: Path, texts: list[tuple[str, str]]) -> None:
    folder.mkdir()
    rows = [
        {
            "text": text, "airline": "United", "retweet_count": 0,
            "created": "24-02-2015 11:35", "timezone": "Quito",
            "sentiment": sentiment, "confidence": 0.75,
            "negative_reason": "Late Flight" if sentiment == "negative" else "",
        }
        for sentiment, text in texts
    ]  # fmt: skip
    raw = pd.DataFrame(rows).to_csv(index=False).encode()
    (folder / "tweets.csv.gz").write_bytes(gzip.compress(raw))


def test_tweets_are_built_and_read_by_their_spec(tmp_path):
    texts = [(s, t.format(n)) for n in range(10, 30) for s, t in SAID.items()]
    # The first one twice, which is once too often.
    write_source(tmp_path / "original", [*texts, texts[0]])
    out = tmp_path / "data" / "tweets"
    assert run(tweets, tmp_path / "original", "--out", out) == 0
    table = pd.read_csv(out / "manifest.csv", keep_default_na=False)
    assert len(table) == 60
    first = table.iloc[0]
    assert (first["hour"], first["weekday"]) == (11.58, "Tuesday")
    assert table["intensity"].unique().tolist() == [-0.75, 0, 0.75]
    marked = [
        (first["text"][start:end], label)
        for start, end, label in json.loads(first["mentions"])
    ]
    assert marked == [
        ("@united", "airline"), ("Flight 10", "flight"),
        ("3 hours", "duration"), ("ORD", "airport"), ("7pm", "time"),
    ]  # fmt: skip
    labels, weights = batch_of(tmp_path, "tweets")
    late = labels["sentiment"].numpy() == 0
    assert (weights["reason"].numpy() > 0).tolist() == late.tolist()
    labels, _ = batch_of(tmp_path, "tweets_mentions")
    spans = [len(find_spans(row)) for row in labels["mentions"].numpy()]
    # Late flights, a question with the airline's handle, and thanks.
    assert {*spans} == {5, 1, 0}


def batch_of(folder: Path, name: str) -> tuple[dict, dict]:
    """Prepares what was built by a spec; returns labels and weights."""
    copy = folder / "data_specs" / f"{name}.toml"
    copy.parent.mkdir(exist_ok=True)
    copy.write_bytes((FOLDER / copy.name).read_bytes())
    prepare(load_spec(copy), folder / name, workers=1)
    data = load_data(folder / name, augment=False)
    assert not data.manifest["quarantined"]
    return next(iter(data.train))[1:]


def test_another_table_is_refused(tmp_path, capsys):
    write_source(tmp_path / "original", [("angry", "@united why?")])
    assert run(tweets, tmp_path / "original") == 2
    message = capsys.readouterr().err
    assert "sentiments negative, neutral, positive" in message
    assert "Received: 'angry'" in message


@pytest.mark.parametrize(
    ("text", "marked"),
    [
        ("an hour on UA1116 to JFK", ["an hour", "UA1116", "JFK"]),
        ("flt 23 at 10:30 PM, 2.5 hrs", ["flt 23", "10:30 PM", "2.5 hrs"]),
        ("no delta, no 12, jfk", []),
    ],
)
def test_rules_mark_what_they_say(text, marked):
    found = [text[start:end] for start, end, _ in tweets.mentions(text)]
    assert found == marked
