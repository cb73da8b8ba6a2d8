"""A kind reads its samples, whoever wrote it; other kinds stay unloaded."""

import importlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from data.data_toys import make_spec, write_set

import mmkeras
from mmkeras.data import decode_file, load_data, prepare
from mmkeras.data.ingest import READING_ROOMS, rules_of
from mmkeras.spec import DataSpec

# A kind in one file. Clouds of points, stored as bytes in centimetres.
CODE = '''
"""Clouds of points."""

from typing import ClassVar, Literal

import numpy as np

import mmkeras
from mmkeras.data import BadSample, Reason, known_moments, known_sums
from mmkeras.spec import Augmentation, Learned, Sample, Stored


@mmkeras.register_modality
class Points(mmkeras.Modality):
    kind: Literal["cloud"]
    column: str
    count: int
    stored: ClassVar[Stored] = Stored("u1", scale=0.01, offset=-1.0)
    learned_file: ClassVar[str] = "names"
    augmentations: ClassVar = {"shift": Augmentation(0.5, 0, 1, "metres")}

    @property
    def shape(self):
        return (self.count, 3)

    def learn(self, cells, io):
        names = sorted(set(cells[self.column]))
        return Learned({"files": len(names)}, " ".join(names))

    def open_learned(self, learned):
        return learned.file.split()

    def vocabulary_of(self, learned):
        return learned.file

    def read(self, cells, io):
        path = cells[self.column]
        values = np.frombuffer(io.bytes(path), "u1").reshape(-1, 3)
        if len(values) < self.count:
            raise BadSample(Reason.TRUNCATED, f"{len(values)} points")
        if io.learned is not None:
            assert path in io.learned or io.random is not None
        cut = len(values) - self.count
        return Sample(values[: self.count], {"cut": cut} if cut else {})

    def sums(self, value):
        return known_sums(value)

    def finish(self, sums):
        mean, _ = known_moments(sums, 3)
        return {"mean": mean}

    def augment(self, settings):
        return lambda values, seeds: values + settings["shift"]
'''


@pytest.fixture
def root(tmp_path, monkeypatch):
    """Thirty clouds, numbers 0 to 29, the last without one of its points."""
    (tmp_path / "own_points.py").write_text(CODE)
    monkeypatch.syspath_prepend(tmp_path)
    with mmkeras.registrations():
        importlib.import_module("own_points")
        root = tmp_path / "root"
        root.mkdir()
        lines = ["id,cloud,size"]
        for i in range(30):
            values = np.full((4 + i % 2, 3), i, "u1")
            (root / f"{i}.bin").write_bytes(values.tobytes())
            lines.append(f"s{i},{i}.bin,{i}")
        (root / "29.bin").write_bytes(bytes(9))
        (root / "manifest.csv").write_text("\n".join(lines))
        yield root
    del sys.modules["own_points"]


def clouds(root) -> DataSpec:
    return DataSpec.from_dict(
        {
            "name": "clouds",
            "data": {"root": str(root), "id_column": "id"},
            "modalities": {
                "cloud": {"kind": "cloud", "column": "cloud", "count": 4}
            },
            "targets": {"size": {"kind": "number", "column": "size"}},
        }
    )


@pytest.mark.parametrize("workers", [1, 2])
def test_a_kind_in_one_file_goes_from_files_to_batches(root, workers, tmp_path):
    found = prepare(clouds(root), tmp_path / "out", workers=workers)
    assert found["quarantined"] == {"truncated": 1}
    assert found["notes"] == {"cloud": {"cut": 14}}
    assert "names_cloud.json" in found["files"]
    data = load_data(tmp_path / "out", augment=False)
    x, y, _ = next(iter(data.ordered("train")))
    assert x["cloud"].dtype == "float32" and x["cloud"].shape[1:] == (4, 3)
    sizes = y["size"].numpy()
    np.testing.assert_allclose(x["cloud"][:, 0, 0], sizes / 100 - 1, atol=1e-6)
    known = found["statistics"]["modalities"]["cloud"]
    assert known["files"] == 24  # one of them is broken
    np.testing.assert_allclose(known["mean"], sizes.mean())
    assert set(data.vocabularies) == {"cloud"}
    again = load_data(tmp_path / "out", augment={"cloud": {"shift": 0.25}})
    total = sum(float(np.sum(x["cloud"])) for x, _, _ in again.train)
    expected = sum(float(np.sum(x["cloud"])) for x, _, _ in data.train)
    shifted = 0.25 * 12 * found["splits"]["train"]["count"]
    assert total - expected == pytest.approx(shifted, rel=1e-4)


def test_one_file_is_decoded_by_the_same_reader(root):
    modality = clouds(root).modalities["cloud"]
    found = decode_file(modality, root / "7.bin")
    np.testing.assert_allclose(found, np.full((4, 3), -0.93), atol=1e-6)


def test_other_code_is_another_rule(root, tmp_path):
    first = rules_of(clouds(root), {})
    assert rules_of(clouds(root), {}) == first
    path = tmp_path / "own_points.py"
    path.write_text(CODE.replace("self.count]", "self.count][::-1]"))
    importlib.reload(sys.modules["own_points"])
    assert rules_of(clouds(root), {}) != first
    package = Path(mmkeras.__file__).parent
    assert all((package / room).is_dir() for room in READING_ROOMS)


@pytest.mark.parametrize("same", [True, False])
def test_shards_of_another_rule_are_made_anew(tmp_path, monkeypatch, same):
    write_set(tmp_path / "root")
    spec, out = make_spec(tmp_path / "root"), tmp_path / "out"

    def stop(*arguments):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("mmkeras.data.ingest.folder.publish", stop)
        with pytest.raises(KeyboardInterrupt):
            prepare(spec, out, workers=1)
    notes = sorted(out.glob(".partial/*.tfrecord.json"))
    assert len(notes) == 3
    before = [note.stat().st_mtime_ns for note in notes]
    with monkeypatch.context() as patch:
        patch.setattr("mmkeras.data.ingest.folder.publish", stop)
        if not same:
            patch.setattr(
                "mmkeras.data.ingest.workers.rules_of", lambda *_: "other"
            )
        with pytest.raises(KeyboardInterrupt):
            prepare(spec, out, workers=1)
    after = [note.stat().st_mtime_ns for note in notes]
    assert all((a == b) == same for a, b in zip(before, after, strict=True))
    assert prepare(spec, out, workers=1)["splits"]["train"]["count"] == 18


def test_a_kind_that_is_not_read_is_not_loaded(tmp_path):
    write_set(tmp_path / "root")
    keys = ("audio", "text", "vector")
    others = {f"modalities__{name}": None for name in keys}
    # The labels of several classes are kept in a sparse table of scipy.
    spec = make_spec(tmp_path / "root", targets__tags=None, **others)
    code = (
        "import sys\n"
        "from mmkeras.data import prepare\n"
        "from mmkeras.spec import DataSpec\n"
        f"spec = DataSpec.from_dict({spec.to_dict()!r})\n"
        "prepare(spec, sys.argv[1], workers=1)\n"
        "print(*sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "out"],
        capture_output=True,
        text=True,
    )
    loaded = set(done.stdout.split())
    assert "mmkeras.kinds.image.read" in loaded, done.stderr
    assert not loaded & {
        "tensorflow", "keras", "av", "nibabel", "pydicom", "wfdb",
        "soundfile", "tokenizers", "scipy", "mmkeras.kinds.audio.read",
        "mmkeras.kinds.image.augment", "mmkeras.kinds.volume.read",
    }  # fmt: skip
