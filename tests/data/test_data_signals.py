"""Series, films and scans: from a manifest to shards, and to a batch."""

import numpy as np
import pytest
from data.signal_toys import body, signals_spec, write_signals

from mmkeras.data import load_data, prepare

for package in ("av", "nibabel", "pydicom", "wfdb"):
    pytest.importorskip(package)

SMALL = {"units": 8, "depth": 1}
RECIPE = {
    "towers": {
        "ecg": {**SMALL, "width": 8},
        "film": {**SMALL, "variant": "attention", "heads": 2},
        "scan": {"units": 8, "filters": 4, "stages": 2},
    },
    "fusion": {"method": "concat", "units": 8},
}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    folder = tmp_path_factory.mktemp("signals")
    write_signals(folder / "raw")
    spec = signals_spec(folder / "raw")
    return folder, spec, prepare(spec, folder / "out", workers=1)


def test_two_workers_write_the_same_shards(prepared, tmp_path):
    folder, spec, found = prepared
    again = prepare(spec, tmp_path / "out", workers=2)
    assert again["splits"] == found["splits"]
    assert again["statistics"] == found["statistics"]
    assert found["quarantined"] == found["incomplete"] == {}


def test_a_second_run_keeps_the_shards(prepared, capsys):
    folder, spec, found = prepared
    assert prepare(spec, folder / "out")["splits"] == found["splits"]
    assert "prepared already" in capsys.readouterr().err


def test_a_batch_has_the_shapes_and_values_of_the_files(prepared):
    folder, spec, found = prepared
    data = load_data(folder / "out", batch_size=9, augment=False)
    x, y, _ = next(iter(data.ordered("train")))
    x = {name: value.numpy() for name, value in x.items()}
    shapes = {name: (v.dtype.name, v.shape[1:]) for name, v in x.items()}
    assert shapes == {
        "ecg": ("float32", (40, 2)),
        "film": ("uint8", (4, 8, 12, 1)),
        "scan": ("float32", (4, 8, 8, 1)),
    }
    ids = [int(name[1:]) for name in data.ids("train")]
    assert y["side"].numpy().tolist() == [1 - i % 2 for i in ids]
    # Steps 10 to 19 at 50 Hz are 5 to 9 at 25 Hz, whatever the format.
    gaps = np.isnan(x["ecg"])
    assert (np.flatnonzero(gaps.any(axis=(0, 2))) == range(5, 10)).all()
    assert not gaps[:, :, 1].any() and gaps[:, 5:10, 0].all()
    middle = body()[1:5, 3:5, 4:6].mean()
    for i, row in zip(ids, x["ecg"], strict=True):
        assert abs(np.nanmean(row[:25, 1]) - 80 - i) < 0.05
    for i, voxels in zip(ids, x["scan"], strict=True):
        assert abs(voxels[:, 3:5, 3:5].mean() - middle - i) < 1


def test_statistics_are_those_of_the_training_split(prepared):
    folder, _, found = prepared
    data = load_data(folder / "out", batch_size=9, augment=False)
    x, _, _ = next(iter(data.ordered("train")))
    ecg = x["ecg"].numpy().reshape(-1, 2).astype(float)
    film = x["film"].numpy() / 255
    assert found["statistics"]["modalities"] == {
        "ecg": {
            "mean": pytest.approx(np.nanmean(ecg, axis=0), rel=1e-9),
            "std": pytest.approx(np.nanstd(ecg, axis=0), rel=1e-9),
            # Those of the records; the arrays state none.
            "units": ["mV", "mV"],
        },
        "film": {
            "mean": [pytest.approx(film.mean(), rel=1e-9)],
            "std": [pytest.approx(film.std(), rel=1e-9)],
        },
        "scan": {},
    }


