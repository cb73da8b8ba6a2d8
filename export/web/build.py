"""Puts a bundle, its page and the browser's runtime into a folder to serve.

    python export/web/build.py BUNDLE OUT
    python export/web/serve.py OUT

The runtime comes from the npm registry once, into `--cache`; its archives are
held to the hashes below. A bundle with a TFLite file runs in LiteRT for web,
one with only an ONNX file in onnxruntime-web. OUT is a static folder: any web
server will do, over https, since browsers open cameras nowhere else.
"""

import argparse
import base64
import hashlib
import importlib.util
import io
import json
import re
import shutil
import sys
import tarfile
import tempfile
import urllib.request
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parent / "page"
# What a page lists its files in: those alone are written over.
LISTED = "page.json"
# Names that mean themselves in an address.
PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
FETCH_SEC = 60
REGISTRY = "https://registry.npmjs.org"
SHA512 = {
    "@litertjs/core-2.5.3": (
        "PlGmbMOq9WitX7FO0jhbdJw9GthatsyuCQXjTt/wJZo0"
        "FLaw48q4tz8IwqgqCIkviYGr9OFDL1kCnN4nzWoyJQ=="
    ),
    "@litertjs/wasm-utils-2.5.3": (
        "4fJiw6tBQnIs+0jH/OQ16nYOiSl8/+zZnn5h2ul8aTKH"
        "i05sVqZW580Tmk78pC2kT39A9OYBVdFawteZ/sI1kQ=="
    ),
    "onnxruntime-web-1.30.0": (
        "q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZ"
        "ClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ=="
    ),
}
# By format of the model: archive, then where its files go; a folder ends in /.
ORT = ("ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.mjs",
       "ort-wasm-simd-threaded.wasm")  # fmt: skip
RUNTIMES = {
    "tflite": {
        "@litertjs/core-2.5.3": {
            "dist/index.js": "litert/index.js",
            "wasm/": "litert/wasm/",
        },
        "@litertjs/wasm-utils-2.5.3": {"dist/index.js": "litert/utils.js"},
    },
    "onnx": {
        "onnxruntime-web-1.30.0": {f"dist/{n}": f"ort/{n}" for n in ORT},
    },
}
# What the manifest's `web` may say: cards that the page has for inputs, and
# forms that it has for answers.
CARDS = ("picture", "sound", "text", "numbers")
FORMS = (
    *("class", "classes", "number", "transcript", "boxes", "mask", "spans"),
    "written",
)


def archive(name: str, cache: Path) -> bytes:
    """Returns an npm archive, fetched unless it is in the cache."""
    path = cache / f"{name.replace('/', '-')}.tgz"
    if here := path.is_file():
        data = path.read_bytes()
    else:
        package, _, version = name.rpartition("-")
        file = f"{package.rpartition('/')[2]}-{version}.tgz"
        address = f"{REGISTRY}/{package}/-/{file}"
        with urllib.request.urlopen(address, timeout=FETCH_SEC) as reply:
            data = reply.read()
    found = base64.b64encode(hashlib.sha512(data).digest()).decode()
    if found != SHA512[name]:
        raise ValueError(
            f"`{path}` must be the archive with sha512 {SHA512[name]}; "
            f"delete it to fetch it again. Received: {found}"
        )
    if not here:
        cache.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        part.write_bytes(data)
        part.replace(path)
    return data


def unpack(kind: str, cache: Path, out: Path) -> None:
    """Writes the runtime of one format of model into `out`."""
    for name, places in RUNTIMES[kind].items():
        with tarfile.open(fileobj=io.BytesIO(archive(name, cache))) as file:
            for member in file:
                inside = member.name.removeprefix("package/")
                folder = inside[: inside.rfind("/") + 1]
                if inside in places:
                    path = out / places[inside]
                elif folder in places:
                    path = out / places[folder] / inside[len(folder) :]
                else:
                    continue
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(file.extractfile(member).read())
    if kind == "tflite":
        # Browsers do not know packages by name.
        index = out / "litert" / "index.js"
        text = index.read_text(encoding="utf-8")
        text = text.replace('"@litertjs/wasm-utils"', '"./utils.js"')
        index.write_text(text, encoding="utf-8")


def runner_code() -> Any:
    """Returns the code of `run.py`, which reads manifests for the device."""
    path = Path(__file__).parents[1] / "run.py"
    spec = importlib.util.spec_from_file_location("mmkeras_run", path)
    run = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(run)
    return run


def read_bundle(bundle: Path) -> dict:
    """Returns the manifest of a bundle whose files are all as it says."""
    run = runner_code()
    reader = run.Code([Path(run.HERE)], None).load("manifest")
    with reader.understood(bundle):
        return reader.read_manifest(bundle)


def check_known(manifest: dict) -> None:
    """Raises ValueError for what the page cannot take or show."""
    inputs, outputs = manifest["inputs"], manifest["outputs"]
    odd = [
        (name, entry["kind"])
        for entries, known in ((inputs, CARDS), (outputs, FORMS))
        for name, entry in entries.items()
        if entry.get("web") not in known
    ]
    odd += [(n, "categories") for n, e in inputs.items() if "categories" in e]
    if "subwords.py" in manifest["files"]:
        odd.append(("the tokenizer", "bert or roberta"))
    if odd:
        found = ", ".join(f"{name} ({kind})" for name, kind in odd)
        raise ValueError(
            "`BUNDLE` must have inputs and outputs that the page knows, and "
            f"say so in its manifest: {', '.join((*CARDS, *FORMS))}. "
            f"Received: {found}. `run.py` takes them all; an older bundle is "
            "made anew by `python -m mmkeras.export`"
        )


