"""The page tells the text of frames as the runner does."""

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from export.export_toys import reader

from mmkeras import kinds

PAGE = Path(__file__).parents[3] / "export" / "web" / "page"
CODE = """
import { transcribed } from "%s";
const { entry, rows } = JSON.parse(process.argv[2]);
console.log(JSON.stringify(rows.map((row) => transcribed(row, entry))));
"""


@pytest.mark.skipif(not shutil.which("node"), reason="needs node")
def test_a_text_on_the_page_is_that_of_the_runner(tmp_path):
    for path in PAGE.glob("*.js"):
        shutil.copy(path, tmp_path)
    (tmp_path / "package.json").write_text('{"type": "module"}')
    (tmp_path / "ask.mjs").write_text(CODE % (tmp_path / "bundle.js"))
    entry = {"alphabet": ["a", "b", "é"], "separator": " ", "steps": 9,
             "beam": 0, "words": []}  # fmt: skip
    logits = np.random.default_rng(0).normal(size=(20, 9, 4)).round(3) * 3
    rows = logits.reshape(20, -1).tolist()
    told = subprocess.run(
        ["node", tmp_path / "ask.mjs", json.dumps({"entry": entry,
                                                   "rows": rows})],
        capture_output=True, check=True, text=True,
    )  # fmt: skip
    answer = reader(kinds.Transcript).answer
    for found, output in zip(json.loads(told.stdout), logits, strict=True):
        wanted = answer(output, entry)
        assert found.pop("probability") == pytest.approx(
            wanted.pop("probability"), rel=1e-6
        )
        assert found == wanted