def test_augmentation_keeps_gaps_and_means(prepared):
    folder, _, _ = prepared
    options = {"ecg": {"noise_std": 0.1, "gain": 0.5}}
    plain = load_data(folder / "out", batch_size=9, augment=False)
    changed = load_data(folder / "out", batch_size=9, augment=options)
    before = next(iter(plain.train))[0]["ecg"].numpy()
    after = next(iter(changed.train))[0]["ecg"].numpy()
    order = np.argsort(np.nanmean(before[..., 1], axis=1))
    again = np.argsort(np.nanmean(after[..., 1], axis=1))
    before, after = before[order], after[again]
    assert (np.isnan(before) == np.isnan(after)).all()
    means = np.nanmean(after, axis=1) - np.nanmean(before, axis=1)
    assert np.abs(means).max() < 0.1
    ratio = np.nanstd(after, axis=1) / np.nanstd(before, axis=1)
    assert (np.abs(ratio - 1) < 0.6).all() and np.ptp(ratio) > 0.05


def test_films_are_mirrored_by_half(prepared):
    folder, _, _ = prepared
    options = {"film": {"horizontal_flip": 1}}
    data = load_data(folder / "out", batch_size=9, augment=options)
    corners = []
    for _ in range(8):
        film = next(iter(data.train))[0]["film"].numpy()
        corners += (film[:, 0, 0, 0, 0] > film[:, 0, 0, -1, 0]).tolist()
    assert 0.2 < np.mean(corners) < 0.8


def test_a_changed_file_of_a_record_or_folder_makes_its_shard_anew(tmp_path):
    from mmkeras.data.ingest import stamp_of

    write_signals(tmp_path / "raw", 4)
    modalities = signals_spec().modalities
    for key, name, inner in (
        ("ecg", "2", "2.dat"),
        ("scan", "scan1", "scan1/3.dcm"),
    ):
        modality = modalities[key]
        files = modality.source_files({modality.column: name})
        before = [stamp_of(tmp_path / "raw", file) for file in files]
        assert any(b"(" in stamp for stamp in before)
        path = tmp_path / "raw" / inner
        path.write_bytes(path.read_bytes() + b"0")
        after = [stamp_of(tmp_path / "raw", file) for file in files]
        assert after != before


def test_a_batch_goes_through_a_model_built_from_its_statistics(prepared):
    from mmkeras import build_from_recipe

    folder, _, found = prepared
    data = load_data(folder / "out", batch_size=9, augment=False)
    model, _ = build_from_recipe(data.spec, data.statistics, RECIPE)
    x, _, _ = next(iter(data.ordered("train")))
    answers = model(x)["side"].numpy()
    assert answers.shape == (5, 2) and np.isfinite(answers).all()
    # Normalised by the statistics, a level of 80 mV is none.
    raised = {**x, "ecg": x["ecg"] * 1e-3}
    assert np.abs(model(raised)["side"].numpy() - answers).max() > 1e-4


def test_samples_are_mixed_and_moved_together_as_a_model_learns(prepared):
    from mmkeras import build_from_recipe
    from mmkeras.training import FullFineTune

    folder, _, _ = prepared
    augment = {
        "ecg": {"time_crop": 0.5, "channel_dropout": 0.2},
        "film": {"time_crop": 0.5, "horizontal_flip": 1},
        "scan": {"rotation_degrees": 10, "horizontal_flip": 1},
        "together": {
            "time_crop": ["ecg", "film"],
            "horizontal_flip": ["film", "scan"],
        },
        "mix": {"mixup": 0.4, "cutmix": 1.0},
    }

    def opened():
        return load_data(folder / "out", 9, seed=3, augment=augment)

    # Two epochs, and again by who begins anew.
    data = opened()
    epochs = [list(data.train), list(data.train)]
    again = opened()
    for first, second in zip(
        [batch for epoch in epochs for batch in epoch],
        [*again.train, *again.train],
        strict=True,
    ):
        for part, other in zip(first, second, strict=True):
            for name in part:
                pair = part[name].numpy(), other[name].numpy()
                assert pair[0].tobytes() == pair[1].tobytes(), name
    labels = epochs[0][0][1]["side"].numpy()
    assert labels.shape == (5, 2) and np.allclose(labels.sum(axis=1), 1)
    assert ((labels > 0.01) & (labels < 0.99)).any()
    assert next(iter(data.validation))[1]["side"].dtype == "int32"
    model, heads = build_from_recipe(data.spec, data.statistics, RECIPE)
    history = FullFineTune(epochs=2).fit(model, data, heads).history
    assert np.isfinite(history["loss"]).all()
    assert np.isfinite(history["val_loss"]).all()
    assert all(0 <= value <= 1 for value in history["accuracy"])
