"""Fault 19: specs that are huge, deep, doubled or wrong.

Each is refused in under a second, in one message that names the file and what
is wrong with it; what merely looks like a trap is read as text.
"""

import gc
import os
import re
import time
from pathlib import Path

import pytest

from mmkeras.spec import load_spec

SPEC = b"""
name = "toy"

[modalities.photo]
kind = "image"
column = "photo"
height = 8
width = 6
noise_std = 0.5

[targets.answer]
kind = "category"
column = "answer"
classes = ["no", "yes"]
"""
MANY = range(15_000)
# Name, content, and what the message must match after the file's name.
CASES = {
    "10 MB": (SPEC + b"#" * 10_000_000, "at most 256,000 bytes.*10,000,"),
    "a file just too large": (SPEC + b"#" * 256_000, "at most 256,000 bytes"),
    "deep lists": (SPEC + b"x=" + b"[" * 99_999, "nested too deeply"),
    "closed deep lists": (
        SPEC + b"x=" + b"[" * 9_999 + b"]" * 9_999,
        "nested too deeply",
    ),
    "deep inline tables": (
        SPEC + b"x=" + b"{a=" * 50_000 + b"1" + b"}" * 50_000,
        "nested too deeply",
    ),
    "a deep header": (
        SPEC + b"[" + b".".join([b"a"] * 100_000) + b"]",
        "nested too deeply",
    ),
    "a deep quoted header": (
        SPEC + b"[" + b" . ".join([b'"a b"'] * 30_000) + b"]",
        "nested too deeply",
    ),
    "a deep key": (
        b".".join([b"a"] * 100_000) + b" = 1" + SPEC,
        "nested too deeply",
    ),
    "headers as deep as they may be": (
        SPEC + b"[" + b".".join([b"a"] * 41) + b"]",
        "`a` is not a known key",
    ),
    "many deep headers": (
        SPEC + b"".join(b"[%d%s]\n" % (i, b".a" * 39) for i in range(2900)),
        "nested too deeply",
    ),
    "many keys under a deep header": (
        SPEC
        + b"[%s]\n" % b".".join([b"a"] * 41)
        + b"".join(b"k%d=1\n" % i for i in range(20_000)),
        "`a` is not a known key",
    ),
    "a duplicate key": (
        SPEC.replace(b"height = 8", b"height = 8\nheight = 9"),
        r"valid TOML.*line 8.*'height = 9'",
    ),
    "a duplicate table": (
        SPEC + b"[targets.answer]\n",
        r"valid TOML.*'\[targets.answer\]'",
    ),
    "an unknown key": (
        SPEC.replace(b"height", b"heigth"),
        "`modalities.photo.heigth` is not a known key. Did you mean `height`",
    ),
    "an unknown table": (
        SPEC.replace(b"[targets", b"[target"),
        "`target` is not a known key. Did you mean `targets`",
    ),
    "many unknown keys": (
        b"".join(b"k%d = 1\n" % i for i in MANY) + SPEC,
        "`k0` is not a known key",
    ),
    "many unknown tables": (
        SPEC + b"".join(b"[k%d.b.c]\n" % i for i in MANY),
        "`k0` is not a known key",
    ),
    "many modalities": (
        SPEC
        + b"".join(
            b'[modalities.m%d]\nkind="text"\ncolumn="a"\nmax_tokens=3\n' % i
            for i in range(4000)
        ),
        "`modalities`: .*at most 32",
    ),
    "a long key": (b"k" * 200_000 + b" = 1" + SPEC, "`k+` is not a known key"),
    "a long name": (SPEC.replace(b"toy", b"t" * 200_000), "Names must be"),
    "a long kind": (
        SPEC.replace(b"image", b"i" * 200_000),
        "`modalities.photo.kind` must be one of",
    ),
    "an endless integer": (
        SPEC.replace(b"8", b"8" * 200_000),
        "valid TOML.*digits",
    ),
    "an endless hexadecimal integer": (
        SPEC.replace(b"8", b"0x" + b"f" * 200_000),
        "`modalities.photo.height`: .*thousands of digits",
    ),
    "a wrong type": (
        SPEC.replace(b"= 8", b'= "8"'),
        "`modalities.photo.height`: .*integer.*Received: '8'",
    ),
    "many wrong types": (
        SPEC.replace(b'"no", "yes"', b"1," * 9_000),
        r"`targets.answer.classes.0`: .*string.*Received: 1",
    ),
    "a date": (
        SPEC.replace(b'"toy"', b"2026-01-31"),
        "`name`: .*string.*Received: datetime.date",
    ),
    "NaN": (SPEC.replace(b"0.5", b"nan"), "noise_std`: .*finite.*nan"),
    "infinity": (SPEC.replace(b"0.5", b"inf"), "noise_std`: .*finite.*inf"),
    "a negative size": (
        SPEC.replace(b"= 8", b"= -8"),
        "`modalities.photo.height`: .*greater than 0.*Received: -8",
    ),
    "size zero": (SPEC.replace(b"= 8", b"= 0"), "height`: .*Received: 0"),
    "a huge size": (
        SPEC.replace(b"= 8", b"= 1000000000000000000000000"),
        "height`: .*less than or equal to 8192",
    ),
    "unquoted classes": (
        SPEC.replace(b'"no", "yes"', b"no, yes"),
        "valid TOML.*'classes = ",
    ),
    "classes true and false": (
        SPEC.replace(b'"no", "yes"', b"false, true"),
        "`targets.answer.classes.0`: .*string.*Received: False",
    ),
    "UTF-16": (SPEC.decode().encode("utf-16"), "valid TOML.*utf-8"),
    "a NUL byte": (SPEC + b"\0", "valid TOML"),
    "not TOML": (b'{"name": "toy"}', "valid TOML.*line 1"),
    "nothing": (b"", "`name` must be given"),
    "terminal codes": (
        SPEC + b'["\\u001b[31mred"]\n',
        r"`\\x1b\[31mred` is not a known key",
    ),
}


