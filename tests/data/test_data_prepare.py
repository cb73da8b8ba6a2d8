"""`prepare` as a whole: what it writes, and what it refuses to touch."""

import csv
import json
import subprocess
import sys

import numpy as np
import pytest
from data.data_toys import make_spec, read_rows, write_rows, write_set

from mmkeras import artefact, processes
from mmkeras.data import prepare


@pytest.fixture
def root(tmp_path):
    write_set(tmp_path / "root")
    return tmp_path / "root"


def files_of(folder) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in sorted(folder.iterdir())}


def test_the_folder_holds_what_the_manifest_says(root, tmp_path, monkeypatch):
    monkeypatch.setattr(
        "mmkeras.data.ingest.plan.samples_per_shard", lambda spec: 8
    )
    found = prepare(make_spec(root), tmp_path / "out")
    assert sorted(files_of(tmp_path / "out")) == [
        ".mmkeras.json", "manifest.json", "quarantine.csv", "samples.csv",
        "sources.json", "test-00000.tfrecord",
        "tokenizer_text.json", "train-00000.tfrecord", "train-00001.tfrecord",
        "train-00002.tfrecord", "validation-00000.tfrecord",
    ]  # fmt: skip
    assert json.loads((tmp_path / "out/manifest.json").read_text()) == found
    assert set(found["files"]) == set(files_of(tmp_path / "out")) - {
        ".mmkeras.json",
        "manifest.json",
    }
    counts = {name: split["count"] for name, split in found["splits"].items()}
    assert counts == {"train": 18, "validation": 6, "test": 6}
    shards = found["splits"]["train"]["shards"]
    assert [shard["count"] for shard in shards] == [8, 8, 2]
    assert found["kind"] == "data" and found["seed"] == 0
    assert found["quarantined"] == {} == found["incomplete"]


def test_shards_are_hashed_by_the_workers_that_write_them(
    root, tmp_path, monkeypatch
):
    read, real = [], open

    def spy(path, *args, **kwargs):
        read.append(str(path))
        return real(path, *args, **kwargs)

    monkeypatch.setattr("builtins.open", spy)
    found = prepare(make_spec(root), tmp_path / "out", workers=2)
    assert any(name.endswith("quarantine.csv") for name in read)
    assert not [name for name in read if name.endswith(".tfrecord")]
    names = [*found["files"]]
    assert artefact.describe_files(tmp_path / "out", names) == found["files"]


def test_statistics_come_from_the_training_split_alone(root, tmp_path):
    rows = read_rows(root)
    spec = make_spec(
        root,
        data__manifest="sides.csv",
        split={"method": "column", "column": "side"},
    )
    for index, row in enumerate(rows):
        row["side"] = "train" if index < 20 else "test"
        if index >= 20:
            row |= {"v1": "9e9", "text": "unheard", "size": "9e9"}
    with open(root / "sides.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    found = prepare(spec, tmp_path / "out")["statistics"]
    v1 = np.arange(20) / 4
    assert np.allclose(found["modalities"]["vector"]["mean"][0], v1.mean())
    assert np.isclose(found["targets"]["size"]["mean"], 2 * v1.mean())
    assert sum(found["targets"]["color"]["counts"].values()) == 20
    assert "unheard" not in (tmp_path / "out/tokenizer_text.json").read_text()


def test_done_is_done(root, tmp_path, capsys):
    first = prepare(make_spec(root), tmp_path / "out")
    before = files_of(tmp_path / "out")
    assert prepare(make_spec(root), tmp_path / "out") == first
    assert files_of(tmp_path / "out") == before
    assert "nothing to do" in capsys.readouterr().err


@pytest.mark.parametrize(
    "change, message",
    [
        ("spec", "the same spec.*spec_sha256"),
        ("seed", "the same seed"),
        ("rows", "the same manifest of the data"),
    ],
)
def test_another_folder_is_never_overwritten(root, tmp_path, change, message):
    prepare(make_spec(root), tmp_path / "out")
    before = files_of(tmp_path / "out")
    spec = make_spec(root, description="x" if change == "spec" else "")
    if change == "rows":
        write_rows(root, write_set(root)[:-1])
    with pytest.raises(ValueError, match=message) as caught:
        prepare(spec, tmp_path / "out", seed=int(change == "seed"))
    if change == "spec":
        assert spec.sha256[:16] in str(caught.value)
    assert files_of(tmp_path / "out") == before


@pytest.mark.parametrize("name", ["notes.txt", "train-00000.tfrecord"])
def test_a_folder_of_somebody_else_is_refused(root, tmp_path, name):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / name).write_text("mine")
    with pytest.raises(ValueError, match=f"which holds {name}"):
        prepare(make_spec(root), tmp_path / "out")
    assert files_of(tmp_path / "out") == {name: b"mine"}


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"workers": 0}, "`workers`.*Received: workers=0"),
        ({"workers": 1.5}, "`workers`"),
        ({"seed": -1}, "`seed`.*Received: seed=-1"),
        ({"seed": "0"}, "`seed`"),
    ],
)
def test_wrong_arguments_are_one_message(root, tmp_path, arguments, message):
    with pytest.raises(ValueError, match=message):
        prepare(make_spec(root), tmp_path / "out", **arguments)
    assert not (tmp_path / "out").exists()


