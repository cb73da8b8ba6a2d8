"""The page writes a text as the runner does, and shows it as it comes."""

import csv
import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from export.export_toys import load_run

import mmkeras
from mmkeras import artefact, export, runs
from mmkeras.generation import FIRST, GREEDY, Decoder, generate

PAGE = Path(__file__).parents[3] / "export" / "web" / "page"
LETTERS = ["a", " bé", "c"]
PLACES, PREFIX = 7, 2
CODE = """
import { write } from "%s";
const { letters, rows, table } = JSON.parse(process.argv[2]);
const shapes = { kv_cache_k_0: [1, 7, 1, 2], kv_cache_v_0: [1, 7, 1, 2],
  tokens: [1, 1], input_pos: [1], mask: [1, 1, 1, 7] };
// What was written before counts, and where it stands.
const run = async (feed) => {
  const [token, at] = [feed.tokens.data[0], feed.input_pos.data[0]];
  const logits = [...table[at][token]];
  let seen = 0;
  feed.mask.data.forEach((hidden, place) => {
    if (!hidden) seen += (place + 1) * feed.kv_cache_k_0.data[2 * place];
  });
  logits[3 + (Math.round(seen) %% 3)] += 2;
  return { logits, kv_cache_k_0: [token, 0], kv_cache_v_0: [0, token] };
};
const found = [];
for (const row of rows) {
  const told = [];
  const answer = await write(Float32Array.from(row), letters, { run, shapes },
    (text) => told.push(text));
  found.push({ ...answer, told });
}
console.log(JSON.stringify(found));
"""


@pytest.mark.skipif(not shutil.which("node"), reason="needs node")
def test_a_text_on_the_page_is_that_of_the_runner(tmp_path):
    for path in PAGE.glob("*.js"):
        shutil.copy(path, tmp_path)
    (tmp_path / "package.json").write_text('{"type": "module"}')
    (tmp_path / "ask.mjs").write_text(CODE % (tmp_path / "writing.js"))
    draw = np.random.default_rng(0)
    table = draw.normal(0, 2, (PLACES - PREFIX, FIRST + 3, FIRST + 3))
    table[..., 0] -= 4
    table = table.round(3)
    memory = draw.integers(0, 9, (8, PREFIX, 5)).astype("float32")
    memory[..., -1] = np.where(draw.random((8, PREFIX)) < 0.5, 0, -30)
    asked = {"letters": LETTERS, "table": table.tolist(),
             "rows": memory.reshape(8, -1).tolist()}  # fmt: skip
    told = subprocess.run(
        ["node", tmp_path / "ask.mjs", json.dumps(asked)],
        capture_output=True, check=True, text=True,
    )  # fmt: skip

    def step(inputs):
        token, at = inputs["tokens"][:, 0], inputs["input_pos"]
        logits = np.array(table[at, token])
        there = inputs["mask"][:, 0, 0] == 0
        keys = inputs["kv_cache_k_0"][:, :, 0, 0]
        seen = (there * keys * np.arange(1, PLACES + 1)).sum(axis=1)
        logits[np.arange(len(token)), 3 + seen.astype(int) % 3] += 2
        pairs = np.stack([token, 0 * token], axis=-1)[:, None, None]
        return {
            "logits": logits[:, None],
            "kv_cache_k_0": pairs,
            "kv_cache_v_0": pairs[..., ::-1],
        }

    decoder = Decoder(step, LETTERS, PLACES, 1, 1)
    ids, chances = generate(memory, decoder, GREEDY)
    texts = [decoder.text_of(row) for row in ids]
    assert len(set(texts)) > 2
    for found, text, each in zip(
        json.loads(told.stdout), texts, chances, strict=True
    ):
        assert (found["text"], found["characters"]) == (text, len(text))
        assert found["probability"] == pytest.approx(
            np.exp(each.sum()), rel=1e-5
        )
        assert (found["told"] or [""])[-1] == text


SPEC = """
name = "toy"
[data]
root = "."
[split]
method = "column"
column = "split"
[modalities.sensor]
kind = "vector"
columns = ["a", "b"]
[targets.note]
kind = "text"
column = "note"
max_characters = 60
unit = "words"
max_words = 12
"""


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    """A model that has learned nothing, and so says much."""
    folder = tmp_path_factory.mktemp("writing")
    notes = ["one two three four five six seven eight nine ten", "two six ten"]
    with open(folder / "manifest.csv", "w", newline="") as file:
        table = [
            {"a": i % 7, "b": i % 5, "note": notes[i % 2],
             "split": ("train", "validation", "test")[i % 3]}
            for i in range(24)
        ]  # fmt: skip
        writer = csv.DictWriter(file, table[0])
        writer.writeheader()
        writer.writerows(table)
    (folder / "spec.toml").write_text(SPEC)
    mmkeras.prepare(folder / "spec.toml", out=folder / "data", workers=1)
    recipe = {"fusion": {"method": "concat", "units": 8},
              "towers": {"sensor": {"units": 8}},
              "heads": {"note": {"units": 16, "heads": 2}}}  # fmt: skip
    ready = runs.set_up_run(folder / "data", recipe, "full", 0)
    # No text ends before there is no more room.
    logits = ready.model.get_layer("note").logits
    kernel, bias = logits.get_weights()
    bias[0] = -9
    logits.set_weights([kernel, bias])
    data = mmkeras.load_data(folder / "data", batch_size=8, augment=False)
    run = folder / "run"
    run.mkdir()
    with artefact.atomic(run / "model.keras") as temporary:
        ready.model.save(temporary)
    artefact.write_manifest(
        run, "run", ["model.keras"], spec=data.spec.to_dict(),
        data=str(folder / "data"),
        data_sha256=artefact.sha256_of(folder / "data" / artefact.MANIFEST),
        recipe=recipe, seed=0, strategy="full",
    )  # fmt: skip
    export.export(
        run, data.spec, data, folder / "bundle", quantize="none",
        report=lambda line: None,
    )  # fmt: skip
    return folder / "bundle"


def test_words_appear_as_they_are_written(bundle, build_site, serve, phone):
    page = phone(serve(build_site(bundle)).address)
    page.evaluate("""() => {
      window.seen = [];
      const note = () => {
        const big = document.querySelector("#answer .writing");
        if (big && big.textContent !== window.seen.at(-1))
          window.seen.push(big.textContent);
      };
      new MutationObserver(note).observe(document.querySelector("#answer"),
        { childList: true, subtree: true });
      // What is painted, not what is only set.
      window.painted = new Set();
      const paint = () => {
        const big = document.querySelector("#answer .writing");
        if (big) window.painted.add(big.textContent);
        requestAnimationFrame(paint);
      };
      paint();
    }""")
    for name, value in zip("ab", (3, 2)):
        page.get_by_role("spinbutton", name=name).fill(str(value))
    page.get_by_role("button", name="Answer").tap()
    page.wait_for_selector("#answer .pill")
    text = load_run(bundle).Runner(bundle).answer(
        {"sensor": np.float32([3, 2])}
    )["note"]["text"]  # fmt: skip
    assert text in page.locator("#answer").inner_text()
    seen = page.evaluate("window.seen")
    assert len(seen) >= 10 and seen[-1] == text
    assert all(b.startswith(a) for a, b in zip(seen, seen[1:]))
    assert page.evaluate("window.painted.size") >= 5
    assert not page.errors
    assert page.locator("#answer").get_attribute("aria-busy") is None
