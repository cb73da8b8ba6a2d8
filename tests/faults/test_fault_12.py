"""Fault 12: broken samples are quarantined by reason, never zero-filled."""

import csv
import io

import numpy as np
import pytest
from data.data_toys import make_spec, read_rows, write_rows, write_set
from PIL import Image

from mmkeras.data import load_data, prepare


def picture(kind: str) -> bytes:
    buffer = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3))
    Image.fromarray(noise.astype(np.uint8)).save(buffer, kind)
    return buffer.getvalue()


def break_samples(root) -> dict[str, tuple[str, str]]:
    """Breaks samples of the set; returns {id: (modality, reason)}."""
    rows = read_rows(root)
    (root / "cut.jpg").write_bytes(picture("JPEG")[:2000])
    (root / "cut.png").write_bytes(picture("PNG")[:2000])
    (root / "half.jpg").write_bytes(picture("JPEG")[:2000] + b"\xff\xd9")
    (root / "text.gif").write_text("not a picture")
    (root / "page.png").write_bytes(b"%PDF-1.7")
    (root / "junk.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(99))
    (root / "empty.wav").touch()
    (root / "silent.wav").write_bytes((root / "0.wav").read_bytes()[:44])
    (root / "text.wav").write_text("not a sound")
    expected = {}
    for index, (column, value, reason) in enumerate(
        [
            ("image", "cut.jpg", "truncated"),
            ("image", "cut.png", "truncated"),
            ("image", "half.jpg", "truncated"),
            ("image", "text.gif", "wrong_format"),
            ("image", "page.png", "wrong_format"),
            ("image", "junk.png", "corrupt"),
            ("image", "nowhere.png", "not_found"),
            ("image", "", "missing"),
            ("audio", "empty.wav", "empty"),
            ("audio", "silent.wav", "truncated"),
            ("audio", "text.wav", "wrong_format"),
            ("text", "caf\udce9", "bad_utf8"),
            ("text", " ", "missing"),
            ("v1", "many", "not_a_number"),
            ("color", "pink", "unknown_class"),
            ("tags", "black|pink", "unknown_class"),
            ("size", "large", "not_a_number"),
        ]
    ):
        rows[index][column] = value
        part = "vector" if column == "v1" else column
        expected[f"s{index}"] = (part, reason)
    with open(
        root / "manifest.csv", "w", newline="", errors="surrogateescape"
    ) as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return expected


def quarantined(out) -> dict[str, tuple[str, str]]:
    with open(out / "quarantine.csv", newline="") as file:
        return {
            row["id"]: (row["modality"], row["reason"])
            for row in csv.DictReader(file)
        }


def test_every_kind_of_damage_has_its_reason(tmp_path):
    write_set(tmp_path, 100)
    expected = break_samples(tmp_path)
    spec = make_spec(tmp_path, data__max_bad_fraction=0.2)
    found = prepare(spec, tmp_path / "out")
    assert quarantined(tmp_path / "out") == expected
    reasons = [reason for _, reason in expected.values()]
    assert found["quarantined"] == {r: reasons.count(r) for r in set(reasons)}
    data = load_data(tmp_path / "out")
    kept = [name for split in data.counts for name in data.ids(split)]
    assert len(kept) == 100 - len(expected)
    assert not set(kept) & set(expected)


def test_above_the_limit_it_fails_and_names_the_counts(tmp_path):
    write_set(tmp_path, 100)
    break_samples(tmp_path)
    spec = make_spec(tmp_path, data__max_bad_fraction=0.16)
    with pytest.raises(ValueError) as caught:
        prepare(spec, tmp_path / "out")
    message = str(caught.value)
    assert "17 of 100" in message and "3 wrong_format" in message
    assert "4 truncated" in message and "2 unknown_class" in message
    assert "'s0'" in message and "cut.jpg" in message
    assert not (tmp_path / "out").exists()


def test_a_sample_with_two_faults_is_one_sample(tmp_path):
    write_set(tmp_path, 30)
    rows = read_rows(tmp_path)
    rows[0] |= {"image": "nowhere.png", "text": ""}
    write_rows(tmp_path, rows)
    found = prepare(make_spec(tmp_path), tmp_path / "out")
    assert found["quarantined"] == {"not_found": 1}
    text = (tmp_path / "out" / "quarantine.csv").read_text()
    assert "s0,image,not_found" in text and "s0,text,missing" in text


def test_what_is_mended_is_read_again(tmp_path):
    write_set(tmp_path, 30)
    rows = read_rows(tmp_path)
    raw = (tmp_path / "4.png").read_bytes()
    (tmp_path / "4.png").write_bytes(raw[:50])
    spec = make_spec(tmp_path, data__max_bad_fraction=0.0)
    with pytest.raises(ValueError, match="1 of 30"):
        prepare(spec, tmp_path / "out")
    (tmp_path / "4.png").write_bytes(raw)
    found = prepare(spec, tmp_path / "out")
    assert sum(s["count"] for s in found["splits"].values()) == len(rows)


def test_an_absent_optional_modality_is_marked_not_made_up(tmp_path):
    write_set(tmp_path, 40)
    rows = read_rows(tmp_path)
    rows[3]["audio"] = ""
    rows[4]["audio"] = "nowhere.wav"
    rows[5]["audio"] = "5.png"
    write_rows(tmp_path, rows)
    spec = make_spec(
        tmp_path,
        modalities__audio__optional=True,
        data__max_bad_fraction=0.05,
    )
    found = prepare(spec, tmp_path / "out")
    # Not recorded is no fault; recorded and broken is.
    assert found["quarantined"] == {}
    assert found["incomplete"] == {"not_found": 1, "wrong_format": 1}
    assert quarantined(tmp_path / "out") == {
        "s4": ("audio", "not_found"),
        "s5": ("audio", "wrong_format"),
    }
    data = load_data(tmp_path / "out")
    for split in data.counts:
        samples = data.ordered(split).unbatch()
        for name, (x, _, _) in zip(data.ids(split), samples, strict=True):
            absent = name in ("s3", "s4", "s5")
            assert x["present"].numpy().tolist() == [not absent]
            assert x["audio"].numpy().any() != absent


def test_broken_optional_modalities_count_against_the_limit(tmp_path):
    write_set(tmp_path, 40)
    rows = read_rows(tmp_path)
    for row in rows[:3]:
        row["audio"] = "nowhere.wav"
    write_rows(tmp_path, rows)
    spec = make_spec(tmp_path, modalities__audio__optional=True)
    with pytest.raises(ValueError, match="3 of 40 .3 not_found"):
        prepare(spec, tmp_path / "out")


def test_an_id_or_path_cannot_act_in_the_report(tmp_path):
    write_set(tmp_path, 40)
    rows = read_rows(tmp_path)
    rows[0] |= {"id": "=cmd()", "image": "\x1b[2J.png"}
    write_rows(tmp_path, rows)
    prepare(make_spec(tmp_path), tmp_path / "out")
    text = (tmp_path / "out" / "quarantine.csv").read_text()
    assert "'=cmd()" in text and "\x1b" not in text
