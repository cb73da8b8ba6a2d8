"""The page: self-contained, escaped, and true to the numbers."""

import base64
import copy
import html.parser
import io
import re
from types import SimpleNamespace

import numpy as np
import pytest
from evaluation_toys import (
    MODALITIES,
    OPTIONAL,
    ToyModel,
    toy_batches,
)
from PIL import Image
from target_toys import target_of

from mmkeras.evaluation import (
    evaluate,
    learning_curves,
    number_of,
    render_report,
    score_of,
    show_sample,
)
from mmkeras.kinds import Text
from mmkeras.reporting import numbers, picture

EVIL = '<script>alert("1")</script> $x_ &amp;'


class Page(html.parser.HTMLParser):
    """Collects tags, attributes and text; complains about broken nesting."""

    VOID = {"meta", "img", "br", "path", "use", "polygon", "line", "rect"}

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.text, self.open = [], [], [], []
        self.feed(text)
        assert self.open == [], "unclosed"

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += [(tag, *pair) for pair in attributes]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += [(tag, *pair) for pair in attributes]

    def handle_endtag(self, tag):
        if tag not in self.VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


@pytest.fixture(scope="module")
def evil():
    """A result whose classes, unit and ids all try to break out."""
    targets = {
        "digit": target_of("category", classes=[EVIL, "one", "two"]),
        "size": target_of("number", unit=EVIL),
        "tags": target_of("categories", classes=[EVIL, "b"]),
    }
    return evaluate(
        ToyModel(),
        toy_batches(),
        targets,
        optional=OPTIONAL,
        statistics={"digit": {"counts": {EVIL: 3}}, "size": {"mean": 1.0}},
        resamples=20,
    )


@pytest.fixture(scope="module")
def history(tmp_path_factory):
    path = tmp_path_factory.mktemp("run") / "history.csv"
    path.write_text(
        "epoch,stage,loss,digit_loss,digit_accuracy,val_loss\n"
        "1,image_tower,2.0,1.0,0.5,\n"
        "2,all,1.0,0.5,0.75,1.5\n"
        "3,all,0.5,0.25,0.8,nan\n"
    )
    return path


@pytest.fixture(scope="module")
def page(evil, history):
    return render_report(
        evil,
        title=EVIL,
        facts={EVIL: EVIL},
        history=history,
        dataset=toy_batches(),
        modalities=MODALITIES,
        ids=[f"{EVIL} {i}" for i in range(40)],
    )


def test_the_page_is_whole_and_needs_nothing_else(page):
    parsed = Page(page)
    assert not {"script", "link", "iframe", "object"} & set(parsed.tags)
    for tag, name, value in parsed.attributes:
        assert not name.startswith("on"), (tag, name)
        if name in ("src", "href", "xlink:href"):
            assert value.startswith(("data:image/png;base64,", "#"))
    addresses = set(re.findall(r"https?://[^\"' <)]+", page))
    assert all("www.w3.org" in address for address in addresses), addresses
    assert "default-src 'none'" in page


def test_names_from_the_data_are_text_and_never_markup(page):
    text = "".join(Page(page).text)
    assert "<script" not in page
    # Title, fact, classes, unit, id: each appears as it was written.
    assert text.count(EVIL) > 20


def test_the_same_result_gives_the_same_bytes(evil, history):
    arguments = {"title": "t", "history": history, "dataset": toy_batches()}
    first = render_report(evil, modalities=MODALITIES, **arguments)
    assert first == render_report(evil, modalities=MODALITIES, **arguments)


def test_the_page_shows_the_numbers_of_the_result(page, evil):
    text = re.sub(r"\s+", " ", " ".join(Page(page).text))
    entry = evil["targets"]["digit"]["metrics"]["accuracy"]
    assert f"{entry['value']:.3f}" in text
    assert f"{entry['low']:.3f} to {entry['high']:.3f}" in text
    for row in evil["targets"]["digit"]["confusion"]:
        for count in row:
            share = f"{100 * count / sum(row):.0f} %"
            assert count == 0 or f"{count} {share}" in text
    assert "36 of 40 samples have a label" in text
    assert "majority class" in text
    for shown in ("loss", "digit accuracy", "without image"):
        assert shown in text
    assert "digit loss" not in text


