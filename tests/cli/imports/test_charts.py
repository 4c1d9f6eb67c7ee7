"""Charts of strangers: data, which needs no trust, held to its own form where it is read."""

import io

import numpy as np
import pytest
from aiida.orm import QueryBuilder, load_node

from aiida_nanoclusters.data.chart import ChartData
from aiida_nanoclusters.science.charts.chart import ARRAYS_FILE
from tests.cli.published import run_import
from tests.small_charts import rattled, trained


@pytest.fixture(scope="module")
def chart(tmp_path_factory):
    return trained(rattled(), tmp_path_factory.mktemp("chart"))


def test_a_chart_comes_over_as_it_was(aiida_profile_clean, chart, archive_of) -> None:
    node = ChartData(chart).store()
    archive, uuid, content = archive_of(node), node.uuid, chart.content()
    aiida_profile_clean.reset_storage()
    code, text = run_import(archive)
    assert code == 0 and "trust" not in text
    taken = load_node(uuid)
    assert taken.chart.content() == content
    rows = np.random.default_rng(1).random((4, chart.head.distribution.bins))
    assert (taken.chart.coordinates(rows) == chart.coordinates(rows)).all()


class Payload:
    """Leaves a file where it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def test_arrays_that_would_run_code_are_never_unpickled(
    aiida_profile_clean, chart, archive_of, tmp_path
) -> None:
    """The node can be looked for and told about, and says what is wrong where it is used."""
    marker = tmp_path / "ran"
    node = ChartData(chart)
    packed = io.BytesIO()
    np.savez(packed, bad=np.array([Payload(marker)], dtype=object))
    node.base.repository.put_object_from_bytes(packed.getvalue(), ARRAYS_FILE)
    marker.unlink(missing_ok=True)
    archive, uuid = archive_of(node.store()), node.uuid
    aiida_profile_clean.reset_storage()
    code, text = run_import(archive)
    assert code == 0 or uuid in text
    if QueryBuilder().append(ChartData).count():
        with pytest.raises(ValueError, match="chart"):
            _ = load_node(uuid).chart
    assert not marker.exists()
