"""Files that are either whole or absent, and the manifest that proves it.

Every folder mmkeras writes (prepared data, a run, a bundle) holds a
`manifest.json`, written last, with the size and SHA-256 of each file, a format
number and a hash of its own. Readers check it before they parse anything else.
"""

from mmkeras.artefact.arrays import write_arrays
from mmkeras.artefact.files import (
    TEMPORARY,
    Unwritable,
    atomic,
    copy_file,
    file_stamp,
    free_bytes,
    make_folder,
    sync,
    told,
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
from mmkeras.artefact.locks import LOCK, Held, lock, lock_file, this_process
from mmkeras.artefact.manifest import (
    MANIFEST,
    check_file,
    describe_files,
    read_manifest,
    sha256_of,
    versions,
    write_manifest,
)
from mmkeras.artefact.names import is_ours
from mmkeras.artefact.ownership import (
    MARKER,
    check_out,
    claim,
    clear,
    clear_inside,
    kind_of,
    owned,
    release,
    release_listed,
)
from mmkeras.artefact.room import NoRoom, check_room, writing
from mmkeras.artefact.staging import (
    PARTIAL,
    is_moving,
    new_file,
    open_out,
    open_stage,
    replacing,
    scratch,
    settle,
    sweep,
)

__all__ = [
    "FORMAT",
    "HASHES",
    "Held",
    "LOCK",
    "MANIFEST",
    "MARKER",
    "MAX_DEPTH",
    "MAX_JSON_BYTES",
    "NoRoom",
    "PARTIAL",
    "TEMPORARY",
    "Unwritable",
    "atomic",
    "check_file",
    "check_out",
    "check_room",
    "claim",
    "clear",
    "clear_inside",
    "copy_file",
    "describe_files",
    "file_stamp",
    "free_bytes",
    "hashed",
    "hashes_of",
    "is_moving",
    "is_ours",
    "kind_of",
    "lock",
    "lock_file",
    "make_folder",
    "new_file",
    "open_out",
    "open_stage",
    "owned",
    "parse_json",
    "read_hashed",
    "read_json",
    "read_manifest",
    "release",
    "release_listed",
    "replacing",
    "scratch",
    "settle",
    "sha256_of",
    "sweep",
    "sync",
    "this_process",
    "told",
    "versions",
    "write_arrays",
    "write_bytes",
    "write_csv",
    "write_hashed",
    "write_json",
    "write_manifest",
    "write_text",
    "writing",
]
