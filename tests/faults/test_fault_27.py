"""Faults 27 and 38: a manifest proves itself, or is not read.

`fuzz_manifests.py` has the generators; here are the sentences.
"""

import json
import shutil

import pytest
from export.export_toys import load_run, toy_export
from faults.fuzz_manifests import device
from manifest_toys import FIELDS, write_toy

from mmkeras import artefact


@pytest.fixture
def folder(tmp_path):
    return write_toy(tmp_path / "bundle", "bundle").parent


def edit(folder, change) -> None:
    """Edits the text of a manifest, as a hand or a bad disk does."""
    path = folder / artefact.MANIFEST
    before = path.read_text()
    after = change(before)
    assert after != before
    path.write_text(after)


def both(folder) -> list[str]:
    """The error of each reader: this package's, and the device's."""
    found = []
    for reader in (artefact.read_manifest, device().read_manifest):
        with pytest.raises(ValueError) as error:
            reader(folder)
        found.append(str(error.value))
        assert str(folder / artefact.MANIFEST) in found[-1]
    return found


@pytest.mark.parametrize("kind", sorted(FIELDS))
def test_a_manifest_is_read_as_it_was_written(tmp_path, kind):
    path = write_toy(tmp_path, kind)
    written = json.loads(path.read_text())
    assert artefact.read_manifest(tmp_path, kind) == written
    assert list(written)[:3] == ["format", "sha256", "kind"]
    assert written["format"] == artefact.FORMAT == 1


def test_the_hash_can_be_computed_by_anybody(folder):
    import hashlib

    value = json.loads((folder / artefact.MANIFEST).read_text())
    digest = value.pop("sha256")
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    assert hashlib.sha256(text.encode()).hexdigest() == digest


def test_no_bit_of_a_bundles_manifest_may_differ(folder):
    path = folder / artefact.MANIFEST
    data = path.read_bytes()
    for place in range(len(data)):
        bit = (place * 5) % 8
        flipped = data[place] ^ 1 << bit
        path.write_bytes(data[:place] + bytes([flipped]) + data[place + 1 :])
        for reader in (artefact.read_manifest, device().read_manifest):
            with pytest.raises(ValueError, match="manifest.json"):
                reader(folder)


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda t: t.replace('"present": [', '"present": [],\n"present": ['),
         "the key 'present' twice"),
        (lambda t: t.replace("uint8", "int32"), "its own `sha256`"),
        (lambda t: t.replace('"step": 1', '"step": 1.50'), "1.50 for 1.5"),
        (lambda t: t.replace('"step": 1', '"step": NaN'), "NaN"),
        (lambda t: t.replace("\\u001b", "\\u001B"), "an escape in capitals"),
        (lambda t: t.replace('"format": 1,', '"format": 7,'),
         "format 7.*'0.1.0'"),
        (lambda t: t.replace('"format": 1,', '"format": true,'), "True"),
        (lambda t: t.replace('"sha256"', '"sha257"', 1), "its own `sha256`"),
        (lambda t: "[" * 100_000, "64 levels"),
        (lambda t: t.replace("{", '{"a": ' + "[" * 70 + "]" * 70 + ",", 1),
         "64 levels"),
        (lambda t: "", "JSONDecodeError"),
        (lambda t: "7", "a table"),
    ],
)  # fmt: skip
def test_both_readers_say_what_is_wrong(folder, change, message):
    edit(folder, change)
    for found in both(folder):
        with pytest.raises(ValueError, match=message):
            raise ValueError(found)
        assert "Received: " in found and "\n" not in found


def test_a_manifest_too_large_is_not_parsed(folder, monkeypatch):
    path = folder / artefact.MANIFEST
    text = path.read_bytes()
    path.write_bytes(text + b" " * 2**20)
    artefact.read_manifest(folder)
    path.write_bytes(text + b" " * (artefact.MAX_JSON_BYTES - len(text) + 1))
    monkeypatch.setattr("json.loads", None)
    assert all("67,108,864 bytes" in found for found in both(folder))


@pytest.mark.parametrize(
    "change, field",
    [
        (lambda m: m["inputs"]["image"].update(shape=["2"]),
         "inputs.image.shape.0"),
        (lambda m: m["inputs"]["image"].update(optional=1),
         "inputs.image.optional"),
        (lambda m: m["files"].update(x={}), "files.x.(bytes|sha256)"),
        (lambda m: m.pop("outputs"), "outputs"),
        (lambda m: m["model"].pop("file"), "model.file"),
        (lambda m: m.update(present="image"), "present"),
    ],
)  # fmt: skip
def test_the_field_is_named_where_the_hash_is_right(folder, change, field):
    """As where a tool has rewritten it."""
    manifest = artefact.read_manifest(folder)
    change(manifest)
    path = folder / artefact.MANIFEST
    artefact.write_hashed(path, manifest)
    for found in both(folder):
        with pytest.raises(ValueError, match=f"`{field}`.*Received: "):
            raise ValueError(found)


def test_an_older_manifest_is_read_with_a_warning(folder):
    path = folder / artefact.MANIFEST
    manifest = json.loads(path.read_text())
    for key in ("format", "sha256"):
        del manifest[key]
    path.write_text(json.dumps(manifest))
    for reader in (artefact.read_manifest, device().read_manifest):
        with pytest.warns(UserWarning, match="by an earlier mmkeras.*damage"):
            assert reader(folder) == manifest
    # A name in `present` that is no input is not taken for an absent one.
    path.write_text(json.dumps({**manifest, "present": ["imagd"]}))
    with pytest.raises(ValueError, match="`present`.*among.*Received.*imagd"):
        device().read_manifest(folder)


def test_what_no_reader_would_read_is_not_written(tmp_path):
    for fields, message in (
        ({"spec": 5}, "`spec`"),
        ({"format": 2}, "`format`"),
        ({"recipe": {1: 2, "1": 3}}, "the key '1' twice"),
        ({"recipe": json.loads('{"a":' * 70 + "1" + "}" * 70)}, "64 levels"),
    ):
        with pytest.raises(ValueError, match=message):
            artefact.write_manifest(tmp_path, "run", [], **fields)
    assert not any(tmp_path.iterdir())
    found = artefact.write_manifest(tmp_path, "run", [], parts=(1, {2: "x"}))
    assert found["parts"] == [1, {"2": "x"}]
    assert artefact.read_manifest(tmp_path, "run") == found


def test_the_device_has_the_same_limits():
    run = load_run(toy_export().bundle)
    for name in ("FORMAT", "MAX_JSON_BYTES", "MAX_DEPTH"):
        assert getattr(run, name) == getattr(artefact, name)


@pytest.mark.parametrize(
    "old, new", [('"present"', '"presenu"'), ('"runner.py"', '"runnes.py"')]
)
def test_no_code_is_run_under_a_damaged_manifest(tmp_path, capsys, old, new):
    folder = shutil.copytree(toy_export().bundle, tmp_path / "bundle")
    edit(folder, lambda text: text.replace(old, new))
    assert load_run(folder).main(["--table", "1,2,3"]) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith(f"error: `{folder / 'manifest.json'}`")
    assert "its own `sha256`" in captured.err and captured.out == ""
    # Nor without a hash, which all have that came with this code.
    value = json.loads((folder / artefact.MANIFEST).read_text())
    del value["format"], value["sha256"]
    (folder / artefact.MANIFEST).write_text(json.dumps(value))
    assert load_run(folder).main(["--table", "1,2,3"]) == 2
    assert "must have a hash of its own" in capsys.readouterr().err
