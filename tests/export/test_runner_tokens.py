"""The runner's own tokenizer gives the ids the model was trained on."""

import csv
import gzip
import json
import random
import shutil
import subprocess
import unicodedata
from pathlib import Path

import pytest
import tokenizers
from data.data_toys import learn_tokenizer
from export.export_toys import device_code, reader, write_tokenizer

from mmkeras.kinds import Text

ROOT = Path(__file__).parents[2]
load = tokenizers.Tokenizer.from_file
Tokenizer = device_code().load("tokenizer").Tokenizer


def old_letter(char):
    """The library's tables are of an older Unicode than Python's.

    Letters of this one have been the same in both; newer ones may differ.
    """
    return unicodedata.ucd_3_2_0.category(char) not in ("Cn", "Cs", "Co")


def odd_texts():
    rng = random.Random(0)
    letters = [chr(c) for c in range(32, 0x3000) if old_letter(chr(c))]
    drawn = ["".join(rng.choices(letters, k=30)) for _ in range(300)]
    return [
        "", " ", "\t\n", "don't STOP -- it's (very) good!!!", "a" * 101,
        "Cr\u00e8me br\u00fbl\u00e9e, na\u00efve fa\u00e7ade",
        "\u03a3\u039f\u03a6\u039f\u03a3", "\u0130stanbul",
        "\U0001f600\ufe0f film", "x\u00a0y\u2028z\u3000w\x1cv\x85u",
        "[PAD] [UNK] ##ing", "\u4e00\u4e8c\u3002\u4e09",
        "\u0939\u093f\u0928\u094d\u0926\u0940", "e\u0301\u0301\u0301",
        "\ufb01lm", "$5 + 3 = `8`",
        *drawn,
    ]  # fmt: skip


@pytest.mark.parametrize("kind", ["wordpiece", "word"])
@pytest.mark.parametrize("lowercase", [True, False])
def test_token_ids_equal_those_of_training(tmp_path, shared, kind, lowercase):
    with gzip.open(shared / "imdb" / "train.csv.gz", "rt", "utf-8") as file:
        reviews = [row[-1] for row in csv.reader(file)][1:3001:2]
    spec = Text(kind="text", column="c", max_tokens=300, tokenizer=kind,
                vocabulary_size=2000, lowercase=lowercase)  # fmt: skip
    library = learn_tokenizer(spec, reviews[:500])
    path = tmp_path / "tokenizer.json"
    library.save(str(path))
    ours = Tokenizer(path)
    library.no_padding()
    texts = [*reviews, *odd_texts()]
    for text, encoded in zip(texts, library.encode_batch(texts), strict=True):
        assert ours(text)[:300] == encoded.ids, text


@pytest.mark.parametrize("lowercase", [True, False])
def test_token_ids_of_odd_texts(tmp_path, lowercase):
    path = tmp_path / "tokenizer.json"
    write_tokenizer(path, lowercase)
    ours, library = Tokenizer(path), load(str(path))
    for text in odd_texts():
        assert ours(text) == library.encode(text).ids, text


def test_every_character_of_unicode_3_splits_alike(tmp_path):
    path = tmp_path / "tokenizer.json"
    write_tokenizer(path)
    ours, library = Tokenizer(path), load(str(path))
    texts = [
        f"a{chr(c)}b"
        for c in range(1, 0x110000)
        if old_letter(chr(c))
        and not 0xAC00 <= c < 0xD7A4  # Hangul: eleven thousand of one kind
        and not 0x3400 <= c < 0x9FFF
        and not 0x20000 <= c < 0x2FA00
    ]
    encoded = library.encode_batch(texts)
    wrong = [
        ascii(text)
        for text, one in zip(texts, encoded, strict=True)
        if ours(text) != one.ids
    ]
    assert len(texts) > 10_000 and not wrong


WAYS = [
    {},
    {"tokenizer": "word"},
    {"lowercase": False},
    {"strip_accents": True},
    {"normalization": "NFKC"},
    {"normalization": "none"},
    {
        "strip_markup": True,
        "strip_links": True,
        "stop_words": ["The", "好", "-"],
    },
]
SCRIPTS = [
    "今天天气很好", "またね、カード", "ขอบคุณมาก", "안녕하세요 여러분",
    "कि और की हिन्दी",
    "كَتَبَ كتب", "می\u200cخواهم", "\u200fשלום\u200e", "ជំរាបសួរ", "မင်္ဂလာပါ",
    "great🤩", "great™", "great\u200b", "gre\u00adat",
    "👩\u200d💻👍🏽🇩🇪1\ufe0f⃣",
    "año ano ñandú", "й и Й", "か\u3099 が か", "ΟΔΟΣ οδός", "ＡＢＣ ﬁ ﷺ Ⅷ ½",
    "<p>The &amp; 好</p><!-- > --> the-end https://a.b/c?d=e好 www.x.y <style>"
    "p {}</style><script src='x'>1<2</script> a < b &lt; &nbsp;&quot;&#39;",
    "𠮷野家𰻝 𝒜 \x00\x07\x1c \u2060x", "<script>never closed",
]  # fmt: skip


