"""A chart from frames to families, and frames placed in it, through AiiDA."""

import sys

import numpy as np
import pytest
from aiida.common.links import LinkType
from aiida.engine import run_get_node
from aiida.orm import ArrayData, Dict, List

from aiida_nanoclusters.data.chart import ChartData
from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.data.model_files import chart_problem
from aiida_nanoclusters.data.schemas import attributes_problem
from aiida_nanoclusters.science import keys
from aiida_nanoclusters.science.charts.chart import ARRAYS_FILE, CHART_FILE
from aiida_nanoclusters.workflows.charts.chart import ChartWorkChain
from aiida_nanoclusters.workflows.charts.classify import ClassifyWorkChain
from tests.small_charts import SMALL, rattled

OPTIONS = {"max_wallclock_seconds": 600}


@pytest.fixture
def torch_python(code_on):
    """The Python of the tests as a code: it has torch."""
    return code_on("torch", sys.executable, "export OMP_NUM_THREADS=1")


def builder_of(code, frames, **changes):
    return ChartWorkChain.get_builder_from_protocol(
        code, frames, "trial", {"settings": SMALL}, OPTIONS, **changes
    )


def test_chart_families_and_places(torch_python):
    """Three motifs are three families with their names, in the charts of both seeds."""
    frames = FramesData(rattled()).store()
    outputs, node = run_get_node(builder_of(torch_python, frames, seeds=[1, 2]))
    assert node.is_finished_ok, node.exit_message
    assert sorted(outputs["committee"]) == ["seed_1", "seed_2"]
    chart, report = outputs["chart"], outputs["report"].get_dict()
    assert chart.base.attributes.get("seed") == int(report["chosen"].removeprefix("seed_"))
    losses = report["validation_losses"]
    assert chart.base.attributes.get("validation_loss") == min(losses.values())
    assert chart.elements == ["Au"]
    families = outputs["families"].get_dict()
    assert [row["name"] for row in families["families"]] == _names(outputs["coordinates"])
    assert sorted(row["name"] for row in families["families"]) == [
        "decahedral",
        "fcc",
        "icosahedral",
    ]
    assert families["agreement"]["packing"] == 1.0
    assert [row["agreement"] for row in families["agreement"]["seeds"]] == [1.0]
    assert len(outputs["representatives"]) == 3
    where = outputs["coordinates"].get_array(keys.CHART_COORDINATES)
    assert where.shape == (60, 3)
    _check_node(chart)
    _check_places(chart, outputs["families"])


def _names(coordinates):
    """The motif of each family, from the order in which the frames were made."""
    made = np.repeat(["icosahedral", "fcc", "decahedral"], 20)
    family = coordinates.get_array(keys.FAMILY)
    return [str(made[np.flatnonzero(family == k)[0]]) for k in range(3)]


def _check_node(chart):
    """The node fits its schema; one whose attributes or files were changed does not."""
    attributes = chart.base.attributes.all
    assert attributes_problem(chart.node_type, attributes) is None
    assert attributes_problem(chart.node_type, {**attributes, "dimensions": 7})
    text = chart.base.repository.get_object_content(CHART_FILE, mode="rb")
    arrays = chart.base.repository.get_object_content(ARRAYS_FILE, mode="rb")
    assert chart_problem(attributes, text, arrays) is None
    assert "`bins` does not follow" in chart_problem({**attributes, "bins": 3}, text, arrays)
    assert "holds no chart" in chart_problem(attributes, text, arrays[:-100])
    assert ChartData(chart.chart).base.repository.hash() == chart.base.repository.hash()


