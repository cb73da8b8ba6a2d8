"""Sounds stored at other speeds and pitches, for training alone."""

import json

import numpy as np
import pytest
import soundfile

from mmkeras.data import load_data, prepare, read_sample
from mmkeras.spec import DataSpec

RATE, SECONDS, TONE_HZ = 8000, 0.5, 1000


def spec_of(root, optional=False, target=None, **keys):
    return DataSpec.from_dict(
        {
            "name": "tones",
            "data": {"root": str(root), "id_column": "id"},
            "split": {"method": "column", "column": "part"},
            "modalities": {
                "tone": {
                    "kind": "audio", "column": "tone", "optional": optional,
                    "sample_rate_hz": RATE, "duration_sec": SECONDS, **keys,
                },
                "a": {"kind": "vector", "columns": ["a"]},
            },
            "targets": {
                "y": target or {"kind": "number", "column": "y"},
            },
        }
    )  # fmt: skip


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    """Tones of two thirds of the duration; one sample lacks its tone."""
    root = tmp_path_factory.mktemp("tones")
    time = np.arange(round(RATE * SECONDS * 2 / 3)) / RATE
    rows = ["id,tone,a,y,part"]
    for number in range(20):
        tone = 0.5 * np.sin(2 * np.pi * TONE_HZ * time + number)
        soundfile.write(root / f"{number}.wav", tone, RATE)
        part = "train" if number < 14 else ("validation", "test")[number % 2]
        name = "" if number == 3 else f"{number}.wav"
        rows.append(f"s{number},{name},{number},{number / 2},{part}")
    (root / "manifest.csv").write_text("\n".join(rows) + "\n")
    return root


CHANGES = {"speeds": [0.8, 1.25], "pitch_semitones": [-3, 3]}


@pytest.fixture(scope="module")
def prepared(raw):
    prepare(spec_of(raw, optional=True, **CHANGES), raw / "data", workers=1)
    return raw / "data"


def drawn(folder, share=1.0, epochs=8):
    """Training batches in which each tone is taken for one of its variants."""
    augment = {"tone": {"variant_share": share}}
    data = load_data(folder, 14, seed=1, augment=augment)
    found = []
    for _ in range(epochs):
        ((x, y, _weights),) = list(data.train)
        assert sorted(x) == ["a", "present", "tone"]
        found.append((x["tone"].numpy(), y["y"].numpy(), x["present"].numpy()))
    return found


def pitch_and_length(sound):
    """Returns the frequency of a tone, and how long it lasts, in seconds."""
    heard = np.flatnonzero(np.abs(sound) > 0.05)
    length = (heard[-1] - heard[0] + 1) / RATE
    middle = sound[heard[0] + 200 : heard[-1] - 200]
    power = np.abs(np.fft.rfft(middle * np.hanning(len(middle)), 2**16))
    return power.argmax() * RATE / 2**16, length


def test_a_variant_has_the_speed_or_the_pitch_that_it_should(prepared):
    whole = SECONDS * 2 / 3
    expected = {
        # Slower is longer and lower; a pitch alone leaves the length.
        (round(TONE_HZ * speed), round(whole / speed, 2))
        for speed in (0.8, 1.25)
    } | {
        (round(TONE_HZ * 2 ** (steps / 12)), round(whole, 2))
        for steps in (-3, 3)
    }
    seen = {}
    for tones, _, present in drawn(prepared):
        for tone in tones[present[:, 0] > 0]:
            hertz, length = pitch_and_length(tone)
            near = min(expected, key=lambda e: abs(e[0] - hertz))
            assert hertz == pytest.approx(near[0], rel=0.01)
            assert length == pytest.approx(near[1], abs=0.03)
            seen[near] = seen.get(near, 0) + 1
    # 104 tones, each one of four by chance.
    assert {*seen} == expected and min(seen.values()) > 10


def test_a_share_of_the_samples_is_replaced_others_are_as_stored(prepared):
    plain = load_data(prepared, 14, augment=False)
    ((x, y, _),) = list(plain.train)
    assert sorted(x) == ["a", "present", "tone"]
    stored = dict(zip(y["y"].numpy().tolist(), x["tone"].numpy(), strict=True))
    same = total = 0
    for tones, labels, present in drawn(prepared, share=0.25, epochs=12):
        for tone, label, there in zip(tones, labels.tolist(), present[:, 0]):
            if not there:
                assert not tone.any()
                continue
            total += 1
            same += np.array_equal(tone, stored[label])
    assert 0.6 < same / total < 0.9


def test_nothing_but_training_ever_sees_a_variant(raw, prepared, tmp_path):
    plain = tmp_path / "plain"
    prepare(spec_of(raw, optional=True), plain, workers=1)
    manifests = [
        json.loads((folder / "manifest.json").read_text())
        for folder in (plain, prepared)
    ]
    before, after = manifests
    for part in ("statistics", "quarantined"):
        assert after.get(part) == before.get(part)
    for split in ("train", "validation", "test"):
        one, other = (found["splits"][split] for found in manifests)
        assert one["count"] == other["count"]
        sizes = [sum(s["bytes"] for s in x["shards"]) for x in (one, other)]
        values = 4 * 2 * round(RATE * SECONDS)
        more = one["count"] * values if split == "train" else 0
        assert sizes[1] - sizes[0] == pytest.approx(more, abs=40 * 14)
        for each in (plain, prepared):
            data = load_data(each, 20, augment=False)
            assert data.counts[split] == one["count"]
    for name in ("s0", "s3", "s15", "s16"):
        pair = [read_sample(folder, name) for folder in (plain, prepared)]
        np.testing.assert_equal(*(sample["x"] for sample in pair))


def test_variants_are_said_and_do_not_depend_on_workers(raw, tmp_path, capsys):
    spec = spec_of(raw, optional=True, noise_snr_db=20, **CHANGES)
    found = [
        prepare(spec, tmp_path / str(workers), workers=workers)
        for workers in (1, 2)
    ]
    said = " ".join(capsys.readouterr().err.split())
    assert "stored also as speed 0.8, speed 1.25, pitch -3, pitch +3" in said
    assert found[0]["splits"] == found[1]["splits"]


@pytest.mark.parametrize(
    ("keys", "reason"),
    [
        ({"speeds": [1]}, "must differ from each other and from 1"),
        ({"speeds": [0.9, 0.9]}, "must differ from each other"),
        ({"pitch_semitones": [0]}, "and from 0, the sample itself"),
        ({"speeds": [0.2]}, "speeds"),
        ({"pitch_semitones": [13]}, "pitch_semitones"),
    ],
)
def test_variants_that_are_none_are_refused(tmp_path, keys, reason):
    with pytest.raises(ValueError, match=reason):
        spec_of(tmp_path, **keys)


def test_variants_and_a_label_for_each_step_are_refused(tmp_path):
    steps = {
        "kind": "sequence", "column": "y", "classes": ["up", "down"],
        "modality": "tone", "steps": 5,
    }  # fmt: skip
    spec_of(tmp_path, target=steps)
    with pytest.raises(ValueError, match="label for each step.*speed 0.9"):
        spec_of(tmp_path, target=steps, speeds=[0.9])


def test_a_share_of_what_was_not_stored_is_refused(raw, tmp_path):
    prepare(spec_of(raw, optional=True), tmp_path / "data", workers=1)
    with pytest.raises(
        ValueError, match="`augment.tone.variant_share` must be 0"
    ):
        load_data(tmp_path / "data", augment={"tone": {"variant_share": 0.5}})
