"""The runner slides over recordings of sensors, and of sound beside them."""

import wave

import border_toys
import numpy as np
import pytest

RATE, STEPS = 25, 32  # of "motion" in the golden bundle
SOUND_RATE, SAMPLES = 4000, 800  # of "sound"


def windows(hop_sec, **recordings):
    live = border_toys.run().own().load("live")
    return [*live.windows(border_toys.runner(), recordings, hop_sec)]


def motion(path, steps):
    values = np.random.default_rng(0).normal(size=(steps, 2))
    if path.suffix == ".npy":
        np.save(path, values)
    else:
        rows = [f"{x!r},{y!r}" for x, y in values.tolist()]
        path.write_text("\n".join(["x,y", *rows]))
    return values.astype("float32")


@pytest.mark.parametrize("name", ["long.npy", "long.csv"])
@pytest.mark.parametrize(
    "steps, hop_sec, starts",
    [(75, 0.6, [0, 15, 30, 45]), (64, None, [0, 16, 32]), (20, 1, [0])],
)
def test_windows_of_a_series_end_in_a_gap(
    tmp_path, name, steps, hop_sec, starts
):
    values = motion(tmp_path / name, steps)
    found = windows(hop_sec, motion=str(tmp_path / name))
    ends = [min(start + STEPS, steps) / RATE for start in starts]
    assert [line["time_sec"] for line, _ in found] == ends
    for start, (_, row) in zip(starts, found, strict=True):
        wanted = np.full((STEPS, 2), np.nan, "float32")
        part = values[start : start + STEPS]
        wanted[: len(part)] = part
        np.testing.assert_array_equal(row["motion"], wanted)


def test_recordings_of_several_rates_slide_together(tmp_path):
    values = motion(tmp_path / "long.npy", 50)
    path, sound = tmp_path / "long.wav", np.arange(8000, dtype="<i2")
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, SOUND_RATE, 0, "NONE", ""))
        file.writeframes(sound.tobytes())
    both = {"motion": str(tmp_path / "long.npy"), "sound": str(path)}
    found = windows(0.36, **both)
    assert [line["time_sec"] for line, _ in found] == [1.28, 1.64, 2.0]
    for number, (_, row) in enumerate(found):
        at = 9 * number
        np.testing.assert_array_equal(row["motion"], values[at : at + STEPS])
        at = 1440 * number
        part = sound[at : at + SAMPLES].astype("float32") / 32768
        np.testing.assert_array_equal(row["sound"], part)
    motion(tmp_path / "long.npy", 100)
    with pytest.raises(ValueError, match="must end together"):
        windows(0.36, **both)


def test_a_table_that_was_exchanged_is_read_again(tmp_path):
    path = tmp_path / "long.csv"
    motion(path, 40)
    windows(1, motion=str(path))
    path.write_text("x,y\n1,2\n")
    ((_, row),) = windows(1, motion=str(path))
    assert row["motion"][0].tolist() == [1, 2]