def load(path: Path):
    """Loads a spec, and fails if that takes a second of this thread.

    Other threads of the suite, and a sweep through all that it has left in
    memory, are not the spec's.
    """
    gc.disable()
    start = time.thread_time()
    try:
        return load_spec(path)
    finally:
        spent = time.thread_time() - start
        gc.enable()
        assert spent < 1


@pytest.mark.parametrize("name", CASES)
def test_is_refused_quickly_and_plainly(name, tmp_path):
    content, expected = CASES[name]
    path = tmp_path / "toy.toml"
    path.write_bytes(content)
    with pytest.raises(ValueError) as error:
        load(path)
    message = str(error.value)
    assert all(str(path) in line for line in message.splitlines())
    assert re.search(expected, message)
    assert len(message) < 10_000
    assert message.replace("\n", "").isprintable()


def test_words_that_yaml_would_bend_are_text(tmp_path):
    words = ["no", "yes", "off", "null", "1e3", "0x10", "2026-01-31", "nan"]
    quoted = ", ".join(f'"{word}"' for word in words)
    path = tmp_path / "toy.toml"
    path.write_bytes(SPEC.replace(b'"no", "yes"', quoted.encode()))
    assert load(path).targets["answer"].classes == tuple(words)


def test_a_description_may_have_many_sentences(tmp_path):
    path = tmp_path / "toy.toml"
    path.write_bytes(b'description = "' + b"Short. " * 500 + b'"' + SPEC)
    assert load(path).description.count(".") == 500


def test_an_editor_s_byte_order_mark_does_no_harm(tmp_path):
    path = tmp_path / "toy.toml"
    path.write_bytes(b"\xef\xbb\xbf" + SPEC.replace(b"\n", b"\r\n"))
    assert load(path).name == "toy"


@pytest.mark.parametrize("kind", ["folder", "fifo", "device", "nothing"])
def test_what_is_no_file_is_refused_without_waiting(kind, tmp_path):
    path = tmp_path / "toy.toml"
    if kind == "folder":
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    with pytest.raises(ValueError, match="must be a TOML file"):
        load(path)