@pytest.fixture(scope="module", params=WAYS, ids=lambda keys: "-".join(keys))
def trained(request, tmp_path_factory):
    """A tokenizer that `prepare` trains, its file, and texts."""
    keys = {"tokenizer": "wordpiece", **request.param}
    spec = Text(kind="text", column="c", max_tokens=99, vocabulary_size=3000,
                **keys)  # fmt: skip
    library = learn_tokenizer(spec, SCRIPTS)
    path = tmp_path_factory.mktemp("trained") / "tokenizer.json"
    library.save(str(path))
    library.no_padding()
    letters = [
        f"{chr(c)}b{chr(c)}" for c in range(1, 0x1FFFF, 7) if old_letter(chr(c))
    ]
    texts = [*SCRIPTS, *odd_texts(), *letters]
    assert len(letters) > 5000
    return path, texts, [one.ids for one in library.encode_batch(texts)]


def test_ids_of_every_script_equal_those_of_training(trained):
    path, texts, expected = trained
    ours = Tokenizer(path)
    wrong = [
        ascii(text)
        for text, ids in zip(texts, expected, strict=True)
        if ours(text, 99) != ids
    ]
    assert not wrong


PAGE = """
import { readFileSync, writeFileSync } from "node:fs";
import { loadTokenizer } from %s;
const [path, texts, out] = process.argv.slice(2);
const read = (file) => JSON.parse(readFileSync(file, "utf8"));
writeFileSync(out, JSON.stringify(read(texts).map(loadTokenizer(read(path)))));
"""


def test_the_page_gives_the_same_ids(trained, tmp_path):
    node = shutil.which("node")
    if node is None:
        pytest.skip("needs node, to run the page's code without a browser")
    path, texts, expected = trained
    (tmp_path / "texts.json").write_text(json.dumps(texts))
    code = ROOT / "export" / "web" / "page" / "tokenizer.js"
    page = tmp_path / "page.mjs"
    page.write_text(PAGE % json.dumps(code.as_uri()))
    files = path, tmp_path / "texts.json", tmp_path / "ids.json"
    subprocess.run([node, page, *files], check=True, capture_output=True)
    found = json.loads(files[-1].read_text())
    wrong = [
        ascii(text)
        for text, ids, other in zip(texts, expected, found, strict=True)
        if other[:99] != ids
    ]
    assert not wrong


@pytest.mark.parametrize(
    "before, after, said",
    [
        ('"Isolated"', '"Removed"', "isolates what it splits"),
        ('"type":"NFC"', '"type":"NFKD"', "NFKD"),
        ('"Regex":"[', '"Regex":"([', "patterns Python reads"),
    ],
)
def test_what_the_runner_does_not_do_is_refused(tmp_path, before, after, said):
    spec = Text(kind="text", column="c", max_tokens=9)
    text = learn_tokenizer(spec, SCRIPTS).to_str()
    assert before in text
    (tmp_path / "t.json").write_text(text.replace(before, after))
    with pytest.raises(ValueError, match=said):
        Tokenizer(tmp_path / "t.json")


def test_a_tokenizer_of_another_make_is_refused(tmp_path):
    path = tmp_path / "tokenizer.json"
    write_tokenizer(path)
    path.write_text(path.read_text().replace("Punctuation", "ByteLevel"))
    with pytest.raises(ValueError, match="tokenizer.json.*ByteLevel"):
        Tokenizer(path)


@pytest.mark.parametrize("text", ["\u200b\ufeff", "\u2060 \u00ad"])
def test_a_text_without_a_token_is_refused_as_at_ingest(tmp_path, text):
    spec = Text(kind="text", column="c", max_tokens=9)
    (tmp_path / "t.json").write_text(learn_tokenizer(spec, SCRIPTS).to_str())
    entry = {"name": "note", "folder": tmp_path, "shape": [9],
             "tokenizer": "t.json"}  # fmt: skip
    with pytest.raises(ValueError, match="`--note` must be a text with"):
        reader(Text).read(text, entry)
    assert reader(Text).read("great™", entry)[1] > 1
