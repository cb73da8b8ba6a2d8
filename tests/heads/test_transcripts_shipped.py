"""Transcripts from recordings to the runner: tones that stand for letters."""

import csv
import json
import subprocess
import sys
import wave

import numpy as np
import pytest

from mmkeras import runs
from mmkeras.artefact import read_manifest
from mmkeras.data import prepare
from mmkeras.export import export
from mmkeras.spec import DataSpec

RATE_HZ, SAMPLES = 4000, 3840
HZ = {"a": 300, "b": 800, "c": 1500}
SPEC = {
    "name": "tones",
    "split": {"train": 0.7, "validation": 0.1, "test": 0.2},
    "modalities": {
        "sound": {"kind": "audio", "column": "sound",
                  "sample_rate_hz": RATE_HZ, "duration_sec": 0.96},
    },
    "targets": {
        "said": {"kind": "transcript", "column": "said", "alphabet": "abc",
                 "modality": "sound", "steps": 15, "max_symbols": 4},
    },
}  # fmt: skip
LIGHT = {
    "kind": "series", "column": "light", "channels": ["x", "y", "z"],
    "file_rate_hz": 15.625, "sample_rate_hz": 15.625, "duration_sec": 0.96,
    "optional": True,
}  # fmt: skip
RECIPE = {
    "towers": {
        "sound": {"variant": "gru", "bidirectional": False, "width": 24,
                  "stride": 4, "units": 16, "mel_bands": 20, "frame_ms": 32.0,
                  "hop_ms": 16.0, "dropout": 0.0, "time_fraction": 0.0,
                  "mel_fraction": 0.0},
    },
    "fusion": {"method": "concat", "units": 8},
    "heads": {"said": {"units": 16}},
    "training": {"batch_size": 16, "learning_rate": 0.01, "clip_norm": 5.0},
}  # fmt: skip
BAD = {3: ("abx", "outside_alphabet"), 8: ("abcabc", "too_long")}


def write_samples(folder, count=240):
    """Writes sounds, lights that say the same, and a manifest."""
    rng, rows = np.random.default_rng(0), []
    for number in range(count):
        letters = rng.choice(list(HZ), rng.integers(1, 5))
        sound, light = rng.normal(0, 0.02, SAMPLES), rng.normal(0, 0.1, (15, 3))
        for place, letter in enumerate(letters):
            at = place * 880 + rng.integers(0, 200)
            time = np.arange(480) / RATE_HZ
            sound[at : at + 480] += 0.5 * np.sin(2 * np.pi * HZ[letter] * time)
            light[at // 256 : at // 256 + 2, list(HZ).index(letter)] += 1
        write_wav(folder / f"{number}.wav", sound)
        np.save(folder / f"{number}.npy", light.astype("float32"))
        text = BAD.get(number, ("".join(letters),))[0]
        # A text that nobody told, and an absent light.
        rows.append({
            "sound": f"{number}.wav", "said": text if number % 9 else "",
            "light": f"{number}.npy" if number % 5 else "",
        })  # fmt: skip
    with open(folder / "manifest.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return rows


def write_wav(path, sound):
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, RATE_HZ, 0, "NONE", ""))
        file.writeframes((sound * 32767).astype("<i2").tobytes())


def spec_of(folder, **light):
    spec = {**SPEC, "data": {"root": str(folder)}}
    if light:
        sound = {**SPEC["modalities"]["sound"], "optional": True}
        spec["modalities"] = {"sound": sound, "light": LIGHT}
        said = {**SPEC["targets"]["said"], "modality": ["sound", "light"]}
        spec["targets"] = {"said": said}
    return DataSpec.from_dict(spec)


def answered(bundle, *options):
    told = subprocess.run(
        [sys.executable, bundle / "run.py", *map(str, options)],
        capture_output=True, check=True, text=True,
    )  # fmt: skip
    return told.stdout


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of the converters
def test_a_sound_goes_from_a_recording_to_the_text_of_a_stream(tmp_path):
    rows = write_samples(tmp_path)
    spec, run = spec_of(tmp_path), tmp_path / "run"
    prepare(spec, tmp_path / "data", workers=1)
    quarantined = (tmp_path / "data" / "quarantine.csv").read_text()
    assert all(reason in quarantined for _, reason in BAD.values())
    recipe = {**RECIPE}
    recipe["training"] = {**RECIPE["training"], "full": {"epochs": 40}}
    runs.train_run(tmp_path / "data", recipe, "full", run, verbose=0)
    figures = runs.evaluate_run(run)["targets"]["said"]
    assert figures["metrics"]["cer"]["value"] < 0.1
    (constant,) = figures["baselines"]
    assert constant["metrics"]["cer"]["value"] > 0.5
    page = (run / "evaluation" / "report.html").read_text()
    assert "Word error rate" in page and "heard in another's place" in page

    data = runs.open_data(read_manifest(run, "run"), augment=False)
    bundle = tmp_path / "bundle"
    card = export(run, spec, data, bundle, max_drop=0.05)
    assert card.failures == ()
    assert card.streams["sound"].largest_difference < 1e-4
    number = next(i for i in range(20, 60) if len(rows[i]["said"]) == 4)
    sound = tmp_path / f"{number}.wav"
    whole = json.loads(answered(bundle, "--sound", sound))["said"]
    assert whole["text"] == rows[number]["said"]
    lines = answered(bundle, "--sound", sound, "--listen", "--hop-sec", 0.2)
    lines = [json.loads(line) for line in lines.splitlines()]
    assert [line["time_sec"] for line in lines] == [
        0.256, 0.448, 0.64, 0.832, 0.96,
    ]  # fmt: skip
    texts = [line["answer"]["said"]["text"] for line in lines]
    assert texts[-1] == whole["text"]
    assert all(whole["text"].startswith(text) for text in texts)
    assert len({*texts}) > 2


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of the converters
def test_sound_and_light_are_one_text_and_either_may_be_absent(tmp_path):
    write_samples(tmp_path)
    spec, run = spec_of(tmp_path, light=True), tmp_path / "run"
    prepare(spec, tmp_path / "data", workers=1)
    light = {"variant": "gru", "stride": 1, "units": 16, "width": 16}
    recipe = {
        **RECIPE,
        "modality_dropout": 0.3,
        "towers": {**RECIPE["towers"], "light": light},
        "training": {
            **RECIPE["training"],
            "component": {
                "tower_epochs": 15, "fusion_epochs": 4, "epochs": 6,
                "fine_tune_learning_rate": 0.005,
            },
        },
    }  # fmt: skip
    runs.train_run(tmp_path / "data", recipe, "component", run, verbose=0)
    said = runs.evaluate_run(run, baselines=False)["targets"]["said"]
    assert said["metrics"]["cer"]["value"] < 0.1
    alone = {
        tuple(subset["absent"]): subset["metrics"]["cer"]["value"]
        for subset in said["subsets"]
    }
    assert alone[("light",)] < 0.4 and alone[("sound",)] < 0.4
    data = runs.open_data(read_manifest(run, "run"), augment=False)
    card = export(run, spec, data, tmp_path / "bundle", max_drop=0.05)
    assert card.failures == () and not card.streams
    assert "15 steps of another modality" in card.not_streamed["sound"]
