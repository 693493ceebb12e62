"""Rows in a memory-mapped Arrow file, texts or tokens: memory holds no more of them than what is being read."""

import mmap
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from operator import eq
from typing import BinaryIO

CHUNK = 2_000  # rows that are in memory together


class Rows:
    """Rows that lie in an Arrow file."""

    def __init__(self, file: BinaryIO):
        from pyarrow import Table, ipc

        # Mapped here and not by Dataset.from_file, which holds on to every page that was ever read.
        self.view = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        reader = ipc.open_stream(self.view)
        self.table = Table.from_batches(self._released(reader), reader.schema)

    def __reduce__(self):
        # To another process, on whichever machine, the file travels as it is.
        return received, (self.view[:],)

    def __len__(self) -> int:
        return self.table.num_rows

    @property
    def names(self) -> list[str]:
        return self.table.column_names

    def batches(self) -> Iterator:
        """Yield the rows as Arrow batches, each out of memory before the next."""
        return self._released(self.table.to_batches())

    def _released(self, batches: Iterable) -> Iterator:
        for batch in batches:
            yield batch
            self.release()

    def release(self) -> None:
        """Give back the memory of what was read; what is still in use is read again."""
        self.view.madvise(mmap.MADV_DONTNEED)

    def dataset(self, fingerprint: str):
        """Return the rows as a `datasets.Dataset`."""
        from datasets import Dataset, disable_progress_bars

        disable_progress_bars()
        return Dataset(self.table, fingerprint=fingerprint)


def received(content: bytes) -> Rows:
    """Keep rows that came from another process in a nameless file."""
    file = tempfile.TemporaryFile()
    file.write(content)
    file.flush()
    return Rows(file)


class Texts(Sequence):
    """The texts of a column, which stay in their file."""

    def __init__(self, rows: Rows, name: str):
        self.rows = rows
        self.name = name

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, i):
        items = self.rows.table[self.name][i]
        return items.to_pylist() if isinstance(i, slice) else items.as_py()

    def __iter__(self) -> Iterator[str]:
        # By batches: the column of a Dataset takes 11 microseconds a text.
        for batch in self.rows.batches():
            yield from batch[self.name].to_pylist()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence):
            return NotImplemented
        return len(self) == len(other) and all(map(eq, self, other))


def store_texts(texts: Iterator[tuple[str, ...]], names: Sequence[str]) -> Rows:
    """Write rows of texts to a nameless file, which goes when nothing needs it any more."""
    import pyarrow

    schema = pyarrow.schema([(name, pyarrow.string()) for name in names])

    def batches() -> Iterator:
        while part := list(islice(texts, CHUNK)):
            yield pyarrow.record_batch([list(column) for column in zip(*part, strict=True)], schema)

    return store(batches(), schema)


def store(batches: Iterable, schema) -> Rows:
    """Write Arrow batches to a nameless file."""
    import pyarrow

    file = tempfile.TemporaryFile()
    with pyarrow.ipc.new_stream(pyarrow.PythonFile(file, "w"), schema) as writer:
        for batch in batches:
            writer.write(batch)
    file.flush()
    return Rows(file)
