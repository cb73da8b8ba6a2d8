"""Scripts without spaces, symbols and marks: nothing becomes unknown by them.

Cases D1, D2 and D3: the right tokens of a text, whatever it is written in.
"""

import numpy as np
import pytest
from data.data_toys import learn_tokenizer

from mmkeras.data import SampleIO, prepare
from mmkeras.kinds import Text
from mmkeras.spec import DataSpec

PIECES = {
    "今天天气很好": "今 天 天 气 很 好",
    "またね": "ま た ね",
    "カード､ﾃﾚﾋﾞ": "カ ー ド ､ ﾃ ﾚ ﾋ ﾞ",
    "ขอบคุณ": "ข อ บ ค ุ ณ",
    "ຂອບໃຈ": "ຂ ອ บ ໃ ຈ".replace("บ", "ບ"),
    "ជំរាប": "ជ ំ រ ា ប",
    "ပါတယ်": "ပ ါ တ ယ ်",
    "𠮷野家𰻝": "𠮷 野 家 𰻝",
    "안녕하세요 여러분": "안녕하세요 여러분",
    "कि और की": "कि और की",
    "كَتَبَ كتب": "كَتَبَ كتب",
    "می\u200cخواهم": "می\u200cخواهم",
    "\u200fשלום\u200e": "שלום",
    "Straße": "straße",
    "great🤩": "great 🤩",
    "great™": "great ™",
    "great\u200bfilm\ufeff": "great film",
    "gre\u00adat": "great",
    "great❤\ufe0f": "great ❤",
    "1\ufe0f⃣great": "1 ⃣ great",
    "👩\u200d💻x": "👩 \u200d 💻 x",
    "👍🏽ok": "👍 🏽 ok",
    "🇩🇪": "🇩 🇪",
    "5€=$6±½": "5 € = $ 6 ± ½",
    "don't…stop": "don ' t … stop",
    "a\x00b\x07": "a b",
}


def spec(**values) -> Text:
    size = {"max_tokens": 24, "vocabulary_size": 2000}
    return Text(kind="text", column="x", **{**size, **values})


@pytest.mark.parametrize("kind", ["word", "wordpiece"])
def test_each_text_is_cut_where_it_should_be(kind):
    texts = [*PIECES, *PIECES.values()]
    learned = learn_tokenizer(spec(tokenizer=kind), texts)
    for text, pieces in PIECES.items():
        found = [t for t in learned.encode(text).tokens if t != "[PAD]"]
        assert found == pieces.split(" "), text


def headlines(count: int, letters: int, rng) -> list[str]:
    """Texts of characters that are as frequent as those of a language.

    By Zipf's law with the exponent that Chinese characters have about.
    """
    share = 1 / np.arange(1, letters + 1)
    share /= share.sum()
    lengths = rng.integers(8, 30, count)
    drawn = rng.choice(letters, lengths.sum(), p=share)
    text = "".join(chr(0x4E00 + 4 * i) for i in drawn)
    ends = np.cumsum(lengths)
    return [text[e - n : e] for n, e in zip(lengths, ends, strict=True)]


@pytest.mark.parametrize("letters, size", [(3500, 4000), (5000, 8000)])
def test_less_than_a_hundredth_of_new_headlines_is_unknown(letters, size):
    texts = headlines(9000, letters, np.random.default_rng(0))
    modality = spec(vocabulary_size=size)
    learned = learn_tokenizer(modality, texts[:8000])
    assert learned.get_vocab_size() <= size
    notes = [
        modality.read({"x": text}, SampleIO(".", learned=learned)).notes
        for text in texts[8000:]
    ]
    tokens, unknown = (
        sum(note.get(key, 0) for note in notes)
        for key in ("tokens", "unknown_tokens")
    )
    assert tokens == sum(map(len, texts[8000:]))
    assert 0 < unknown < 0.01 * tokens


def test_rare_letters_leave_room_for_words():
    common = ["the film was good and the cast was great"] * 5000
    rare = [chr(0x4E00 + i) for i in range(60)]
    learned = learn_tokenizer(spec(vocabulary_size=80), [*common, *rare])
    ids = learned.encode("the film was good").ids
    assert ids[4:] == [0] * 20 and 1 not in ids[:4]


def test_unknown_and_cut_tokens_are_counted_and_told():
    modality = spec(max_tokens=4)
    learned = learn_tokenizer(modality, ["a good film"])
    notes = {}
    for text in ("a good film", "a ☃ film 好 a good", "a good good good film"):
        found = modality.read({"x": text}, SampleIO(".", learned=learned))
        for key, count in found.notes.items():
            notes[key] = notes.get(key, 0) + count
    assert notes == {
        "tokens": 14, "unknown_tokens": 2, "cut_tokens": 3, "cut_texts": 2
    }  # fmt: skip
    assert modality.tell(notes, 3) == [
        "14.29% of 14 tokens unknown (2)",
        "21.43% of 14 tokens cut off (3)",
        "2 of 3 texts have more than `max_tokens` = 4 tokens",
    ]


