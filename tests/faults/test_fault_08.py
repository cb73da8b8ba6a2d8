"""Fault 8: a shard that is not what was written is found before step one."""

import shutil

import pytest
from data.data_toys import make_spec, write_set

from mmkeras.artefact import read_manifest, write_hashed
from mmkeras.data import intact_records, load_data, prepare, write_records


def prepared(folder, samples=30):
    write_set(folder / "root", samples)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "mmkeras.data.ingest.plan.samples_per_shard", lambda spec: 6
        )
        prepare(make_spec(folder / "root"), folder / "out")
    return folder / "out"


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return prepared(tmp_path_factory.mktemp("whole"))


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    return prepared(tmp_path_factory.mktemp("other"), samples=36)


@pytest.fixture
def folder(whole, tmp_path):
    return shutil.copytree(whole, tmp_path / "copy")


def empty(path, other):
    path.write_bytes(b"")


def cut_at_a_record(path, other):
    payloads, damaged = intact_records(path)
    assert not damaged
    write_records(path, payloads[:4])


def duplicate(path, other):
    shutil.copy(path.with_name("train-00000.tfrecord"), path)


def replace(path, other):
    shutil.copy(other / path.name, path)


def reorder(path, other):
    payloads, _ = intact_records(path)
    write_records(path, payloads[::-1])


def link(path, other):
    shutil.move(path, path.with_suffix(".moved"))
    path.symlink_to(path.with_suffix(".moved"))


DAMAGE = [
    (lambda path, other: path.unlink(), "no file, 0 samples"),
    (empty, "0 intact samples"),
    (cut_at_a_record, "4 intact samples"),
    (duplicate, "6 intact samples, a copy of train-00000.tfrecord"),
    (replace, "6 intact samples .*another data set's"),
    (reorder, "6 intact samples .*another data set's"),
    (link, "a link"),
]


@pytest.mark.parametrize("on_error", ["raise", "skip"])
@pytest.mark.parametrize("damage, found", DAMAGE)
def test_the_shard_and_both_counts_are_named(
    folder, other, damage, found, on_error
):
    damage(folder / "train-00001.tfrecord", other)
    expected = rf"train-00001.tfrecord` must hold the 6 samples .*{found}"
    with pytest.raises(ValueError, match=expected):
        load_data(folder, on_error=on_error)


def test_a_shard_too_many_is_named(folder):
    shutil.copy(folder / "test-00000.tfrecord", folder / "test-00009.tfrecord")
    with pytest.raises(ValueError, match="test-00009.tfrecord .6 shards, 5"):
        load_data(folder)


@pytest.mark.parametrize("name", ["tokenizer_text.json", "quarantine.csv"])
def test_the_other_files_are_held_as_well(folder, name):
    (folder / name).write_bytes((folder / name).read_bytes()[:-1])
    with pytest.raises(ValueError, match=name):
        load_data(folder)


def rewritten(folder, change) -> None:
    """Edits a manifest as one who computes its hash anew."""
    manifest = read_manifest(folder, "data", check_files=False)
    change(manifest)
    write_hashed(folder / "manifest.json", manifest)


def test_a_changed_spec_in_the_manifest_is_found(folder):
    def change(manifest):
        manifest["spec"]["modalities"]["image"]["height"] = 4

    rewritten(folder, change)
    with pytest.raises(ValueError, match="must hold the spec"):
        load_data(folder)


def test_a_manifest_without_its_parts_is_refused(folder):
    rewritten(folder, lambda manifest: manifest.pop("splits"))
    with pytest.raises(ValueError, match="manifest.json` must hold `splits`"):
        load_data(folder)


def shard_of(manifest, split="train", place=1):
    return manifest["splits"][split]["shards"][place]


def one_less(manifest):
    shard_of(manifest)["count"] -= 1
    manifest["splits"]["train"]["count"] -= 1


def one_more(manifest):
    shard_of(manifest)["count"] += 1
    manifest["splits"]["train"]["count"] += 1


def shifted(manifest):
    """The sum is right, and both shards are not."""
    shard_of(manifest)["count"] += 1
    shard_of(manifest, place=0)["count"] -= 1


def sum_less(manifest):
    manifest["splits"]["train"]["count"] -= 1


def unlisted(manifest):
    entry = manifest["splits"]["train"]
    name = entry["shards"].pop(1)["file"]
    entry["count"] -= 6
    del manifest["files"][name]


COUNTS = [
    (one_less, "train-00001.tfrecord` must hold the 5 .*Received: 6 samples"),
    (one_more, "train-00001.tfrecord` must hold the 7 .*Received: 6 samples"),
    (shifted, "train-00000.tfrecord` must hold the 5 .*Received: 6 samples"),
    (sum_less, "`splits.train`.*sum of its shards, 18. Received: 17"),
    (unlisted, "must list the shard `train-00001.tfrecord`.*6 samples fewer"),
]


@pytest.mark.parametrize("indexed", [True, False])
@pytest.mark.parametrize("change, message", COUNTS)
def test_counts_are_compared_with_the_shards(folder, change, message, indexed):
    """Also where somebody made the hash fit, and in older folders."""
    if change is unlisted:
        (folder / "train-00001.tfrecord").unlink()
        if not indexed:
            pytest.skip("then nothing tells that there was one")

    def both(manifest):
        change(manifest)
        if not indexed:
            del manifest["files"]["samples.csv"]

    rewritten(folder, both)
    with pytest.raises(ValueError, match=message):
        load_data(folder)


@pytest.mark.parametrize("text", ["", "id,shard\n", "\x00", "id" * 200_000])
def test_an_index_that_is_none_is_named(folder, text):
    from mmkeras.artefact import describe_files

    head = "id,shard,offset,bytes,place\n" if text == "\x00" else ""
    (folder / "samples.csv").write_text(head + text)
    rewritten(
        folder,
        lambda m: m["files"].update(describe_files(folder, ["samples.csv"])),
    )
    with pytest.raises(ValueError, match="samples.csv` must be an index"):
        load_data(folder)


def test_a_whole_folder_loads(folder):
    data = load_data(folder)
    assert data.counts == {"train": 18, "validation": 6, "test": 6}
