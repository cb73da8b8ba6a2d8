"""Files that are either whole or absent, and the manifest that proves it.

Every folder mmkeras writes (prepared data, a run, a bundle) holds a
`manifest.json`, written last, with the size and SHA-256 of each file, a format
number and a hash of its own. Readers check it before they parse anything else.
"""

from mmkeras.artefact.files import (
    TEMPORARY,
    atomic,
    copy_file,
    write_bytes,
    write_csv,
    write_json,
    write_text,
)
from mmkeras.artefact.hashes import HASHES, hashes_of
from mmkeras.artefact.json_files import (
    FORMAT,
    MAX_DEPTH,
    MAX_JSON_BYTES,
    hashed,
    parse_json,
    read_hashed,
    read_json,
    write_hashed,
)
from mmkeras.artefact.manifest import (
    MANIFEST,
    check_file,
    describe_files,
    read_manifest,
    sha256_of,
    versions,
    write_manifest,
)
from mmkeras.artefact.ownership import check_out
from mmkeras.artefact.room import NoRoom, check_room, free_bytes, writing

__all__ = [
    "FORMAT",
    "HASHES",
    "MANIFEST",
    "MAX_DEPTH",
    "MAX_JSON_BYTES",
    "NoRoom",
    "TEMPORARY",
    "atomic",
    "check_file",
    "check_out",
    "check_room",
    "copy_file",
    "describe_files",
    "free_bytes",
    "hashed",
    "hashes_of",
    "parse_json",
    "read_hashed",
    "read_json",
    "read_manifest",
    "sha256_of",
    "versions",
    "write_bytes",
    "write_csv",
    "write_hashed",
    "write_json",
    "write_manifest",
    "write_text",
    "writing",
]
