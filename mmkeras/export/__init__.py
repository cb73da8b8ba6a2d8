"""From a trained run to a verified bundle for the device.

`python -m mmkeras.export RUN --quantize int8 --out BUNDLE` converts in a
process of its own, verifies every file on the test split, and writes the
bundle only if the task metric held.
"""

from mmkeras.export.exporter import FORMATS, QUANTIZE, export

__all__ = ["FORMATS", "QUANTIZE", "export"]