def _check_places(chart, families):
    """The same motifs of copper land in the families of gold; a larger cluster lies outside."""
    copper = FramesData(rattled("Cu", copies=2, seed=5)).store()
    inputs = {"chart": chart, "families": families}
    outputs, node = run_get_node(ClassifyWorkChain, frames=copper, **inputs)
    assert node.is_finished_ok, node.exit_message
    rows = families["families"]
    family = outputs["placements"].get_array(keys.FAMILY)
    assert [rows[k]["name"] for k in family] == [
        *["icosahedral"] * 2,
        *["fcc"] * 2,
        *["decahedral"] * 2,
    ]
    assert "relaxed" not in outputs
    larger = FramesData(rattled(copies=1, motifs=(("icosahedron", 309),))).store()
    outputs, node = run_get_node(ClassifyWorkChain, frames=larger, **inputs)
    assert outputs["table"]["n_outside"] == 1
    with pytest.raises(ValueError, match="of another chart"):
        other = Dict({"families": [{"centre": [0.0, 0.0]}]})
        run_get_node(ClassifyWorkChain, chart=chart, families=other, frames=larger)


@pytest.mark.faults
def test_lost_member_is_left_out(code_on, tmp_path):
    """A training that fails costs only its member, and the exit code names it."""
    script = tmp_path / "python"
    script.write_text(
        "#!/bin/sh\n"
        """if grep -q '"seed": 2' job.json; then echo 'no seed two' >&2; exit 1; fi\n"""
        f'exec {sys.executable} "$@"\n'
    )
    script.chmod(0o755)
    frames = FramesData(rattled(copies=6)).store()
    builder = builder_of(code_on("torch", str(script)), frames, seeds=[1, 2])
    outputs, node = run_get_node(builder)
    assert node.exit_status == ChartWorkChain.exit_codes.ERROR_MEMBERS_MISSING.status
    assert sorted(outputs["committee"]) == ["seed_1"]
    child = node.base.links.get_outgoing(link_type=LinkType.CALL_WORK, link_label_filter="seed_2")
    assert "no seed two" in child.one().node.exit_message


@pytest.mark.faults
def test_killed_training_goes_on(code_on, tmp_path):
    """The job is killed after some epochs, and the next one goes on from its checkpoint."""
    marker = tmp_path / "killed"
    script = tmp_path / "python"
    script.write_text(
        "#!/bin/sh\n"
        f'if [ -e {marker} ]; then exec {sys.executable} "$@"; fi\n'
        f"touch {marker}\n"
        'sed -i \'s/"epochs": 20/"epochs": 9/\' job.json\n'  # ends early ...
        f'{sys.executable} "$@" && rm report.json && kill -9 $$\n'  # ... and says nothing
    )
    script.chmod(0o755)
    frames = FramesData(rattled(copies=6)).store()
    builder = builder_of(code_on("torch", str(script)), frames, seeds=[1])
    outputs, node = run_get_node(builder)
    assert node.is_finished_ok, node.exit_message
    report = outputs["report"]["members"]["seed_1"]
    assert (report["first_epoch"], report["epochs_done"]) == (9, 20)
    assert len(outputs["learning_curves"]["seed_1"].get_array("val_loss")) == 20


def test_inputs_that_have_no_chart_are_refused(torch_python):
    few = FramesData(rattled(copies=2)).store()
    builder = builder_of(torch_python, few)
    with pytest.raises(ValueError, match="too few for a chart"):
        run_get_node(builder)
    frames = FramesData(rattled(copies=6)).store()
    thermal = {"settings": {**SMALL, "training": {"reproduces": "thermal"}}}
    builder = ChartWorkChain.get_builder_from_protocol(torch_python, frames, "trial", thermal)
    with pytest.raises(ValueError, match="needs `thermal` frames"):
        run_get_node(builder)
    builder.thermal, builder.minimum_of = frames, ArrayData(np.arange(18))
    with pytest.raises(ValueError, match="no array `minimum_of`"):
        run_get_node(builder)
    builder = builder_of(torch_python, frames)
    with pytest.raises(ValueError, match="give it in Å"):
        builder.bond_lengths = Dict({"Au": -1})
    with pytest.raises(ValueError, match="not distinct"):
        builder.seeds = List([1, 1])


def test_protocols_are_valid(torch_python):
    """Each protocol has settings; the range is that of the frames."""
    frames = FramesData(rattled(copies=1)).store()
    for protocol in ("trial", "moderate", "biased", "telari2023"):
        builder = ChartWorkChain.get_builder_from_protocol(torch_python, frames, protocol)
        assert 4.4 < builder.settings["distribution"]["longest"] < 6
