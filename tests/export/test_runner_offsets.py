"""The runner tells where tokens are in a text as the library does."""

import random

import pytest
from data.data_toys import learn_tokenizer
from export.export_toys import device_code
from export.test_runner_subwords import CLEANED, WORDS, vocabularies
from export.test_runner_tokens import Tokenizer, odd_texts

from mmkeras.kinds import Tags, Text

__all__ = ["vocabularies"]
CODE = device_code()
settled = Tags.part("token_places").settled
TEXTS = [
    "Cafe\u0301 na\u0308ive \u1100\u1161\u11a8 e\u0323\u0302x x\u0302",
    "see <b>bold</b> &amp; http://x.y/z?q=1 ok &lt;3",
    "\ufb01ne \u2122 \u00bd  two   blanks \u0130stanbul \U0001f44d\U0001f3fd",
    "don't STOP -- it's (very) good!!!", "\u4e2d\u6587 \u2708\ufe0f \u200bx",
]  # fmt: skip


@pytest.mark.parametrize(
    "kind, keys",
    [
        ("wordpiece", {}),
        ("wordpiece", {"strip_accents": True, "lowercase": False}),
        ("wordpiece", {**CLEANED, "stop_words": ("the", "was")}),
        ("word", {}),
        ("bert", {}),
        ("roberta", {}),
        ("roberta", CLEANED),
    ],
)
def test_offsets_equal_those_of_the_library(vocabularies, tmp_path, kind, keys):
    own = {"vocabulary": kind} if kind in ("bert", "roberta") else {}
    spec = Text(kind="text", column="c", max_tokens=40, tokenizer=kind,
                vocabulary_size=200, **own, **keys)  # fmt: skip
    learned = [" ".join(WORDS)] * 5 + TEXTS
    library = learn_tokenizer(spec, [] if own else learned, root=vocabularies)
    library.save(str(tmp_path / "t.json"))
    library.no_padding()
    ours = Tokenizer(tmp_path / "t.json")
    offsets = CODE.load("offsets").offsets
    rng = random.Random(1)
    drawn = [" ".join(rng.choices(WORDS, k=12)) for _ in range(50)]
    odd = [text for text in odd_texts()[:16] if text.strip()]
    for text in [*drawn, *TEXTS, *odd]:
        known = library.encode(text)
        assert ours(text, 40) == known.ids
        found = offsets(ours, text, 40)
        assert settled(text, found) == settled(text, known.offsets), text
