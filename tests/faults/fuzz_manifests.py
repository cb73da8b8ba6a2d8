"""Faults 4, 27 and 38: manifests damaged, forged, older, newer, hostile."""

import functools
import importlib.util
import json
import tempfile
import time
import warnings
from pathlib import Path

from faults.fuzz import fault
from manifest_toys import FIELDS, write_toy

from mmkeras import artefact

EXPORT = Path(__file__).parents[2] / "export"
# What a field becomes in the place of what it was.
OTHERS = (
    None, True, -1, 0, 2, 2**70, 0.5, 1e300, "", "x", "../x", "\x00", [], {},
    [None], {"x": {}}, {"": []}, [[[]]],
)  # fmt: skip


@functools.cache
def toy(kind: str) -> tuple[Path, bytes]:
    """The folder of an artefact, made once, and its manifest."""
    folder = Path(tempfile.mkdtemp(prefix=f"toy-{kind}-"))
    path = write_toy(folder, kind)
    return folder, path.read_bytes()


@functools.cache
def device():
    """The runner's reader of manifests, as a device loads it."""
    path = EXPORT / "run.py"
    spec = importlib.util.spec_from_file_location("fuzzed_run", path)
    run = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(run)
    return run.Code([EXPORT], None).load("manifest")


def places(value, place=()) -> list[tuple]:
    """The way to every value inside a JSON value."""
    inner = (
        value.items() if isinstance(value, dict)
        else enumerate(value) if isinstance(value, list) else ()
    )  # fmt: skip
    found = [place] if place else []
    return found + [p for k, v in inner for p in places(v, (*place, k))]


def changed(value, place, other, delete):
    """Deletes or replaces the value at a place."""
    inner = value
    for key in place[:-1]:
        inner = inner[key]
    if delete:
        del inner[place[-1]]
    else:
        inner[place[-1]] = other
    return value


def read(kind: str, data: bytes, folder: Path) -> list[dict | str]:
    """What each reader makes of a manifest: its value, or its error."""
    for file in toy(kind)[0].iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    path = folder / artefact.MANIFEST
    path.write_bytes(data)
    readers = [lambda: artefact.read_manifest(folder, kind)]
    if kind == "bundle":
        readers.append(lambda: device().read_manifest(folder))
    found = []
    start = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for reader in readers:
            try:
                found.append(reader())
            except ValueError as error:
                found.append(str(error))
    assert time.process_time() - start < 2 * len(readers), "it took too long"
    return found


def refused(case, folder):
    """Every reader names the file, and what it received."""
    kind, data = case
    assert data != toy(kind)[1]
    for found in read(kind, data, folder):
        assert isinstance(found, str), "a damaged manifest was read"
        assert str(folder) in found and "Received: " in found, found


def refused_or_sound(case, folder):
    """What was forged with a right hash, or none, ends in no other error."""
    kind, data = case
    for found in read(kind, data, folder):
        if isinstance(found, str):
            assert str(folder) in found and "Received: " in found, found
        else:
            assert found["kind"] == kind and set(found["files"]) <= {
                *("a.bin", "labels.json")
            }


def flipped_bit(draw):
    kind = draw.choice(sorted(FIELDS))
    data = bytearray(toy(kind)[1])
    data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
    return kind, bytes(data)


def flipped_bit_of_a_bundle(draw):
    data = bytearray(toy("bundle")[1])
    data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
    return "bundle", bytes(data)


def cut(draw):
    kind = draw.choice(sorted(FIELDS))
    data = toy(kind)[1]
    return kind, data[: draw.randrange(len(data) - 1)]


def torn(draw):
    """A part of it is zero, or of another file, as after a power cut."""
    kind = draw.choice(sorted(FIELDS))
    data = bytearray(toy(kind)[1])
    start = draw.randrange(len(data) - 1)
    end = min(len(data), start + draw.randrange(1, 600))
    other = draw.choice([b"\0", b" ", b"{", toy("run")[1]])
    data[start:end] = (other * 600)[: end - start]
    # Blanks instead of the end of a line damage nothing.
    if bytes(data).split() == toy(kind)[1].split():
        return kind, b""
    return kind, bytes(data)


def _edited(draw):
    kind = draw.choice(sorted(FIELDS))
    value = json.loads(toy(kind)[1])
    place = draw.choice(places(value))
    old = value
    for key in place:
        old = old[key]
    other = draw.choice([o for o in OTHERS if json.dumps(o) != json.dumps(old)])
    return kind, changed(value, place, other, draw.random() < 0.3)