def test_prepare_says_what_was_unknown_and_cut(tmp_path, capsys):
    rows = [f"{i},good film {'☃' * (i % 5 == 0)},yes" for i in range(40)]
    rows[3] = "3," + "a good film " * 9 + ",yes"
    (tmp_path / "manifest.csv").write_text("\n".join(["i,x,y", *rows]))
    table = {
        "name": "films",
        "modalities": {"note": spec(max_tokens=6).model_dump()},
        "targets": {"y": {"kind": "category", "column": "y",
                          "classes": ["yes", "no"]}},
    }  # fmt: skip
    found = prepare(
        DataSpec.from_dict(table), tmp_path / "out", tmp_path, workers=1
    )
    told = capsys.readouterr().err
    assert found["notes"]["note"]["cut_tokens"] == 21
    assert "cut off (21)" in told and "1 of 40 texts have more" in told


HTML = (
    "<p class='x'>Fish &amp; chips</p><!-- ad > --><script>if (a<b) {}</script>"
    " 3 < 5, see https://t.cn/A-1?b=2好 or www.x.org. <br/>"
)


@pytest.mark.parametrize(
    "keys, left, counted",
    [
        (
            {"strip_markup": True},
            "fish & chips 3 < 5 , see https : / / t . cn / a - 1 ? b = 2 好 "
            "or www . x . org .",
            {"stripped_tags": 5},
        ),
        (
            {"strip_markup": True, "strip_links": True},
            "fish & chips 3 < 5 , see 好 or",
            {"stripped_tags": 5, "stripped_links": 2},
        ),
        (
            {"strip_markup": True, "strip_links": True,
             "stop_words": ["OR", "好", "hip", "see"]},
            "fish & chips 3 < 5 ,",
            {"stripped_tags": 5, "stripped_links": 2, "stop_words": 3},
        ),
    ],
)  # fmt: skip
def test_what_is_stripped_is_counted(keys, left, counted):
    modality = spec(max_tokens=40, **keys)
    learned = learn_tokenizer(modality, [left, HTML])
    found = [t for t in learned.encode(HTML).tokens if t != "[PAD]"]
    assert found == left.split()
    notes = modality.read({"x": HTML}, SampleIO(".", learned=learned)).notes
    assert notes == {"tokens": len(found), **counted}


def test_stop_words_come_from_a_file_too(tmp_path):
    (tmp_path / "stop.txt").write_text("the\n\nof\n", encoding="utf-8")
    modality = spec(stop_words=["a"], stop_words_file="stop.txt")
    learned = learn_tokenizer(modality, ["The end of a film_,"], tmp_path)
    tokens = learned.encode("THE end of the_film, a theatre").tokens
    assert [t for t in tokens if "#" not in t and "[" not in t][:4] == [
        "end", "_", "film", ","
    ]  # fmt: skip


@pytest.mark.parametrize(
    "keys, said",
    [
        ({"stop_words_file": "none.txt"}, "`stop_words_file`.*not_found"),
        ({"stop_words": [" "]}, "must have letters"),
    ],
)
def test_a_wrong_list_of_stop_words_is_refused(tmp_path, keys, said):
    with pytest.raises(ValueError, match=said):
        learn_tokenizer(spec(**keys), ["a"], tmp_path)


@pytest.mark.parametrize(
    "keys, said",
    [
        ({"tokenizer": "bert", "stop_words": ["a"]}, "whole sentences"),
        ({"tokenizer": "roberta", "strip_accents": True}, "knows accents"),
    ],
)
def test_a_pretrained_tokenizer_is_left_as_it_was_trained(keys, said):
    with pytest.raises(ValueError, match=said):
        spec(vocabulary="v", **keys)


def test_training_reads_texts_one_by_one(tmp_path):
    """A file is open and its text is held only while it is its turn."""
    for number in range(5):
        (tmp_path / f"{number}").write_text(f"text {number}")
    read = []

    class Counted(SampleIO):
        def bytes(self, path):
            read.append(path)
            return super().bytes(path)

    class Cells(list):
        def __iter__(self):
            for number, cell in enumerate(super().__iter__()):
                assert len(read) % 5 <= number + 1
                yield cell

    modality = spec(file=True)
    learned = modality.learn({"x": Cells("01234")}, Counted(str(tmp_path)))
    assert learned.facts["vocabulary_size"] > 8
    assert len(read) > 5  # read again, rather than kept
