"""Fault 13: the number of workers changes nothing."""

import pytest
from data.data_toys import make_spec, read_rows, write_rows, write_set

from mmkeras.artefact import sha256_of
from mmkeras.data import load_data, prepare


@pytest.fixture(scope="module")
def outputs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("workers")
    root = folder / "root"
    write_set(root, 48)
    rows = read_rows(root)
    rows[5]["image"] = "nowhere.png"
    rows[9]["audio"] = ""
    write_rows(root, rows)
    spec = make_spec(
        root,
        modalities__audio__optional=True,
        modalities__audio__noise_snr_db=10.0,
        modalities__image__noise_std=0.1,
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "mmkeras.data.ingest.plan.samples_per_shard", lambda spec: 5
        )
        for name, workers in (("1", 1), ("2", 2), ("8", 8), ("again", 2)):
            prepare(spec, folder / name, workers=workers)
        prepare(spec, folder / "seed", workers=1, seed=1)
    return folder


def digests(folder) -> dict[str, str]:
    return {
        path.name: sha256_of(path)
        for path in sorted(folder.iterdir())
        if path.name != "manifest.json"
    }


@pytest.mark.parametrize("name", ["2", "8", "again"])
def test_every_file_is_the_same(outputs, name):
    found = digests(outputs / name)
    # Besides the shards: what was quarantined, the tokenizer, what was read,
    # where each sample is, and whose the folder is.
    assert len(found) == 15
    assert found == digests(outputs / "1")
    manifest = (outputs / name / "manifest.json").read_text()
    assert manifest == (outputs / "1" / "manifest.json").read_text()


def test_the_seed_changes_the_noise_alone(outputs):
    other, first = digests(outputs / "seed"), digests(outputs / "1")
    same = {name for name in first if first[name] == other[name]}
    assert same == {
        ".mmkeras.json",
        "quarantine.csv",
        "samples.csv",
        "tokenizer_text.json",
    }


def test_the_order_of_samples_is_the_same(outputs):
    first, other = load_data(outputs / "1"), load_data(outputs / "8")
    for split in ("train", "validation", "test"):
        assert first.ids(split) == other.ids(split)
