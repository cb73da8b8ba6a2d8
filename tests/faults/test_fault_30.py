"""Fault 30: a page of a hostile bundle holds that bundle alone, in its place.

Whatever its manifest says, and though it fits itself, nothing outside the
bundle is copied, nothing outside the page is written, and a refusal is one
line.
"""

import json
import shutil

import border_toys
import pytest

BUILD = border_toys.EXPORT / "web" / "build.py"
STEERING = '\x1b[31m"</script><img src=x onerror=alert(1)>\u2028'


@pytest.fixture(scope="module")
def web():
    return border_toys.load(BUILD)


@pytest.fixture
def hostile(web, tmp_path, monkeypatch):
    """Builds a page of a bundle that was changed, without its runtime."""
    monkeypatch.setattr(web, "unpack", lambda kind, cache, out: None)
    folder = shutil.copytree(border_toys.bundle(), tmp_path / "in" / "bundle")
    (tmp_path / "in" / "secret.txt").write_text("secret")
    manifest = json.loads((folder / "manifest.json").read_text())
    for role in ("inputs", "outputs"):
        # The page does not know the other kinds.
        manifest[role] = {
            name: {**entry, "web": "text" if role == "inputs" else "number"}
            for name, entry in manifest[role].items()
            if "categories" not in entry
        }

    def build(change):
        change(folder, manifest)
        border_toys.seal(folder, manifest)
        given = [str(folder), str(tmp_path / "out")]
        monkeypatch.setattr("sys.argv", ["build.py", *given])
        return web.main()

    return build


def unchanged(folder, manifest):
    pass


def pointing(place):
    def change(folder, manifest):
        manifest["inputs"]["note"]["tokenizer"] = place

    return change


def model_at(place):
    def change(folder, manifest):
        manifest["model"]["file"] = place

    return change


def linked(folder, manifest):
    (folder / "link.json").symlink_to(folder.parent / "secret.txt")
    manifest["inputs"]["note"]["tokenizer"] = "link.json"


def odd_name(name):
    def change(folder, manifest):
        shutil.copy(folder / "labels.json", folder / name)
        manifest["inputs"]["note"]["tokenizer"] = name

    return change


HOSTILE = {
    "above": pointing("../secret.txt"),
    "absolute": pointing("/etc/hostname"),
    "NUL": pointing("a\0b"),
    "a number": pointing(3),
    "a list": pointing(["labels.json"]),
    "unlisted": pointing("none.json"),
    "a model above": model_at("../secret.txt"),
    "a link": linked,
    "a query": odd_name("labels.json?x"),
    "a fragment": odd_name("a#b"),
    "escaped": odd_name("%2e%2e"),
    "markup": odd_name("<b>"),
    "steering": odd_name("a\x1b[31m"),
    "a web form": lambda f, m: m["inputs"]["note"].update(web=STEERING),
    "a web list": lambda f, m: m["inputs"]["note"].update(web=[]),
    "no table": lambda f, m: m["inputs"].update(note=3),
    "a format": lambda f, m: m["model"].update(format="../x"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_it_is_refused_in_one_line(hostile, case, tmp_path, capsys):
    assert hostile(HOSTILE[case]) == 2
    out, error = capsys.readouterr()
    assert out == "" and error.count("\n") == 1
    assert error[:-1].isprintable() and error.startswith("error: ")
    assert [p.name for p in tmp_path.iterdir()] == ["in"]


def test_a_name_is_a_text_wherever_it_stands(hostile, tmp_path, capsys):
    assert hostile(lambda f, m: m.update(name=STEERING)) == 0
    out = tmp_path / "out"
    web = (out / "manifest.webmanifest").read_text(encoding="utf-8")
    assert json.loads(web)["name"] == STEERING and web.isascii()
    held = [p.name for p in (out / "bundle").iterdir()]
    assert sorted(held) == ["labels.json", "manifest.json", "model.tflite",
                            "tokenizer_note.json"]  # fmt: skip
    assert not any("secret" in p.read_text(errors="replace")
                   for p in out.rglob("*") if p.is_file())  # fmt: skip
    for script in (border_toys.EXPORT / "web" / "page").glob("*.js"):
        text = script.read_text(encoding="utf-8")
        for way in ("innerHTML", "outerHTML", "insertAdjacentHTML",
                    "document.write", "eval(", "new Function"):  # fmt: skip
            assert way not in text, (script.name, way)


def test_a_page_is_replaced_and_nothing_else(hostile, tmp_path, capsys):
    out = tmp_path / "out"
    assert hostile(unchanged) == 0 and hostile(unchanged) == 0
    (out / "bundle" / "mine.txt").write_text("years of work")
    assert hostile(unchanged) == 2
    assert "bundle/mine.txt" in capsys.readouterr().err
    assert (out / "bundle" / "mine.txt").read_text() == "years of work"
    shutil.rmtree(out)
    # A worker of another page makes it none of ours.
    out.mkdir()
    (out / "sw.js").write_text("somebody else's")
    assert hostile(unchanged) == 2
    assert (out / "sw.js").read_text() == "somebody else's"
    shutil.rmtree(out)
    (tmp_path / "target").mkdir()
    out.symlink_to(tmp_path / "target")
    assert hostile(unchanged) == 2 and out.is_symlink()
    assert not any((tmp_path / "target").iterdir())
