"""The device of the bundles' tests is the one of these."""

from export.conftest import device_python  # noqa: F401
