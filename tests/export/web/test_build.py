"""What build.py puts up, what the browser keeps of it and refuses."""

import base64
import hashlib
import shutil
import sys

import pytest
from export.export_toys import toy_export


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
