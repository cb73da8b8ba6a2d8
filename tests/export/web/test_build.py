"""What build.py puts up, what the browser keeps of it and refuses."""

import base64
import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from export.export_toys import toy_export
from manifest_toys import FIELDS, write_toy

from mmkeras import artefact

PAGE = Path(__file__).parents[3] / "export" / "web" / "page"


def test_a_changed_page_replaces_what_was_kept(phone, build_site, serve):
    out = build_site(toy_export().bundle)
    server = serve(out)
    page = phone(server.address)
    worker = (out / "sw.js").read_text()
    (out / "sw.js").write_text(worker.replace('VERSION = "', 'VERSION = "x'))
    page.evaluate(
        """async () => {
        const registration = await navigator.serviceWorker.ready;
        const changed = new Promise(done => navigator.serviceWorker
            .addEventListener("controllerchange", done));
        await registration.update();
        await changed; }"""
    )
    page.wait_for_function(
        "async () => (await caches.keys()).length == 1"
        " && (await caches.keys())[0].includes(' x')"
    )
    # The runtime too, so that the page starts without a network again.
    assert page.evaluate(
        "async () => Boolean(await caches.match('litert/index.js'))"
    )


@pytest.mark.parametrize(
    "name", ["model.tflite", "labels.json", "tokenizer_text.json"]
)
def test_a_changed_file_is_refused(phone, build_site, serve, name):
    out = build_site(toy_export().bundle)
    path = out / "bundle" / name
    data = bytearray(path.read_bytes())
    data[-20] ^= 1
    path.write_bytes(data)
    page = phone(serve(out).address, ready="#error:visible")
    message = page.get_by_role("alert").inner_text()
    assert message.startswith(f"`{name}` must be the file with sha256")
    assert page.locator("#bar").is_hidden()


def test_a_changed_manifest_is_refused(phone, build_site, serve):
    out = build_site(toy_export().bundle)
    path = out / "bundle" / "manifest.json"
    text = path.read_text()
    changed = text.replace('"signature": "serving', '"signature": "Serving')
    path.write_text(changed)
    assert changed != text
    page = phone(serve(out).address, ready="#error:visible")
    message = page.get_by_role("alert").inner_text()
    assert message.startswith("The manifest must be the one that was written")


STRANGE = {
    "kind": "run",
    "files": {},
    # Python sorts by characters, JavaScript by halves of them.
    "\ue000": 1e-05,
    "\U0001f600": 1.0,
    'a"b\\': [1e16, -0.0, 123456789012345678901, 0.1 + 0.2],
    "": {"sha256": [], "z": None, "a": {"b": [True, {}, [[]]]}},
    "__proto__": "\x00\u2028é",
}


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node")
def test_the_page_reads_the_hash_of_a_manifest_as_python_wrote_it(tmp_path):
    paths = []
    for kind in FIELDS:
        (tmp_path / kind).mkdir()
        paths.append(write_toy(tmp_path / kind, kind))
    strange = tmp_path / "strange.json"
    strange.write_text(json.dumps(artefact.hashed(STRANGE), indent=2) + "\n")
    paths.append(strange)
    module = shutil.copy(PAGE / "manifest.js", tmp_path / "manifest.mjs")
    program = f"""
        import {{ readFileSync }} from "node:fs";
        import {{ canonical }} from {json.dumps(str(module))};
        const texts = process.argv.slice(1).map(path =>
            canonical(readFileSync(path, "utf8")));
        console.log(JSON.stringify(texts));"""
    done = subprocess.run(
        ["node", "--input-type=module", "-e", program, *paths],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    for path, text in zip(paths, json.loads(done.stdout), strict=True):
        wanted = json.loads(path.read_text())["sha256"]
        assert hashlib.sha256(text.encode()).hexdigest() == wanted, path


@pytest.mark.parametrize(
    "change, message",
    [
        ({"inputs": {"ecg": {"kind": "series"}}}, r"ecg \(series\)"),
        (
            {"inputs": {"site": {"kind": "vector", "categories": "c.json"}}},
            r"site \(categories\)",
        ),
        ({"outputs": {"id": {"kind": "embedding"}}}, r"id \(embedding\)"),
        ({"files": {"subwords.py": {}}}, "the tokenizer"),
    ],
)
def test_what_the_page_does_not_know_is_refused(web, change, message):
    manifest = {"inputs": {}, "outputs": {}, "files": {}, **change}
    with pytest.raises(ValueError, match=f"`BUNDLE` must have.*{message}"):
        web.check_known(manifest)


def test_it_can_be_installed(page):
    manifest = page.evaluate(
        """async () => (await fetch(document.querySelector(
        "link[rel=manifest]").href)).json()"""
    )
    assert manifest["name"] == "toy" and manifest["display"] == "standalone"
    assert page.evaluate("crossOriginIsolated")
    for icon in manifest["icons"]:
        assert page.request.get(page.url + icon["src"]).ok


def test_a_bundle_is_checked_before_it_is_put_up(web, tmp_path):
    bundle = tmp_path / "bundle"
    with pytest.raises(ValueError, match="no manifest.json"):
        web.build(bundle, tmp_path / "out", tmp_path)
    shutil.copytree(toy_export().bundle, bundle)
    manifest = bundle / "manifest.json"
    text = manifest.read_text()
    manifest.write_text(text.replace('"present"', '"presenu"'))
    with pytest.raises(ValueError, match="manifest.json.*its own `sha256`"):
        web.build(bundle, tmp_path / "out", tmp_path)
    manifest.write_text(text)
    (bundle / "labels.json").write_text("{}")
    with pytest.raises(ValueError, match="labels.json` must be the file"):
        web.build(bundle, tmp_path / "out", tmp_path)
    assert not (tmp_path / "out").exists()


def test_a_folder_of_something_else_is_left_alone(web, tmp_path):
    (tmp_path / "thesis.txt").write_text("all of it")
    with pytest.raises(ValueError, match="new, empty or an older page"):
        web.build(toy_export().bundle, tmp_path, tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "all of it"


def test_an_archive_of_another_hash_is_refused(web, tmp_path):
    (tmp_path / "@litertjs-core-2.5.3.tgz").write_bytes(b"not the archive")
    with pytest.raises(ValueError, match="delete it to fetch it again"):
        web.archive("@litertjs/core-2.5.3", tmp_path)


def test_a_runtime_is_fetched_once(web, tmp_path, monkeypatch):
    place = tmp_path / "registry" / "@maker" / "thing" / "-"
    place.mkdir(parents=True)
    (place / "thing-1.0.tgz").write_bytes(b"the archive")
    digest = hashlib.sha512(b"the archive").digest()
    monkeypatch.setattr(web, "REGISTRY", f"file://{tmp_path}/registry")
    monkeypatch.setitem(
        web.SHA512, "@maker/thing-1.0", base64.b64encode(digest).decode()
    )
    cache = tmp_path / "cache"
    assert web.archive("@maker/thing-1.0", cache) == b"the archive"
    shutil.rmtree(tmp_path / "registry")
    assert web.archive("@maker/thing-1.0", cache) == b"the archive"
    assert [p.name for p in cache.iterdir()] == ["@maker-thing-1.0.tgz"]


def test_the_command_says_what_to_do_next(cache, web, tmp_path, capsys):
    command = ["build.py", toy_export().bundle, tmp_path / "out"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [*map(str, command), "--cache", str(cache)])
        assert web.main() == 0
    assert "serve.py" in capsys.readouterr().out
    kept = (tmp_path / "out" / "sw.js").read_text()
    assert "bundle/model.tflite" in kept and "@VERSION@" not in kept
