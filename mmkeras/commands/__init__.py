"""The commands of `mmkeras`, one a file, each as thin as `cli.py`."""