def test_worst_samples_are_seen(page):
    sources = re.findall(r'src="data:image/png;base64,([^"]+)"', page)
    assert len(sources) >= 8
    opened = Image.open(io.BytesIO(base64.b64decode(sources[0])))
    assert opened.size == (6, 6)
    assert page.count('class="wave"') >= 8
    assert f"{EVIL} 0".replace("<", "&lt;").replace(">", "&gt;")[:11] in page


def test_a_result_with_little_in_it_still_makes_a_page(evil):
    """No labels, no baseline, no subset, no data set, no history."""
    bare = copy.deepcopy(evil)
    bare["optional"] = []
    for entry in bare["targets"].values():
        entry.update(baselines=[], subsets=[])
    bare["targets"]["size"].update(metrics={}, points=[], worst=[], count=0)
    parsed = Page(render_report(bare, title="bare"))
    assert "No sample of this split has a label." in "".join(parsed.text)


def test_many_classes_become_a_picture():
    classes = [f"class {i}" for i in range(40)]
    draw = np.random.default_rng(0)
    x = {"table": draw.normal(size=(80, 3))}
    batch = (x, {"kind": draw.integers(0, 40, 80)}, {})
    model = SimpleNamespace(
        input={"table": None},
        output={"kind": None},
        predict_on_batch=lambda x: {"kind": draw.dirichlet(np.ones(40), 80)},
    )
    targets = {"kind": target_of("category", classes=classes)}
    result = evaluate(model, [batch], targets, resamples=5)
    page = render_report(result, title="many")
    Page(page)
    assert "<caption>" not in page and "true class (index)" in page


def test_curves_are_the_total_and_the_metrics(history, tmp_path):
    assert len(learning_curves(history)) == 2
    empty = tmp_path / "empty.csv"
    empty.write_text("epoch,loss\n")
    assert learning_curves(empty) == []
    spent = tmp_path / "spent.csv"
    spent.write_text("epoch,loss,val_loss,steps,seconds\n1,2,3,10,0.5\n")
    assert len(learning_curves(spent)) == 1, "what it took is no curve"


@pytest.mark.parametrize("channels", [1, 3])
def test_a_picture_keeps_its_pixels(channels):
    draw = np.random.default_rng(0)
    pixels = draw.integers(0, 256, (5, 7, channels)).astype("uint8")
    content = base64.b64decode(picture(pixels).split(",")[1])
    opened = np.asarray(Image.open(io.BytesIO(content)))
    np.testing.assert_array_equal(opened.reshape(pixels.shape), pixels)


def test_an_absent_modality_is_called_absent():
    x = {name: values[0] for name, values in toy_batches()[0][0].items()}
    x["present"] = np.array([1, 0, 1])
    shown = show_sample(x, MODALITIES, OPTIONAL, {})
    kinds = {entry["name"]: entry["kind"] for entry in shown}
    assert kinds == {
        "audio": "audio",
        "image": "absent",
        "table": "vector",
        "text": "text",
    }
    assert shown[0]["text"] == "0.1 s"


def test_tokens_become_words_and_numbers_a_list(tmp_path):
    words = Text.part("show").words
    from tokenizers import Tokenizer, models

    vocabulary = {"[PAD]": 0, "hel": 1, "##lo": 2, "<b>": 3}
    path = tmp_path / "tokenizer.json"
    Tokenizer(models.WordPiece(vocabulary, unk_token="[PAD]")).save(str(path))
    assert words(np.array([1, 2, 3, 99, 0, 0]), path) == "hello <b> [?]"
    assert words(np.array([5, 6, 0]), None) == "5 6"
    assert words(np.arange(1, 900), None).endswith("…")
    assert numbers(np.array([1.0, 2.34567])) == "1, 2.35"
    assert numbers(np.zeros(20)).endswith("0, …")


@pytest.mark.parametrize(
    ("value", "units", "text"),
    [
        (0.98512, False, "0.985"),
        (None, False, "–"),
        (-0.0001, False, "0.000"),
        (12345.6, True, "12,346"),
        (0.00123, True, "0.00123"),
    ],
)
def test_figures_are_short(value, units, text):
    assert score_of(value, units) == text
    if units:
        assert number_of(value) == text