def test_a_plain_script_may_prepare_and_loads_no_tensorflow(root, tmp_path):
    # No `if __name__ == "__main__"`, several workers, another working folder.
    (tmp_path / "json.py").write_text("raise SystemExit('not this one')")
    (tmp_path / "go").mkdir()
    script = tmp_path / "go" / "script.py"
    script.write_text(
        "import sys\n"
        "from mmkeras.data import prepare\n"
        "from mmkeras.spec import load_spec, DataSpec\n"
        f"spec = DataSpec.from_dict({make_spec(root).to_dict()!r})\n"
        f"prepare(spec, 'out', workers=2)\n"
        "assert 'tensorflow' not in sys.modules\n"
        "print('done')\n"
    )
    done = subprocess.run(
        [sys.executable, script], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.stdout == "done\n", done.stderr
    assert (tmp_path / "out" / "manifest.json").is_file()


def test_a_worker_loads_no_tensorflow():
    code = (
        "import sys\nfrom mmkeras.data.ingest import answer_jobs\n"
        "assert not {'tensorflow', 'keras', 'pandas'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_worker_that_dies_is_one_message(root, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(ValueError, match=r"the shard `\w+-00000.tfrecord`"):
        prepare(make_spec(root), tmp_path / "out", workers=2)
    assert not (tmp_path / "out" / "manifest.json").exists()


def test_texts_and_vectors_may_come_from_files(root, tmp_path):
    rows = read_rows(root)
    np.save(root / "rows.npy", np.arange(60.0).reshape(30, 2))
    for index, row in enumerate(rows):
        (root / f"{index}.txt").write_text(row["text"])
        row |= {"text": f"{index}.txt", "v1": index}
    write_rows(root, rows)
    spec = make_spec(
        root,
        modalities__text__file=True,
        modalities__vector={
            "kind": "vector", "file": "rows.npy", "column": "v1", "size": 2,
        },
    )  # fmt: skip
    found = prepare(spec, tmp_path / "out")
    assert found["quarantined"] == {}
    assert found["statistics"]["modalities"]["text"]["vocabulary_size"] > 20
    mean = found["statistics"]["modalities"]["vector"]["mean"]
    assert np.isclose(mean[1] - mean[0], 1)


def test_workers_start_early_and_none_is_left(tmp_path, monkeypatch):
    started, start = [], processes.start

    def watch(*arguments, **options):
        started.append(start(*arguments, **options))
        return started[-1]

    monkeypatch.setattr(processes, "start", watch)
    write_set(tmp_path / "root", 12)
    spec = make_spec(tmp_path / "root")
    prepare(spec, tmp_path / "out", workers=2)
    assert len(started) == 2
    assert all(child.poll() is not None for child in started)
    # Nothing to do is found without any.
    prepare(spec, tmp_path / "out", workers=2)
    assert len(started) == 2
    prepare(spec, tmp_path / "alone", workers=1)
    assert len(started) == 2
    # Data that are refused leave none either.
    (tmp_path / "root" / "manifest.csv").write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match="must have the column"):
        prepare(spec, tmp_path / "other", workers=2)
    assert len(started) == 4
    assert all(child.poll() is not None for child in started)