def edited_field(draw):
    kind, value = _edited(draw)
    return kind, json.dumps(value, indent=2).encode()


def doubled_key(draw):
    kind = draw.choice(sorted(FIELDS))
    lines = toy(kind)[1].decode().splitlines(keepends=True)
    keys = [i for i, line in enumerate(lines) if line.rstrip().endswith(",")
            and '": ' in line]  # fmt: skip
    at = draw.choice(keys)
    name, _ = lines[at].split(": ", 1)
    other = json.dumps(draw.choice(OTHERS))
    first = f"{name}: {other},\n"
    new = [first, lines[at]] if draw.random() < 0.5 else [lines[at], first]
    return kind, "".join([*lines[:at], *new, *lines[at + 1 :]]).encode()


def forged_field(draw):
    kind, value = _edited(draw)
    if isinstance(value.get("format"), int) and isinstance(
        value.get("sha256"), str
    ):
        value = artefact.hashed(value)
    return kind, json.dumps(value, indent=2).encode()


def older_field(draw):
    kind, value = _edited(draw)
    for key in ("format", "sha256"):
        value.pop(key, None)
    return kind, json.dumps(value, indent=2).encode()


def other_format(draw):
    kind = draw.choice(sorted(FIELDS))
    value = json.loads(toy(kind)[1])
    value["format"] = draw.choice(
        [0, -1, None, "1", True, 1.0, 2, 3, draw.randrange(2, 2**40), [1], {}]
    )
    if draw.random() < 0.5:
        del value[draw.choice([k for k in value if k not in (
            "format", "sha256")])]  # fmt: skip
    fields = {k: v for k, v in value.items() if k != "sha256"}
    text = json.dumps(fields, sort_keys=True, separators=(",", ":"))
    import hashlib

    value["sha256"] = hashlib.sha256(text.encode()).hexdigest()
    return kind, json.dumps(value).encode()


def both_versions_are_named(case, folder):
    refused(case, folder)
    number = json.loads(case[1])["format"]
    if type(number) is int and number > artefact.FORMAT:
        for found in read(*case, folder):
            assert f"format {number}" in found, found
            assert str(artefact.FORMAT) in found.split("Received")[0], found


def bomb(draw):
    kind = draw.choice(sorted(FIELDS))
    count = draw.choice([65, 100, 1_000, 100_000, 3_000_000])
    start = draw.choice(["", '{"a":', '{"a": "', "[1,", toy(kind)[1].decode()])
    part, end = draw.choice(
        [("[", "]"), ('{"a":', "}"), ('[{"":', "}]"), ("[", ""), ('"', ""),
         ('\\"', ""), ("\\", ""), ('"\\', ""), ("9", ""), ("1,", ""),
         ("NaN,", ""), ("\\u000A", ""), ("\xff", "")]
    )  # fmt: skip
    text = start + part * count + ("1" + end * count if end else "")
    return kind, text.encode("latin-1")[: 12 * 2**20]


def flipped_file(draw):
    kind = draw.choice(sorted(FIELDS))
    name = draw.choice(["a.bin", "labels.json"])
    return kind, name, draw.random(), draw.randrange(8)


def the_file_is_named(case, folder):
    kind, name, place, bit = case
    for file in toy(kind)[0].iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    data = bytearray((folder / name).read_bytes())
    data[int(place * len(data))] ^= 1 << bit
    (folder / name).write_bytes(data)
    readers = [lambda: artefact.read_manifest(folder, kind)]
    if kind == "bundle":
        readers.append(lambda: device().read_manifest(folder))
    for reader in readers:
        try:
            reader()
        except ValueError as error:
            assert str(folder / name) in str(error), error
        else:
            raise AssertionError("a damaged file was accepted")


fault(4, flipped_file, the_file_is_named, tries=1000)
fault(27, flipped_bit, refused, tries=3000)
fault(27, flipped_bit_of_a_bundle, refused, tries=3000)
fault(27, cut, refused, tries=1000)
fault(27, torn, refused, tries=1000)
fault(27, edited_field, refused, tries=3000)
fault(27, doubled_key, refused, tries=1000)
fault(27, forged_field, refused_or_sound, tries=3000)
fault(27, older_field, refused_or_sound, tries=3000)
fault(27, bomb, refused, tries=200)
fault(38, other_format, both_versions_are_named, tries=1000)
