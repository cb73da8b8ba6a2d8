"""Faults 22, 24, 25, 28, 30 and 32: what strangers send to the border.

Files, lines and names made at random from right ones, or damaged. An attempt
asserts that what is wrong is one message, and that what is answered is what
`prepare` reads too.
"""

import csv
import io
import json
import shutil
import socket
import struct
import wave

import border_toys
import numpy as np
from faults.fuzz import fault

from mmkeras.data import decode_file
from mmkeras.escaping import cell, printable
from mmkeras.kinds import Audio, Image
from mmkeras.studies.label import find_name, spellings

SIGNS = ["=", "+", "-", "@", "'", '"', ";", ",", "\\", "x", "1b", "\x1b", "\n",
         "\t", " ", "\u3000", "\uff1d", "\u202e", "<b>", "&", "0", "7", "é",
         "\x00", "\x7f", "ok", "..", "/", "%2e", "%00", "?", "#"]  # fmt: skip


def text_of(draw) -> str:
    return "".join(draw.choices(SIGNS, k=draw.randrange(1, 9)))


def damage(draw, size: int) -> list[tuple]:
    """Up to four bytes flipped, put in or taken out, perhaps an end cut."""
    found = [("cut", draw.randrange(size), 0)] if draw.random() < 0.3 else []
    kinds = "flip", "put", "take", "zero"
    return found + [
        (draw.choice(kinds), draw.randrange(size), draw.randrange(1, 256))
        for _ in range(draw.randrange(0 if found else 1, 5))
    ]


def damaged(raw: bytes, changes: list[tuple]) -> bytes:
    data = bytearray(raw)
    for kind, place, value in changes:
        place = min(place, max(0, len(data) - 1))
        if kind == "cut":
            del data[place:]
        elif kind == "flip" and data:
            data[place] ^= value
        elif kind == "put":
            data.insert(place, value)
        elif kind == "take" and data:
            del data[place]
        elif kind == "zero":
            data[place : place + 4] = bytes(4)
    return bytes(data)


def right_npz(packed: bool) -> bytes:
    buffer, save = io.BytesIO(), np.savez_compressed if packed else np.savez
    save(buffer, **border_toys.samples(2))
    return buffer.getvalue()


def npz(draw):
    packed = draw.random() < 0.5
    size = len(right_npz(packed))
    changes = damage(draw, size)
    # Most of it is numbers; its headers are near the end.
    if draw.random() < 0.5:
        changes = [(k, size - 1 - p % 700, v) for k, p, v in changes]
    return packed, changes


def answering_samples(case, folder):
    packed, changes = case
    path = folder / "x.npz"
    path.write_bytes(damaged(right_npz(packed), changes))
    done = border_toys.ask("--samples", path)
    if done.code == 0:
        assert [*map(json.loads, done.out.splitlines())] and not done.error
    else:
        border_toys.refused(done)


fault(24, npz, answering_samples, tries=1000)


def wav(draw) -> tuple:
    bits = draw.choice([1, 4, 8, 12, 16, 24, 32])
    changes = damage(draw, 44 + 800 * 2)
    if draw.random() < 0.8:
        changes = [(kind, place % 48, value) for kind, place, value in changes]
    return bits, draw.random() < 0.3, changes if draw.random() < 0.9 else []


