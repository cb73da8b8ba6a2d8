"""From a trained run to a verified bundle for the device.

`python -m mmkeras.export RUN --quantize int8 --out BUNDLE` converts in a
process of its own, verifies every file on the test split, and writes the
bundle only if the task metric held.

Names are imported when first used: a converter brings TensorFlow along, and
the process that waits for it needs none.
"""

from mmkeras.front_doors import front_door

_HOME = {
    "Settings": "export_settings",
    "export": "exporter",
    # The command.
    "main": "__main__",
    # The steps, and what passes from one to the next.
    "Choice": "choice",
    "ExportJob": "export_job",
    "ConvertedModel": "converted_model",
    "best_of": "choice",
    "choose": "choice",
    "convert_model": "converted_model",
    "quantize_apart": "converted_model",
    "advise": "verdict",
    "errors_by_layer": "verdict:by_layer",
    "verify": "verdict",
    # From Keras to files, and what can be read off a file.
    "FORMATS": "formats",
    "Format": "formats",
    "ProducedFile": "conversion.produced_file",
    "QUANTIZE": "formats",
    "SIGNATURE": "conversion.runtimes",
    "check_built_in": "conversion.operators",
    "count_operators": "conversion.operators",
    "drop_finders": "conversion.finding",
    "find_culprit": "conversion.failing_layer",
    "find_layer": "conversion.operators",
    "finder_models": "conversion.finding",
    "latencies_ms": "conversion.runtimes",
    "layer_path": "conversion.operators",
    "narrow_convolutions": "conversion.operators",
    "open_file": "formats",
    "operators": "conversion.operators",
    "peak_bytes": "conversion.memory",
    "refuse_conversion": "conversion.tflite_converter",
    "run_all": "conversion.runtimes",
    "step_length": "conversion.streaming",
    "step_model": "conversion.streaming",
    "streamed_towers": "conversion.streaming",
    "to_onnx": "conversion.onnx_converter",
    "to_tflite": "conversion.tflite_converter",
    "trace": "formats",
    "write_c_array": "formats.c_source",
    "writing": "conversion.writing",
    # Ways to make a file smaller.
    "ConversionContext": "recipes.context",
    "Labelled": "recipes.context",
    "SILENCE_DB": "recipes.layer_errors",
    "decibels": "recipes.layer_errors",
    "fewest_floats": "recipes.layer_errors",
    "find_ranges": "recipes.heavy_int8",
    "layer_errors": "recipes.layer_errors",
    "loop_of": "recipes.full_int8",
    "noise_ratio": "recipes.layer_errors",
    "own_errors": "recipes.layer_errors",
    "quantize_full": "recipes.full_int8",
    "quantize_mixed": "recipes.mixed_precision",
    "quantize_tflite": "recipes.heavy_int8",
    "refuse_loop": "recipes.full_int8",
    "to_dynamic": "recipes.onnx_quantization",
    "to_float16": "recipes.onnx_quantization",
    "to_int8": "recipes.onnx_quantization",
    "worth_floating": "recipes.layer_errors",
    # Whether a file is still the model.
    "Comparison": "verification.file_measurement",
    "FileFigures": "verification.file_measurement",
    "Measured": "verification.file_measurement",
    "Measurement": "verification.file_measurement",
    "Samples": "verification.sampling",
    "calibration": "verification.sampling",
    "compare_files": "verification.comparison",
    "failures": "verification.failures",
    "find_departure": "verification.departure",
    "guarded": "verification.drops",
    "largest_drop": "verification.drops",
    "layer_outputs": "verification.departure",
    "scenarios": "verification.sampling",
    "take": "verification.sampling",
    # What a device gets.
    "Candidate": "bundle.card",
    "Card": "bundle.card",
    "Profile": "bundle.device_profiles",
    "SampleCounts": "bundle.card",
    "card_table": "bundle.card_table",
    "load_profile": "bundle.device_profiles",
    "misfits": "bundle.device_profiles",
    "profiles_folder": "bundle.device_profiles",
    "read_card": "bundle.card",
    # A process of its own: for converters, and for files of strangers.
    "Isolated": "worker.isolated",
    "prove": "worker.isolated",
    "run_child": "worker.process",
}
__all__ = sorted(_HOME)
__getattr__, __dir__ = front_door(__name__, _HOME)