def build(bundle: Path, out: Path, cache: Path) -> None:
    """Makes `out` a page, in the place of an older one."""
    manifest = read_bundle(bundle)
    try:
        check_known(manifest)
        used = used_files(manifest)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f"`{bundle / 'manifest.json'}` must be a manifest written by "
            f"mmkeras. Received: {type(error).__name__}: {error}"
        ) from None
    check_out(out)
    with tempfile.TemporaryDirectory(dir=out.parent) as folder:
        ready = Path(folder) / "page"
        shutil.copytree(PAGE, ready)
        unpack(manifest["model"]["format"], cache, ready)
        fill(bundle, manifest, used, ready)
        if out.exists():
            # Whole until the new one is there.
            out.rename(Path(folder) / "older")
        ready.rename(out)


def check_out(out: Path) -> None:
    """Raises ValueError unless OUT is new, empty or nothing but a page.

    What build.py did not write, or somebody has changed, is none of a page.
    """
    if out.is_symlink() or (out.exists() and not out.is_dir()):
        raise ValueError(f"`OUT` must be a folder, no link. Received: {out}")
    if not out.exists() or not any(out.iterdir()):
        return
    try:
        listed = runner_code().read_json(out / LISTED)
        listed = {LISTED, *listed["files"]}
    except (OSError, ValueError, KeyError, TypeError):
        listed = set()
    there = {p.relative_to(out).as_posix() for p in out.rglob("*")
             if p.is_symlink() or not p.is_dir()}  # fmt: skip
    if not listed or there - listed:
        strange = ", ".join(sorted(there - listed)[:3])
        raise ValueError(
            "`OUT` must be new, empty or an older page, with nothing added. "
            f"Received: {out}, with {strange}"
        )


def used_files(manifest: dict) -> list[str]:
    """Returns the files of the bundle that the page reads.

    They become part of addresses: a name that could mean another is refused.
    """
    if manifest["model"]["format"] not in RUNTIMES:
        raise ValueError(
            f"The model must be in one of {', '.join(RUNTIMES)}. Received: "
            f"{manifest['model']['format'][:80]!r}"
        )
    used = ["manifest.json", "labels.json", manifest["model"]["file"]]
    used += [
        entry["tokenizer"]
        for entry in manifest["inputs"].values()
        if "tokenizer" in entry
    ]
    used += [
        entry["letters"]
        for entry in manifest["outputs"].values()
        if "letters" in entry
    ]
    for name in used:
        listed = name == "manifest.json" or name in manifest["files"]
        if not listed or not PLAIN.fullmatch(name):
            raise ValueError(
                "Each file that the page reads must be one that the manifest "
                "lists, of letters, digits, `.`, `_` and `-`. Received: "
                f"{name[:80]!r}"
            )
    return list(dict.fromkeys(used))


def fill(bundle: Path, manifest: dict, used: list[str], out: Path) -> None:
    """Adds the bundle, and to the worker what it shall keep at once."""
    (out / "bundle").mkdir()
    for name in used:
        shutil.copyfile(bundle / name, out / "bundle" / name)
    web = (out / "manifest.webmanifest").read_text(encoding="utf-8")
    name = json.dumps(str(manifest.get("name", "mmkeras"))[:80])
    web = web.replace("@NAME@", name[1:-1])
    (out / "manifest.webmanifest").write_text(web, encoding="utf-8")

    page = {p.name for p in PAGE.iterdir() if not p.name.startswith("runtime")}
    kept = ["./", *sorted(page - {"sw.js"}), *(f"bundle/{n}" for n in used)]
    # A changed page or bundle makes a changed worker, which browsers notice.
    digest = hashlib.sha256()
    files = sorted(p for p in out.rglob("*") if p.is_file())
    for path in files:
        digest.update(f"{path.relative_to(out)}".encode() + path.read_bytes())
    worker = (out / "sw.js").read_text(encoding="utf-8")
    worker = worker.replace("@VERSION@", digest.hexdigest()[:16])
    worker = worker.replace('["@FILES@"]', json.dumps(kept))
    (out / "sw.js").write_text(worker, encoding="utf-8")
    names = [path.relative_to(out).as_posix() for path in files]
    text = json.dumps({"kind": "page", "files": names}, indent=2)
    (out / LISTED).write_text(text + "\n", encoding="utf-8")


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("bundle", type=Path, nargs="?")
    options.add_argument("out", type=Path, nargs="?")
    options.add_argument("--cache", type=Path, default=Path("build/npm"))
    options.add_argument(
        "--fetch", action="store_true", help="fill the cache, and no more"
    )
    options = options.parse_args()
    try:
        if options.fetch:
            for name in SHA512:
                archive(name, options.cache)
            return 0
        if options.out is None:
            raise ValueError("`BUNDLE OUT` must be given. Received: less")
        build(options.bundle, options.out, options.cache)
    except (ValueError, OSError) as error:
        text = runner_code().printable(str(error))
        print(f"error: {text}", file=sys.stderr)
        return 2
    print(f"python {Path(__file__).parent / 'serve.py'} {options.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
