"""Strings of spoken digits, and scenes of them: what a builder puts in."""

import avdigits
import avscene
import builder
import builder_toys
import fsdd_strings
import numpy as np
import pandas as pd
import pytest
import soundfile

from mmkeras.data import read_targets
from mmkeras.spec import DataSpec, read_toml

SPEAKERS, TAKES = ("ann", "bob", "cid"), 12


@pytest.fixture
def source(tmp_path, monkeypatch):
    """Recordings whose samples are all the number of the digit, times 100."""
    folder = tmp_path / "source"
    (folder / "fsdd").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for digit in range(10):
        for speaker in SPEAKERS:
            for take in range(TAKES):
                sound = np.full(rng.integers(800, 2400), 100 * (digit + 1))
                name = f"{digit}_{speaker}_{take}.wav"
                fsdd_strings.write_wav(folder / "fsdd" / name, sound)
    count = 10 * len(SPEAKERS) * TAKES
    monkeypatch.setattr(avdigits, "RECORDINGS", count)
    few = {"train": 6, "validation": 2, "test": 3}
    monkeypatch.setattr(fsdd_strings, "STRINGS", few)
    monkeypatch.setattr(avscene, "SCENES", few)
    return folder


def table_of(script, source, out):
    assert builder_toys.run(script, source, "--out", out) == 0
    return pd.read_csv(out / "manifest.csv", dtype=str)


def test_a_string_is_its_recordings_in_a_row(source, tmp_path):
    out = tmp_path / "out"
    table = table_of(fsdd_strings, source, out)
    assert table["split"].value_counts().to_dict() == {
        "train": 18, "test": 9, "validation": 6,
    }  # fmt: skip
    for row in table.to_dict("records"):
        sound, rate = soundfile.read(out / row["audio"], dtype="int16")
        assert rate == 8000 and len(sound) <= 8000 * 4.096
        heard = sound[sound > 0] // 100 - 1
        starts = np.flatnonzero(np.diff(np.r_[0, sound]) > 0)
        assert len(row["digits"].split()) >= len(starts) > 0
        first, last = row["digits"][0], row["digits"][-1]
        assert (str(heard[0]), str(heard[-1])) == (first, last)
    counts = table["digits"].str.split().str.len()
    assert set(counts) == {1, 2, 3, 4, 5}


def test_no_recording_is_in_two_splits(source):
    takes = fsdd_strings.takes_of(source / "fsdd")
    names = [name for found in takes.values() for name in found]
    assert len(names) == len({*names}) == 10 * len(SPEAKERS) * TAKES
    for (speaker, split), found in takes.items():
        assert {name.split("_")[1] for name in found} == {speaker}
        numbers = {int(name.split("_")[2][:-4]) for name in found}
        assert {avdigits.split_of(n) for n in numbers} == {split}


def test_every_speaker_is_unseen_in_one_fold(source, tmp_path):
    table = table_of(fsdd_strings, source, tmp_path / "out")
    for fold, speaker in enumerate(SPEAKERS):
        parts = table.groupby(f"fold_{fold}")["speaker"].unique()
        assert list(parts["test"]) == [speaker]
        assert len(parts["validation"]) == len(parts["train"]) == 1


def test_a_recording_of_another_form_is_refused(source, tmp_path, capsys):
    path = source / "fsdd" / "0_ann_0.wav"
    soundfile.write(path, np.zeros((100, 2)), 8000)
    assert builder_toys.run(fsdd_strings, source, "--out", tmp_path / "o") == 2
    assert "Received: 2 of 16 bits at 8000 Hz" in capsys.readouterr().err
    path.write_bytes(b"RIFF")
    assert builder_toys.run(fsdd_strings, source, "--out", tmp_path / "o") == 2
    assert "must be a WAV file" in capsys.readouterr().err
    assert not (tmp_path / "o").exists()


def test_a_scene_shows_what_it_says(source, tmp_path, monkeypatch):
    av = pytest.importorskip("av")
    labels = (np.arange(60) % 10).astype("uint8")
    pictures = np.repeat(20 * (labels + 1), 28 * 28).reshape(-1, 28, 28)
    monkeypatch.setattr(avdigits, "PICTURES", 60)
    every = {"train": (0, 20), "validation": (20, 40), "test": (40, 60)}
    monkeypatch.setattr(avscene, "PICTURES", every)
    monkeypatch.setattr(avscene, "NOISE", 0.0)
    monkeypatch.setattr(avscene, "BLUR_PX", 0.0)
    for name, values in {
        "labels-idx1": labels,
        "images-idx3": pictures,
    }.items():
        path = source / "mnist" / f"t10k-{name}-ubyte.gz"
        builder_toys.write_idx(path, values.astype("uint8"))
    out = tmp_path / "out"
    table = table_of(avscene, source, out)
    for row in table.to_dict("records"):
        sound, _ = soundfile.read(out / row["audio"])
        assert len(sound) == round(3.072 * 8000)
        assert np.sqrt(np.mean(sound**2)) == pytest.approx(0.15, rel=0.01)
        with av.open(str(out / row["video"])) as file:
            found = list(file.decode(video=0))
        assert [round(1000 * f.time) for f in found] == [
            128 * i for i in range(24)
        ]
        frames = np.stack([f.to_ndarray(format="gray") for f in found])
        levels = [(int(frame.max()) - 64) * 2 // 20 - 1 for frame in frames]
        seen = [level for level in levels if level >= 0]
        digits = [int(digit) for digit in row["digits"].split()]
        runs = [x for x, y in zip(seen, [-1, *seen], strict=False) if x != y]
        # A digit of 100 ms may fall between two frames.
        left = iter(digits)
        assert runs and all(level in left for level in runs)


@pytest.mark.parametrize(
    "name", ["fsdd_strings", "fsdd_strings_speakers", "avscene"]
)
def test_the_specs_read_what_the_builders_write(name):
    folder = builder_toys.Path(builder.__file__).parent
    spec = DataSpec.from_dict(read_toml(folder / f"{name}.toml"))
    column = pd.DataFrame({"digits": ["3 1 4", "7 7 7 7", ""]})
    values, weights, bad = read_targets(spec, column)
    assert bad == [] and weights["digits"].tolist() == [1, 1, 0]
    assert values["digits"][0][:4].tolist() == [3, 4, 2, 5]
