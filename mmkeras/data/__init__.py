"""From a manifest of files to `tf.data`.

Three rooms: `files` opens and reads files safely, `ingest` is `prepare`, from
the manifest to shards, and `loading` is `load_data`, from shards to `tf.data`.
How a kind is read stands in its folder of `mmkeras.kinds`. Importing this
package does not import TensorFlow; only `load_data` does.
"""

from mmkeras.front_doors import front_door

# No module is called `prepare`: importing it would hide the function.
_HOME = {
    "BadSample": "files.reasons",
    "DEMO_SPEC": "demo:SPEC",
    "Data": "loading.load",
    "Labels": "loading.labels",
    "MAX_MANIFEST_BYTES": "ingest.table_files",
    "Reason": "files.reasons",
    "SampleIO": "files.source",
    "SampleReader": "ingest.samples",
    "Scan": "files.scan",
    "augmenter": "loading.augment",
    "cell": "files.reasons",
    "check_frame": "files.nifti",
    "check_suffix": "files.reasons",
    "check_utf8": "files.encodings",
    "columns_of": "ingest.manifest",
    "container_of": "files.containers",
    "decode_file": "decode",
    "decode_utf8": "files.encodings",
    "decode_value": "decode",
    "demo_sentence": "demo:sentence",
    "demo_sound": "demo:sound",
    "draw_pictures": "demo",
    "encode_each": "ingest.targets",
    "encode_texts": "tokens",
    "facts_of": "ingest.targets",
    "guarded": "files.reasons",
    "intact_records": "files.records",
    "is_cut": "files.containers",
    "is_utf8": "files.encodings",
    "is_dicom": "files.dicom_files",
    "is_nifti": "files.nifti",
    "known_moments": "statistics",
    "known_sums": "statistics",
    "learned_file": "ingest.learning",
    "load_data": "loading.load",
    "load_learned": "ingest.learning",
    "merge_sums": "statistics",
    "needs": "files.extras",
    "number_of": "files.decimals",
    "open_container": "files.containers",
    "open_inside": "files.paths",
    "open_learned": "ingest.learning",
    "open_manifest": "ingest.manifest",
    "prepare": "ingest.preparation",
    "read_dicom": "files.dicom",
    "read_folder": "files.scan_folder",
    "read_inside": "files.paths",
    "read_labels": "loading.labels",
    "read_manifest": "ingest.manifest",
    "read_nifti": "files.nifti",
    "read_npy_header": "files.arrays",
    "read_sound": "files.sounds",
    "read_targets": "ingest.targets",
    "read_wfdb": "files.signals.wfdb_records",
    "record_files": "files.signals.wfdb_records",
    "resample": "files.resampling",
    "settings_of": "loading.augment",
    "shares": "files.changes",
    "stronger": "loading.views",
    "to_model": "stored",
    "whole_moments": "statistics",
    "whole_sums": "statistics",
    "write_demo": "demo",
    "write_records": "files.records",
}
__all__ = sorted(_HOME)
__getattr__, __dir__ = front_door(__name__, _HOME)