def write_wav(case, path) -> None:
    bits, more, changes = case
    buffer, width = io.BytesIO(), max(1, bits // 8)
    with wave.open(buffer, "wb") as file:
        file.setparams((1, width, 4000, 0, "NONE", ""))
        noise = np.random.default_rng(bits).bytes(800 * width)
        file.writeframes(noise)
    raw = bytearray(buffer.getvalue())
    struct.pack_into("<H", raw, 34, bits)
    if more:
        raw[36:36] = b"LIST" + struct.pack("<I", 6) + b"INFOab"
        struct.pack_into("<I", raw, 4, len(raw) - 8)
    path.write_bytes(damaged(raw, changes))


def compared(name, path, kind) -> None:
    """The device reads what `prepare` reads, or refuses."""
    reader, entry = border_toys.reader(name)
    try:
        found = reader.read(str(path), entry)
    except ValueError as error:
        assert printable(str(error))
        return
    keys = {k: entry[k] for k in kind.model_fields if k in entry}
    spec = kind(column="x", **keys)
    np.testing.assert_array_equal(found, decode_file(spec, path))


def reading_sound(case, folder):
    write_wav(case, folder / "x.wav")
    compared("sound", folder / "x.wav", Audio)


fault(22, wav, reading_sound, tries=1000)


def png(draw):
    return draw.randrange(3), damage(draw, 700)


def reading_a_picture(case, folder):
    from PIL import Image as Pictures

    seed, changes = case
    pixels = np.random.default_rng(seed).integers(0, 256, (16, 16, 3), "uint8")
    Pictures.fromarray(pixels).save(folder / "x.png")
    raw = (folder / "x.png").read_bytes()
    (folder / "x.png").write_bytes(damaged(raw, changes))
    compared("photo", folder / "x.png", Image)


fault(21, png, reading_a_picture, tries=1000)


def value_of(draw, depth=0):
    plain = [0, 1, -1, 1.5, 1e400, 10**400, True, None, "", "1,2,red", "a text",
             "/dev/zero", "\ud800", "\0", float("nan")]  # fmt: skip
    if depth < 3 and draw.random() < 0.4:
        return [value_of(draw, depth + 1) for _ in range(draw.randrange(4))]
    return draw.choice(plain) if draw.random() < 0.9 else {"x": 1}


def request(draw):
    names = [*border_toys.runner().inputs, "present", "__class__"]
    changes = {draw.choice(names): value_of(draw) for _ in range(2)}
    raw = json.dumps(border_toys.line(**changes)).encode()
    changed = damage(draw, 200) if draw.random() < 0.4 else []
    return damaged(raw, changed).replace(b"\n", b" ")


def answering_lines(case, folder):
    right = json.dumps(border_toys.line()).encode()
    done = border_toys.ask("--stdin", stdin=case + b"\n" + right + b"\n")
    assert done.code == 0, done.error
    *_, last = map(json.loads, done.out.splitlines())
    assert "answer" in last and last["line"] == 2
    assert done.out.isascii()


fault(24, request, answering_lines, tries=1000)


def cells(draw):
    return [text_of(draw) for _ in range(20)]


def writing_cells(case, folder):
    shown = [cell(text) for text in case]
    assert len({*shown}) == len({*case})
    for text in shown:
        assert text.isprintable()
    file = io.StringIO()
    csv.writer(file).writerow(shown)
    for delimiter in ",;":
        for part in next(csv.reader([file.getvalue()], delimiter=delimiter)):
            assert part.lstrip()[:1] not in tuple("=+-@＝＋－＠")


fault(25, cells, writing_cells, tries=1000)


def finding_ids(case, folder):
    names = list(dict.fromkeys(case))
    places = spellings(names)
    for place, name in enumerate(names):
        found = find_name(places, cell(name))
        # Blanks around it are none of an answer.
        assert found in (place, None) or (
            cell(names[found]) == cell(name).strip()
        )


fault(28, cells, finding_ids, tries=1000)


def address(draw):
    return "/" + text_of(draw), draw.choice(["localhost", text_of(draw)])


def asking(case, folder):
    web = border_toys.load(border_toys.EXPORT / "web" / "serve.py")
    (folder / "sw.js").write_text("ours")
    parts = web.parts_of(case[0])
    if parts is not None and web.is_file(folder, parts):
        assert parts == ["sw.js"]
    assert web.is_here(case[1], {"localhost"}) == (
        case[1] == "localhost" or is_address(case[1])
    )


def is_address(host: str) -> bool:
    try:
        socket.inet_pton(socket.AF_INET, host)
        return True
    except (OSError, ValueError):
        return False


fault(32, address, asking, tries=1000)


def field(draw):
    """Where the manifest of a page's bundle says what, in its place."""
    table = draw.choice(["model", "inputs", "outputs", "files", "name"])
    value = draw.choice([
        text_of(draw), "../secret.txt", "/etc/hostname", "labels.json", None,
        3, [], {}, "sw.js", "x" * 300, ["../secret.txt"],
    ])  # fmt: skip
    return table, draw.random(), draw.choice(
        ["file", "format", "tokenizer", "web", "kind", "shape"]
    ), value  # fmt: skip


def building_a_page(case, folder):
    table, place, key, value = case
    web = border_toys.load(border_toys.EXPORT / "web" / "build.py")
    web.unpack = lambda kind, cache, out: None
    bundle = shutil.copytree(border_toys.bundle(), folder / "in" / "bundle")
    (folder / "in" / "secret.txt").write_text("secret")
    manifest = json.loads((bundle / "manifest.json").read_text())
    for role, form in (("inputs", "text"), ("outputs", "number")):
        for entry in manifest[role].values():
            entry.pop("categories", None)
            entry["web"] = form
    changed = manifest[table]
    if table in ("inputs", "outputs"):
        changed = changed[sorted(changed)[int(place * len(changed))]]
    if isinstance(changed, dict):
        changed[key] = value
    else:
        manifest[table] = value
    border_toys.seal(bundle, manifest)
    out = folder / "out"
    try:
        web.build(bundle, out, folder)
    except ValueError as error:
        assert printable(str(error)) and not out.exists()
        return
    held = {path.name for path in (out / "bundle").iterdir()}
    assert held <= {*manifest["files"], "manifest.json"}
    text = (out / "sw.js").read_text() + (out / "page.json").read_text()
    assert "secret" not in text and text.replace("\n", "").isprintable()
    assert json.loads((out / "manifest.webmanifest").read_text())["name"]


fault(30, field, building_a_page, tries=300)
