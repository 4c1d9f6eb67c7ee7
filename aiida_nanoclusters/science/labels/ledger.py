"""Rows and results of batches under their indices in the whole input."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from aiida_nanoclusters.science.frames import Frames

Row = dict[str, Any]
#: From the row of an item so far (None at first) and its row in this batch, the row to keep.
Combine = Callable[[Row | None, Mapping[str, Any]], Row]


class BatchLedger:
    """State and results of each item of an input that several batches or consecutive jobs computed.

    A batch numbers its items from 0: these are *places*. The ledger translates places into the
    indices of the whole input, keeps the latest row of each item, and the results by name. What
    it returns is in the order of the input, whatever the order of the batches.

    Parameters
    ----------
    items
        Indices of the whole input, each once. The first batch is all of them, until
        :meth:`start` or :meth:`follow` says otherwise.

    Attributes
    ----------
    batch
        Index of the item at each place of the present batch.

    Raises
    ------
    ValueError
        If an index is given twice.
    """

    def __init__(self, items: Iterable[int]) -> None:
        self.items = list(items)
        self._known = set(self.items)
        if len(self._known) != len(self.items):
            raise ValueError("an item is listed twice: each index of the input must be given once")
        self.batch = list(self.items)
        self._rows: dict[int, Row] = {}
        self._results: dict[str, dict[int, Any]] = {}

    def start(self, indices: Iterable[int]) -> None:
        """Begin a batch of the items of these indices.

        Raises
        ------
        ValueError
            If one of them is not an item of the input.
        """
        batch = list(indices)
        foreign = sorted(set(batch) - self._known)
        if foreign:
            raise ValueError(f"items {foreign[:5]} are not in the input of {len(self.items)}")
        self.batch = batch

    def follow(self, places: Iterable[int]) -> None:
        """Begin the batch that follows the present one and holds its items at these places."""
        self.batch = [self.batch[place] for place in places]

    def record(
        self,
        rows: Sequence[Mapping[str, Any]],
        *,
        skip: str | None = None,
        combine: Combine | None = None,
    ) -> None:
        """Record the rows of the present batch, one for each of its places.

        Parameters
        ----------
        rows
            Report of the batch on its items; ``index`` becomes the index in the whole input.
        skip
            Rows of this ``state`` do not replace an earlier row of their item.
        combine
            Returns the row to keep from the earlier and the new row; the new row where None.

        Raises
        ------
        ValueError
            If there are more or fewer rows than places.
        """
        if len(rows) != len(self.batch):
            raise ValueError(f"a batch of {len(self.batch)} items reports on {len(rows)}")
        for index, row in zip(self.batch, rows, strict=True):
            if skip is not None and row["state"] == skip:
                continue
            kept = combine(self._rows.get(index), row) if combine else dict(row)
            self._rows[index] = {**kept, "index": index}

    def record_all(self, row: Mapping[str, Any]) -> None:
        """Record the same row for every item of the present batch, such as one that failed."""
        self.record([row] * len(self.batch))

    def keep(self, name: str, values: Sequence[Any], places: Sequence[int]) -> None:
        """Keep a result of the items at these places; it replaces an earlier one of this name.

        Raises
        ------
        ValueError
            If there are more or fewer values than places.
        """
        if len(values) != len(places):
            raise ValueError(f"{len(values)} results `{name}` of {len(places)} items of a batch")
        results = self._results.setdefault(name, {})
        for place, value in zip(places, values, strict=True):
            results[self.batch[place]] = value

    def append(self, name: str, parts: Mapping[int, Any]) -> None:
        """Append to the lists of results of this name, by place in the present batch."""
        results = self._results.setdefault(name, {})
        for place, value in parts.items():
            results.setdefault(self.batch[place], []).append(value)

    def discard(self, name: str, indices: Iterable[int]) -> None:
        """Discard the results of this name of items that were restarted or have failed."""
        for index in indices:
            self._results.get(name, {}).pop(index, None)

    def row(self, index: int) -> Row | None:
        """Return the row of an item so far, None where no batch has reported on it."""
        return self._rows.get(index)

    def rows(self, missing: Mapping[str, Any] | None = None) -> list[Row]:
        """Return one row for each item, in the order of the input.

        Parameters
        ----------
        missing
            Row of an item on which no batch has reported.

        Raises
        ------
        ValueError
            If there is such an item and `missing` is not given: nothing is dropped silently.
        """
        left = [index for index in self.items if index not in self._rows]
        if left and missing is None:
            raise ValueError(f"no batch has reported on the items {left[:5]}: please report this")
        blank = dict(missing or {})
        return [self._rows.get(index, {**blank, "index": index}) for index in self.items]

    def pending(self, *done: str) -> list[int]:
        """Return the items without a row of one of these states, in the order of the input."""
        return [i for i in self.items if i not in self._rows or self._rows[i]["state"] not in done]

    def results(self, name: str) -> dict[int, Any]:
        """Return the results of a name by index, in the order of the input."""
        found = self._results.get(name, {})
        return {index: found[index] for index in self.items if index in found}

    @property
    def names(self) -> list[str]:
        """Names under which there are results, in the order of their first one."""
        return list(self._results)


def places_of(rows: Sequence[Mapping[str, Any]], *states: str) -> list[int]:
    """Return the places in a batch whose rows have one of these states."""
    return [place for place, row in enumerate(rows) if row["state"] in states]


def single_frames(frames: Frames) -> list[Frames]:
    """Return each frame as a set of its own."""
    return [frames.select([place]) for place in range(len(frames))]


def trajectory_parts(frames: Frames, batch: Sequence[int]) -> dict[int, Frames]:
    """Return the sampled frames of a batch by the place of their structure.

    Parameters
    ----------
    frames
        Sampled frames; ``info`` of each is JSON that gives the place of its ``structure``.
    batch
        Index in the whole input of the structure at each place, which replaces that place.
    """
    infos = [json.loads(str(text)) for text in frames.info]
    owners = np.array([info["structure"] for info in infos], dtype=np.int64)
    texts = [
        json.dumps({**info, "structure": batch[info["structure"]]}, sort_keys=True)
        for info in infos
    ]
    renumbered = replace(frames, info=np.array(texts))
    return {place: renumbered.select(owners == place) for place in np.unique(owners).tolist()}
