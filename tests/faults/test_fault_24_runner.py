"""Fault 24 at the runner's border: every input is bounded and checked.

What is wrong ends in one line before anything is answered; a wrong line of
`--stdin` is answered with an error, and the next one is read.
"""

import contextlib
import io
import json
import os
import re
import resource
import shutil
import threading
import zipfile

import border_toys
import numpy as np
import pytest


def npz(folder, **changes):
    """An .npz file of right samples, but for the changes; None leaves out."""
    found = {**border_toys.samples(3), **changes}
    path = folder / "samples.npz"
    np.savez(path, **{k: v for k, v in found.items() if v is not None})
    return path


PRESENT = np.ones((3, 2), "float32")
WRONG = {
    "no dimension": ({"photo": np.uint8(3)}, "`photo` in .*of shape"),
    "a text": ({"photo": np.array("x")}, "`photo` in "),
    "no row": ({"photo": np.zeros((0, 16, 16, 3), "uint8")}, "one length"),
    "fewer rows": ({"photo": np.zeros((2, 16, 16, 3), "uint8")}, "one length"),
    "wrong size": ({"photo": np.zeros((3, 8, 8, 3), "uint8")}, "`photo` in "),
    "wrong dtype": ({"photo": np.zeros((3, 16, 16, 3))}, "uint8.*float64"),
    "wrong order": ({"table": np.zeros((3, 3), ">f4")}, "float32.*>f4"),
    "objects": ({"table": np.full((3, 3), None)}, "`table` in "),
    "words": ({"table": np.full((3, 3), "1")}, "`table` in "),
    "complex": ({"table": np.zeros((3, 3), "complex64")}, "`table` in "),
    "infinity": ({"table": np.full((3, 3), np.inf, "float32")}, "Row 0 of"),
    "an unknown word": ({"note": np.full((3, 8), 99, "int32")}, "Row 0 of"),
    "a needed one left out": ({"photo": None}, "Row 0 of.*`photo` must be giv"),
    "another name": ({"other": PRESENT}, "'other.npy'"),
    "short present": ({"present": PRESENT[:1]}, "one length"),
    "narrow present": ({"present": PRESENT[:, :1]}, "`present` in"),
    "flat present": ({"present": PRESENT[:, 0]}, "`present` in"),
    "NaN in present": ({"present": PRESENT * np.nan}, "zeros and ones"),
    "half present": ({"present": PRESENT / 2}, "zeros and ones"),
    "text in present": ({"present": np.full((3, 2), "no")}, "`present` in"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_arrays_that_are_wrong_are_refused_before_any_answer(tmp_path, case):
    changes, message = WRONG[case]
    done = border_toys.ask("--samples", npz(tmp_path, **changes))
    error = border_toys.refused(done)
    assert "samples.npz" in error
    assert re.search(message, error), error


def test_a_wrong_last_row_is_told_before_the_first_is_answered(tmp_path):
    table = np.zeros((3, 3), "float32")
    table[2, 1] = np.inf
    done = border_toys.ask("--samples", npz(tmp_path, table=table))
    assert "Row 2 of" in border_toys.refused(done)


def test_columns_first_and_bits_for_presence_are_read(tmp_path):
    plain = border_toys.ask("--samples", npz(tmp_path, present=PRESENT))
    photo = np.asfortranarray(border_toys.samples(3)["photo"])
    path = npz(tmp_path, photo=photo, present=PRESENT.astype(bool))
    same = border_toys.ask("--samples", path)
    assert plain.code == 0 and plain.out.count("\n") == 3
    assert same.out == plain.out


def rewritten(folder, change):
    """The right samples in a zip file that `change` writes."""
    source, path = npz(folder), folder / "changed.npz"
    with (
        zipfile.ZipFile(source) as old,
        zipfile.ZipFile(path, "w") as new,
    ):
        change(old, new)
    return path


def header(descr, shape) -> bytes:
    text = f"{{'descr': {descr!r}, 'fortran_order': False, 'shape': {shape}, }}"
    return (
        b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + (text.encode())
    )


def copy_all(old, new, but=()):
    for name in old.namelist():
        if name not in but:
            new.writestr(name, old.read(name))


def many(old, new):
    for number in range(20_000):
        new.writestr(f"{number}.npy", b"")


def twice(old, new):
    copy_all(old, new)
    with pytest.warns(UserWarning, match="Duplicate"):
        new.writestr("table.npy", old.read("table.npy"))


def lzma(old, new):
    copy_all(old, new, ["table.npy"])
    new.writestr("table.npy", old.read("table.npy"), zipfile.ZIP_LZMA)


def lie(shape, descr="<f4"):
    def change(old, new):
        copy_all(old, new, ["table.npy"])
        new.writestr("table.npy", header(descr, shape) + bytes(36))

    return change


ZIPS = {
    "many members": many,
    "a member twice": twice,
    "packed by lzma": lzma,
    "a folder": lambda old, new: new.mkdir("table.npy"),
    "nothing": lambda old, new: None,
    "no array": lambda old, new: new.writestr("table.npy", b"x" * 99),
    "too long a header": lambda old, new: new.writestr(
        "table.npy", b"\x93NUMPY\x01\x00\xff\xff" + b" " * 65535),
    "code": lie("__import__('os')"),
    "a huge shape": lie((2**62, 3)),
    "a negative shape": lie((-3, 3)),
    "more rows": lie((4, 3)),
    "fewer rows": lie((2, 3)),
    "no item": lie((3, 3), "|V0"),
    "pickle": lie((3, 3), "|O"),
    "a table in a table": lie((3, 3), [("a", "<f4")]),
}  # fmt: skip


@pytest.mark.parametrize("case", ZIPS)
def test_a_zip_file_that_is_none_of_samples_is_refused(tmp_path, case):
    path = rewritten(tmp_path, ZIPS[case])
    border_toys.refused(border_toys.ask("--samples", path))


def test_a_bomb_is_refused_by_its_header(tmp_path):
    with zipfile.ZipFile(
        tmp_path / "bomb.npz", "w", zipfile.ZIP_DEFLATED
    ) as new:
        info = zipfile.ZipInfo("photo.npy")
        info.compress_type = zipfile.ZIP_DEFLATED
        with new.open(info, "w") as file:
            file.write(header("|u1", (400_000, 16, 16, 3)))
            for _ in range(400):
                file.write(bytes(768_000))
    assert (tmp_path / "bomb.npz").stat().st_size < 400_000
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    done = border_toys.ask("--samples", tmp_path / "bomb.npz")
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert "at most 256,000,000 bytes, unpacked" in border_toys.refused(done)
    assert grown < 50_000


@pytest.fixture
def specials(tmp_path):
    """What is no regular file: a pipe, devices, a folder, links to them."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("/dev/zero")
    (tmp_path / "large").touch()
    os.truncate(tmp_path / "large", 2**40)
    return [tmp_path / "pipe", "/dev/zero", "/dev/urandom", tmp_path,
            tmp_path / "link", tmp_path / "large", "", "nul\0byte",
            "x" * 5000]  # fmt: skip


OPTIONS = ("--samples", "--photo", "--sound", "--motion", "--scan", "--film")


@pytest.mark.parametrize("option", OPTIONS)
def test_what_is_no_file_neither_hangs_nor_fills_the_memory(specials, option):
    for path in specials:
        # A name alone could be an option.
        done = border_toys.ask(f"{option}={path}" if path else option, path)
        assert done.code == 2 and done.out == "" and done.error


def test_a_table_is_read_within_bounds(tmp_path):
    reader, entry = border_toys.reader("motion")
    path = tmp_path / "x.csv"
    right = "x,y\n" + "1,2\n" * 40
    path.write_text(right)
    assert reader.read(str(path), entry).shape == (32, 2)
    for wrong, message in {
        "x,y\n1\n": "2 cells in row 2",
        "x,y\n1,2,3\n": "2 cells in row 2",
        "x,y\n1,1_0\n": "numbers, in row 2",
        "x,y\n1,２\n": "numbers, in row 2",
        "x,y,x\n1,2,3\n": "a name twice",
        "x,y\n1," + "2" * 200_000: "of numbers",
        "x\n": "with the columns",
        "": "with the columns",
    }.items():
        path.write_text(wrong, encoding="utf-8")
        with pytest.raises(ValueError, match=message):
            reader.read(str(path), entry)


def test_a_text_is_bounded():
    reader, entry = border_toys.reader("note")
    # Looked up only as far as the model reads.
    long = reader.read("good " * 200_000, entry)
    assert (long == reader.read("good " * 8, entry)).all()
    assert reader.read("e" + "\u0301" * 200, entry).any()
    for wrong, message in {
        "a " * 600_000: "at most 1,000,000 characters",
        "e" + "\u0301\u0316" * 101: "at most 200 marks a letter",
        "good \udcff": "a text in UTF-8",
    }.items():
        with pytest.raises(ValueError, match=message):
            reader.read(wrong, entry)


def test_a_long_word_is_cut_into_the_pieces_it_always_was():
    """All pairs of a rank at once, which takes no square of the time."""
    pieces = border_toys.load(border_toys.EXPORT / "subwords.py")
    letters = "abc"
    merges = ["a b", "ab c", "a a", "aa aa", "abc abc", "c a", "aa ab"]
    joined = [m.replace(" ", "") for m in merges]
    names = [*letters, *joined]
    model = {"vocab": {n: i for i, n in enumerate(names)}, "unk_token": None,
             "merges": merges}  # fmt: skip
    cut = pieces.BytePairs(model, re.compile(r"\s"))
    rng = np.random.default_rng(0)
    for _ in range(300):
        word = "".join(rng.choice([*letters], rng.integers(1, 30)))
        parts = [*word]
        while pairs := [cut.ranks.get(p) for p in zip(parts, parts[1:])]:
            known = [rank for rank in pairs if rank is not None]
            if not known:
                break
            at = pairs.index(min(known))
            parts[at : at + 2] = [parts[at] + parts[at + 1]]
        assert list(cut(word)) == [model["vocab"][p] for p in parts]
    assert len(list(cut("a" * 200_000))) == 50_000


HOSTILE = [
    b"\xff\xfe\x00", b"\0", b"nonsense", b"[" * 100_000, b'{"a":' * 50_000,
    b"null", b"3", b'"x"', b"[]", b"{}",
    b'{"table": "1,2\\n3", "note": "a"}', b'{"photo": "/dev/zero"}',
    b'{"photo": "a\\u0000b"}', b'{"note": "\\ud800"}', b'{"note": ""}',
    b'{"table": ' + b"9" * 400 + b"}", b'{"table": ' + b"9" * 9000 + b"}",
    b'{"table": [1, 2, "3"]}', b'{"table": [1, 2, null]}',
    b'{"table": [1, 2, true]}', b'{"table": {"a": 1}}', b'{"table": [[1], 2]}',
    b'{"table": [1, 2, 1e400]}', b'{"table": [1, 2, 3], "table": [1, 2, 3]}',
    b'{"table": "' + b"1" * 200_000 + b'"}', b'{"present": [1, 1]}',
    b'{"__class__": 1}', b"x" * 6_000_000,
]  # fmt: skip


def test_a_hostile_line_is_answered_and_the_next_is_read():
    right = json.dumps(border_toys.line()).encode()
    lines = [part for wrong in HOSTILE for part in (wrong, right)]
    done = border_toys.ask("--stdin", stdin=b"\n".join(lines))
    assert done.code == 0, done.error
    found = [json.loads(line) for line in done.out.splitlines()]
    assert [each["line"] for each in found] == [*range(1, len(lines) + 1)]
    for wrong, answered, raw in zip(found[::2], found[1::2], HOSTILE):
        assert set(wrong) == {"line", "time_sec", "error"}, raw[:80]
        assert "answer" in answered, raw[:80]
    assert done.out.replace("\n", "").isprintable() and done.out.isascii()


def test_a_line_without_end_does_not_fill_the_memory():
    class Endless(io.RawIOBase):
        left = 300_000_000

        def readable(self):
            return True

        def readinto(self, buffer):
            count = min(len(buffer), self.left)
            buffer[:count] = b"x" * count
            Endless.left -= count
            return count

    lines = border_toys.run().own().load("lines")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = list(
        lines.requests(border_toys.runner(), io.BufferedReader(Endless()))
    )
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert len(found) == 1 and grown < 60_000
    with pytest.raises(ValueError, match="A line must be of at most"):
        found[0][1]()


def test_a_silent_pipe_waits_for_its_line():
    """A line is answered when it is there, not at the end of all."""
    lines = border_toys.run().own().load("lines")
    out, into = os.pipe()
    with open(out, "rb") as file, open(into, "wb", buffering=0) as pipe:
        pipe.write(b"{}\n")
        stop = threading.Timer(20, pipe.close)
        stop.start()
        with contextlib.closing(
            lines.requests(border_toys.runner(), file)
        ) as found:
            assert next(found)[0]["line"] == 1
        stop.cancel()


@pytest.mark.parametrize(
    "option, message",
    [
        ("--threads=0", "whole, from 1 to 256"),
        ("--threads=1e9", "whole, from 1 to 256"),
        ("--threads=99999999999999999999", "whole, from 1 to 256"),
        ("--count=0", "whole, from 1"),
        ("--count=-1", "whole, from 1"),
        ("--hop-sec=nan", "0.01 to 3600"),
        ("--hop-sec=inf", "0.01 to 3600"),
        ("--kernels=\x1b[31m", "invalid choice"),
        ("--\x1b[31m=1", "unrecognized"),
    ],
)
def test_options_are_bounded(option, message):
    done = border_toys.ask("--stdin", option, stdin=b"")
    assert done.code == 2 and done.out == ""
    assert message in done.error
    assert done.error.replace("\n", "").isprintable()


@pytest.fixture
def forged(tmp_path):
    """A bundle whose manifest says something else, and fits itself."""
    folder = shutil.copytree(border_toys.bundle(), tmp_path / "bundle")
    manifest = json.loads((folder / "manifest.json").read_text())

    def seal(change):
        change(manifest)
        border_toys.seal(folder, manifest)
        return folder

    return seal


def rename(old, new):
    def change(manifest):
        manifest["inputs"][new] = manifest["inputs"].pop(old)

    return change


STEERING = "\x1b[31m%(x)s\u202e\n[(]"
FORGED = {
    "an example": lambda m: m["inputs"]["photo"].update(example=STEERING),
    "a kind": lambda m: m["inputs"]["photo"].update(kind=STEERING),
    "a name": rename("photo", STEERING),
    "an option": rename("photo", "help"),
    "a class": lambda m: m["outputs"]["side"].update(classes=[STEERING]),
    "a reader": lambda m: m["inputs"]["photo"].update(reader=STEERING),
    "a model": lambda m: m["model"].update(file=STEERING),
    "a format": lambda m: m["model"].update(format=STEERING),
    "presence": lambda m: m["present"].append(STEERING),
}


@pytest.mark.parametrize("case", FORGED)
@pytest.mark.parametrize("option", ["--help", "--stdin"])
def test_no_name_of_a_forged_manifest_steers_the_terminal(forged, case, option):
    folder = forged(FORGED[case])
    done = border_toys.ask("--bundle", folder, "--trust", option)
    assert done.code in (0, 2), done
    for text in (done.out, done.error):
        assert text.replace("\n", "").isprintable()
    assert "Traceback" not in done.error


def test_an_answer_that_is_no_number_is_an_error(monkeypatch):
    runner = border_toys.runner()
    raw = runner.predict({n: v[0] for n, v in border_toys.samples(1).items()
                          if n != "present"})  # fmt: skip
    raw["size"] = raw["size"] * np.nan
    monkeypatch.setattr(type(runner), "predict", lambda self, inputs: raw)
    with pytest.raises(ValueError, match="The answer `size` must be finite"):
        runner.answer({})
