"""What does not grow: memory with classes, and the time to open a folder."""

import os
import time

import numpy as np
import pandas as pd
import pytest

from mmkeras import artefact
from mmkeras.data import load_data, prepare, read_targets
from mmkeras.spec import DataSpec

CLASSES = [f"tag {i}" for i in range(300)]
SPEC = {
    "name": "many",
    "modalities": {"table": {"kind": "vector", "columns": ["a"]}},
    "targets": {
        "tags": {"kind": "categories", "column": "tags", "classes": CLASSES}
    },
}


def write(folder, rows=60):
    rng = np.random.default_rng(0)
    tags = ["|".join(rng.choice(CLASSES, 3, False)) for _ in range(rows)]
    tags[5] = ""
    table = pd.DataFrame({"a": range(rows), "tags": tags})
    table.to_csv(folder / "manifest.csv", index=False)
    return table


def spec_of(folder):
    return DataSpec.from_dict({**SPEC, "data": {"root": str(folder)}})


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    folder = tmp_path_factory.mktemp("many")
    table = write(folder)
    prepare(spec_of(folder), folder / "data", workers=1)
    return folder / "data", table


def test_labels_of_many_classes_are_kept_by_those_a_sample_has(tmp_path):
    table = write(tmp_path, rows=1000)  # more than are encoded at once
    table.loc[999, "tags"] = "unheard"
    values, weights, bad = read_targets(spec_of(tmp_path), table, sparse=True)
    assert values["tags"].shape == (1000, 300)
    assert values["tags"].nnz == 3 * 998
    assert weights["tags"].sum() == 998
    assert [fault[:3] for fault in bad] == [(999, "tags", "unknown_class")]
    row = values["tags"][[700]].toarray()[0]
    names = [CLASSES[i] for i in np.flatnonzero(row)]
    assert sorted(names) == sorted(table["tags"][700].split("|"))


def test_they_come_out_of_a_batch_as_they_went_in(prepared):
    folder, table = prepared
    data = load_data(folder, batch_size=100, cache=False)
    ids = data.ids("validation")
    _, y, weights = next(iter(data.validation))
    for place, name in enumerate(ids):
        found = [CLASSES[i] for i in np.flatnonzero(y["tags"][place])]
        cell = table["tags"][int(name)]
        assert sorted(found) == sorted(cell.split("|") if cell else [])
        assert weights["tags"][place] == bool(cell)
    counts = data.statistics["targets"]["tags"]["counts"]
    train = table.loc[[int(i) for i in data.ids("train")], "tags"]
    assert sum(counts.values()) == sum(cell.count("tag") for cell in train)


def test_what_was_hashed_is_known_again_until_it_changes(prepared):
    folder, _ = prepared
    time.sleep(0.15)  # what changed this moment may change again
    load_data(folder)
    note = artefact.read_hashed(folder / ".hashes.json")["files"]
    shard = folder / "train-00000.tfrecord"
    assert shard.name in note
    # Known by its times alone: a hash that is wrong there is believed.
    wrong = {**note, shard.name: [*note[shard.name][:-1], "0" * 64]}
    artefact.write_hashed(folder / ".hashes.json", {"files": wrong})
    with pytest.raises(ValueError, match="train-00000"):
        load_data(folder)
    (folder / ".hashes.json").write_text("no json")
    load_data(folder)

    status, raw = shard.stat(), bytearray(shard.read_bytes())
    raw[30] ^= 1
    shard.write_bytes(raw)
    os.utime(shard, ns=(status.st_atime_ns, status.st_mtime_ns))
    with pytest.raises(ValueError, match="damaged: sample 0 of the shard"):
        load_data(folder)
    raw[30] ^= 1
    shard.write_bytes(raw)
    load_data(folder)


def test_a_folder_with_the_note_is_prepared_already(prepared, capsys):
    folder, _ = prepared
    load_data(folder)
    prepare(spec_of(folder.parent), folder, workers=1)
    assert "prepared already" in capsys.readouterr().err
