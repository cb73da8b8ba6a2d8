"""The page tells spans of a text where the runner tells them."""

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from data.data_toys import learn_tokenizer
from export.export_toys import reader
from export.test_runner_offsets import TEXTS
from export.test_runner_subwords import CLEANED, WORDS
from export.test_runner_tokens import Tokenizer, odd_texts

from mmkeras.kinds import Tags, Text

PAGE = Path(__file__).parents[3] / "export" / "web" / "page"
TOKENS = 40
CODE = """
import { readFileSync } from "node:fs";
import { foundSpans } from "%s";
import { loadTokenizer } from "%s";
const { table, entry, asked } = JSON.parse(readFileSync(process.argv[2]));
const tokenizer = loadTokenizer(table);
console.log(JSON.stringify(
    asked.map(([text, row]) => foundSpans(row, entry, text, tokenizer)),
));
"""
ENTRY = {"classes": ["drug", "illness"], "tokens": TOKENS, "modality": "note"}


@pytest.mark.parametrize(
    "keys",
    [{}, {"strip_accents": True, **CLEANED}, {"tokenizer": "word"}],
    ids=["wordpiece", "cleaned", "word"],
)
def test_spans_on_the_page_are_those_of_the_runner(tmp_path, keys):
    if not shutil.which("node"):
        pytest.skip("needs node")
    for path in PAGE.glob("*.js"):
        shutil.copy(path, tmp_path)
    (tmp_path / "package.json").write_text('{"type": "module"}')
    files = tmp_path / "spans.js", tmp_path / "tokenizer.js"
    (tmp_path / "ask.mjs").write_text(CODE % files)
    spec = Text(kind="text", column="c", max_tokens=TOKENS,
                vocabulary_size=200, **keys)  # fmt: skip
    library = learn_tokenizer(spec, [" ".join(WORDS)] * 5 + TEXTS)
    library.save(str(tmp_path / "t.json"))
    ours, code = Tokenizer(tmp_path / "t.json"), reader(Tags)
    draw = np.random.default_rng(0)
    texts = [*TEXTS, *odd_texts()[3:40], None]
    outputs = np.eye(5)[draw.choice(5, (len(texts), TOKENS))]
    outputs = 0.6 * outputs + 0.08
    for text, output in zip(texts, outputs, strict=True):
        # Where no token is, the model says so.
        output[len(ours(text or "a b c", TOKENS)) :] = np.eye(5)[0]
    asked = [
        (text, output.ravel().tolist())
        for text, output in zip(texts, outputs, strict=True)
    ]
    table = json.loads((tmp_path / "t.json").read_text(encoding="utf-8"))
    told = {"table": table, "entry": ENTRY, "asked": asked}
    (tmp_path / "asked.json").write_text(json.dumps(told))
    done = subprocess.run(
        ["node", tmp_path / "ask.mjs", tmp_path / "asked.json"],
        capture_output=True, check=True, text=True,
    )  # fmt: skip
    answers = json.loads(done.stdout)
    assert sum(len(each["spans"]) for each in answers) > 100
    for text, output, answer in zip(texts, outputs, answers, strict=True):
        note = {"text": text, "tokenizer": ours, "length": TOKENS}
        placed = {} if text is None else {"note": note}
        wanted = code.answer(output, {**ENTRY, "placed": placed})
        for one in answer["spans"]:
            one["probability"] = round(one["probability"], 4)
        assert answer == wanted, text
