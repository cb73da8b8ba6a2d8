"""Shards that change after they were checked: told by shard and record.

TensorFlow reads them anew each epoch, and its own errors name neither.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mmkeras import framework_errors
from mmkeras.artefact import file_stamp
from mmkeras.data.loading.check import check_shards


class Watch:
    """The shards of a folder as they were when it was opened.

    Args:
        folder: The folder, just checked.
        manifest: Its manifest.
    """

    def __init__(self, folder: Path, manifest: dict) -> None:
        self.folder, self.manifest = folder, manifest
        self._stamps = {
            shard["file"]: file_stamp(folder / shard["file"])
            for split in manifest["splits"].values()
            for shard in split["shards"]
        }

    def check(self) -> None:
        """Raises ValueError if a shard is no longer what was opened."""
        changed = [
            name
            for name, stamp in self._stamps.items()
            if not _is_as(self.folder / name, stamp)
        ]
        if changed:
            check_shards(self.folder, self.manifest, changed)
            # Written anew, with the same bytes.
            for name in changed:
                self._stamps[name] = file_stamp(self.folder / name)

    @contextlib.contextmanager
    def reading(self) -> Iterator[None]:
        """Checks the shards, and names the one that cannot be read inside."""
        self.check()
        with self.naming():
            yield

    @contextlib.contextmanager
    def naming(self) -> Iterator[None]:
        """Turns an error of TensorFlow into a sentence.

        It names the shard that cannot be read, if there is one.
        """
        try:
            yield
        except Exception as error:
            found = framework_errors.told(error)
            if found is None:
                raise
            try:
                self.check()
            except ValueError as shard:
                found = shard
            raise found from error


def watched(dataset: Any, watch: Watch) -> Any:
    """Returns a `tf.data.Dataset` that looks at its shards in each pass.

    Before the first batch of a pass, and where a batch cannot be read.
    """

    class Watched(type(dataset)):
        def __iter__(self):
            watch.check()
            iterator = super().__iter__()
            iterator.__class__ = _watched_iterator(type(iterator), watch)
            return iterator

    dataset.__class__ = Watched
    return dataset


def _watched_iterator(kind: type, watch: Watch) -> type:
    class WatchedIterator(kind):
        def __next__(self):
            with watch.naming():
                return super().__next__()

    return WatchedIterator


def _is_as(path: Path, stamp: list[int]) -> bool:
    try:
        return file_stamp(path) == stamp
    except OSError:
        return False
