"""ChartData: a trained structural chart, as one node of numbers."""

from __future__ import annotations

from typing import Any

from aiida.common.exceptions import ValidationError
from aiida.orm import Data

from aiida_nanoclusters.science.charts.chart import ARRAYS_FILE, CHART_FILE, Chart


class ChartData(Data):
    """A chart: from the distribution of pair distances to coordinates.

    It is data: JSON and arrays, read in bounded time and memory, without pickle. Nothing in it is
    executed. The attributes can be queried: ``elements``, ``sizes``, ``bond_lengths`` (Å),
    ``reproduces``, ``dimensions``, ``bins``, ``longest`` and ``bandwidth`` (bond lengths),
    ``channels``, ``largest_error``, ``largest_distance``, ``seed``, ``validation_loss``.
    """

    def __init__(self, chart: Chart | None = None, **kwargs: Any) -> None:
        seed, loss = kwargs.pop("seed", None), kwargs.pop("validation_loss", None)
        super().__init__(**kwargs)
        if chart is not None:
            self.set_chart(chart)
            self.base.attributes.set_many({"seed": seed, "validation_loss": loss})

    def set_chart(self, chart: Chart) -> None:
        """Hold `chart`; refused once the node is stored."""
        text, arrays = chart.content()
        self.base.repository.put_object_from_bytes(text.encode(), CHART_FILE)
        self.base.repository.put_object_from_bytes(arrays, ARRAYS_FILE)
        self.base.attributes.set_many(describe(chart))

    @property
    def chart(self) -> Chart:
        """The chart; read from the repository at each access.

        Raises
        ------
        ValueError
            If the files of the node are no chart.
        """
        text = self.base.repository.get_object_content(CHART_FILE, mode="rb")
        with self.base.repository.open(ARRAYS_FILE, "rb") as arrays:
            return Chart.from_content(text, arrays)

    @property
    def elements(self) -> list[str]:
        """Chemical symbols of the training frames, sorted."""
        return list(self.base.attributes.get("elements"))

    @property
    def reproduces(self) -> str:
        """``relaxed``, or ``thermal``: from thermal frames to their minima."""
        return str(self.base.attributes.get("reproduces"))

    def _validate(self) -> bool:
        super()._validate()
        if {CHART_FILE, ARRAYS_FILE} - set(self.base.repository.list_object_names()):
            raise ValidationError("ChartData holds no chart: call `set_chart` first")
        return True


def describe(chart: Chart) -> dict[str, Any]:
    """Return the attributes that follow from a chart."""
    head = chart.head
    return {
        "elements": sorted(head.bond_lengths),
        "bond_lengths": dict(sorted(head.bond_lengths.items())),
        "sizes": sorted(head.sizes),
        "reproduces": head.reproduces,
        "dimensions": head.network.dimensions,
        "channels": list(head.network.channels),
        "bins": head.distribution.bins,
        "shortest": head.distribution.shortest,
        "longest": head.distribution.longest,
        "bandwidth": head.distribution.bandwidth,
        "largest_error": head.largest_error,
        "largest_distance": head.largest_distance,
    }
