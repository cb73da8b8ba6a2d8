"""Whether a prepared folder is what was written, before anything is read."""

from collections import Counter
from pathlib import Path

from mmkeras.arguments import check_choice
from mmkeras.artefact import (
    check_file,
    hashes_of,
    read_manifest,
    sha256_of,
)
from mmkeras.data.files.records import intact_records
from mmkeras.data.ingest.folder import is_moving
from mmkeras.data.ingest.places import PLACES, counts_of
from mmkeras.spec import DataSpec

ON_ERROR = ("raise", "skip")


def check_folder(
    folder: str | Path, on_error: str = "raise"
) -> tuple[dict, dict[str, list[bytes]]]:
    """Compares every file of a prepared folder with its manifest.

    Args:
        folder: Folder that `prepare` wrote.
        on_error: With "skip", a shard of the right size with damaged records
            is accepted without them.

    Returns:
        The manifest, and the intact records of each damaged shard.

    Raises:
        ValueError: If a shard is missing, empty, cut, repeated, foreign or
            damaged; the message names it, with the samples expected and found.
    """
    check_choice("on_error", on_error, ON_ERROR)
    folder = Path(folder)
    if is_moving(folder):
        raise ValueError(
            f"`{folder}` must be whole. Received: one whose `prepare` was "
            "stopped while it put new files in place; the same command ends it"
        )
    found = read_manifest(folder, "data", check_files=False)
    shards = _shards_of(folder / "manifest.json", found)
    _check_strangers(folder, shards, found["files"])
    regular = [n for n in shards if (folder / n).is_file()]
    digests = hashes_of(folder, regular)
    repaired = {}
    for name, shard in shards.items():
        records = _check_shard(folder, shard, shards, digests, on_error)
        if records is not None:
            repaired[name] = records
    for name in sorted(set(found["files"]) - set(shards)):
        check_file(folder, name, found["files"][name])
    _check_counts(folder, shards, set(repaired), found["files"])
    return found, repaired


def _shards_of(path: Path, found: dict) -> dict[str, dict]:
    """Returns the shards by name, after checking the spec they belong to."""
    try:
        spec = DataSpec.from_dict(found["spec"], str(path))
        digest = found["spec_sha256"]
        shards = {
            shard["file"]: shard
            for split in ("train", "validation", "test")
            for shard in found["splits"][split]["shards"]
        }
    except (KeyError, TypeError) as error:
        raise ValueError(
            f"`{path}` must be a manifest that prepare wrote. Received: one "
            f"without {error}"
        ) from None
    if spec.sha256 != digest:
        raise ValueError(
            f"`{path}` must hold the spec whose sha256 is {digest[:16]}. "
            f"Received: {spec.sha256[:16]}"
        )
    return shards


def check_shards(folder: Path, manifest: dict, names: list[str]) -> None:
    """Raises ValueError unless some shards of an open folder are whole.

    Args:
        folder: Folder that `prepare` wrote.
        manifest: Its manifest, checked before.
        names: Of the shards.
    """
    shards = _shards_of(folder / "manifest.json", manifest)
    there = [n for n in names if (folder / n).is_file()]
    digests = {name: sha256_of(folder / name) for name in there}
    for name in names:
        _check_shard(folder, shards[name], shards, digests, "raise")


def _check_counts(
    folder: Path, shards: dict, damaged: set[str], files: dict
) -> None:
    """Raises ValueError unless each shard held the samples it should."""
    if PLACES not in files:
        # A version that wrote no index: the shards themselves are counted.
        whole = set(shards) - damaged
        found = {n: len(intact_records(folder / n)[0]) for n in whole}
        found |= {name: shards[name]["count"] for name in damaged}
    else:
        found = counts_of(folder)
    for name in sorted(set(shards) | set(found)):
        if name not in shards:
            raise ValueError(
                f"`{folder / 'manifest.json'}` must list the shard `{name}`, "
                f"as `{PLACES}` does. Received: none, {found[name]} samples "
                "fewer"
            )
        expected = shards[name]["count"]
        if found.get(name, 0) != expected:
            raise ValueError(
                f"`{folder / name}` must hold the {expected} samples that the "
                f"manifest counts. Received: {found.get(name, 0)} samples"
            )


def _check_strangers(folder: Path, shards: dict, files: dict) -> None:
    for name, shard in shards.items():
        entry = {key: shard[key] for key in ("bytes", "sha256")}
        if name in files and files[name] != entry:
            raise ValueError(
                f"`{folder / 'manifest.json'}` must say the same of "
                f"`{name}` in `files` and `splits`. Received: {files[name]} "
                f"and {entry}"
            )
    there = {path.name for path in folder.glob("*.tfrecord")}
    strange = sorted(there - set(shards)) + sorted(set(shards) - set(files))
    if strange:
        raise ValueError(
            f"`{folder}` must hold the shards its manifest lists, and no "
            f"other. Received: {strange[0]} "
            f"({len(there)} shards, {len(shards)} expected)"
        )


def _check_shard(
    folder: Path, shard: dict, shards: dict, digests: dict, on_error: str
) -> list[bytes] | None:
    """Returns the intact records of a damaged shard; None if it is whole."""
    path = folder / shard["file"]
    must = f"`{path}` must hold the {shard['count']} samples prepare wrote. "
    if path.is_symlink() or not path.is_file():
        found = "a link" if path.is_symlink() else "no file"
        raise ValueError(f"{must}Received: {found}, 0 samples")
    digest = digests[shard["file"]]
    size = path.stat().st_size
    if (digest, size) == (shard["sha256"], shard["bytes"]):
        return None
    twins = [one["file"] for one in shards.values() if one["sha256"] == digest]
    payloads, damaged = intact_records(path)
    found = f"{len(payloads)} intact samples"
    if twins:
        raise ValueError(f"{must}Received: {found}, a copy of {twins[0]}")
    if size != shard["bytes"] or not damaged:
        raise ValueError(
            f"{must}Received: {found} in {size:,} bytes instead of "
            f"{shard['bytes']:,}; it was cut, or is another data set's"
        )
    if on_error == "raise":
        raise ValueError(
            f"{must}Received: {found}; damaged: sample "
            f"{', '.join(map(str, damaged[:5]))} of the shard, counted from "
            '0. `on_error="skip"` leaves it out'
        )
    return payloads


def lost(found: dict, repaired: dict[str, list[bytes]]) -> dict[str, int]:
    """Returns how many samples each split lost to damage."""
    counts = Counter({split: 0 for split in found["splits"]})
    for split, entry in found["splits"].items():
        for shard in entry["shards"]:
            if shard["file"] in repaired:
                kept = len(repaired[shard["file"]])
                counts[split] += shard["count"] - kept
    return dict(counts)
