"""A run of parallel tempering and a trajectory in a chart, through AiiDA, with known answers."""

import json
from dataclasses import replace

import numpy as np
import pytest
from aiida.engine import run_get_node
from aiida.orm import Dict, Str
from ase.cluster import Icosahedron
from ase.units import kB

from aiida_nanoclusters.calculations.arrays import arrays_node
from aiida_nanoclusters.calculations.charts.families import divide_chart
from aiida_nanoclusters.calculations.charts.tempering import chart_free_energy, chart_populations
from aiida_nanoclusters.calculations.charts.transitions import is_trajectory, times_of
from aiida_nanoclusters.calculations.sampling.tempering_results import swaps_node
from aiida_nanoclusters.cli.report.collect import collect
from aiida_nanoclusters.cli.report.command import render
from aiida_nanoclusters.data.chart import ChartData
from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.science import keys
from aiida_nanoclusters.science.frames import Frames
from aiida_nanoclusters.science.recognition.packing_family import FAMILIES
from aiida_nanoclusters.science.sampling.parallel_tempering import SwapTable
from aiida_nanoclusters.science.sampling.tempered_frames import tempered_frames
from aiida_nanoclusters.workflows.charts.analysis import (
    select_sizes,
    tempering_inputs,
    tempering_problem,
)
from aiida_nanoclusters.workflows.charts.classify import ClassifyWorkChain
from tests.small_charts import SMALL, rattled, trained

LADDER = np.array([300.0, 380.0, 480.0])
PLACES = np.linspace(-1.6, 1.6, 33)
#: Energies of the minima, eV: a double well whose right side is 20 meV higher.
VALLEY = 0.12 * (PLACES**2 - 1) ** 2 + 0.02 * (PLACES > 0)


def exact_share(temperature):
    weights = np.exp(-VALLEY / (kB * temperature))
    return float(weights[PLACES > 0].sum() / weights.sum())


def exact_barrier(temperature, smoothing):
    """From the left valley to the highest point, of the exact density smoothed by Gaussians."""
    x = np.linspace(-1.5, 1.5, 601)
    kernels = np.exp(-((x[:, None] - PLACES) ** 2) / (2 * smoothing**2))
    values = -kB * temperature * np.log(kernels @ np.exp(-VALLEY / (kB * temperature)))
    return values[np.abs(x) < 1].max() - values[x < 0].min()


def made_run(times=400, seed=2, size=4):
    """A run whose frames lie in minima along a line, drawn exactly; walls add 5 meV to some."""
    rng = np.random.default_rng(seed)
    minima = np.empty((times, 3), dtype=np.int64)
    for column, t in enumerate(LADDER):
        shares = np.exp(-VALLEY / (kB * t))
        minima[:, column] = rng.choice(len(PLACES), times, p=shares / shares.sum())
    energies = VALLEY[minima] + rng.gamma(4, kB * LADDER, size=minima.shape)
    steps = 100 * np.arange(1, times + 1)
    walls = np.zeros_like(energies)
    table = SwapTable(LADDER, steps, np.tile(np.arange(3), (times, 1)), energies, walls)
    atoms = Icosahedron("Au", 4)[:size]
    index = np.tile(np.arange(3), times)
    frames = tempered_frames(
        atoms.numbers.astype(np.int64), np.tile(atoms.positions, (3 * times, 1, 1)),
        energies.ravel(), LADDER[index], index, np.repeat(steps, 3), 0.004, 1,
    )  # fmt: skip
    # the frames were sorted by temperature and step
    minimum_of = minima.T.ravel()
    distinct = Frames.from_atoms([atoms] * len(PLACES))
    report = {f"Au{size}": {"equilibration": 10}}
    return {
        "trajectory": FramesData(frames).store(),
        "minimum_of": arrays_node({keys.MINIMUM_OF: minimum_of}).store(),
        "report": Dict(report).store(),
        "minima": FramesData(replace(distinct, energies=VALLEY)).store(),
        "swaps": swaps_node(table).store(),
    }


def made_chart():
    places = np.stack([PLACES, 0 * PLACES, 0 * PLACES], axis=1)
    family = (PLACES > 0).astype(np.int64)
    packing = np.where(family, FAMILIES.index("fcc"), FAMILIES.index("icosahedral"))
    coordinates = {keys.CHART_COORDINATES: places, keys.FAMILY: family, keys.PACKING: packing}
    rows = [
        {"name": name, "subfamily": "", "count": 16, "centre": [x, 0.0, 0.0], "representative": k}
        for name, x, k in (("icosahedral", -1.0, 6), ("fcc", 1.0, 26))
    ]
    return arrays_node(coordinates).store(), Dict({"families": rows}).store()


@pytest.fixture
def populations():
    run, (coordinates, families) = made_run(), made_chart()
    (shares,) = chart_populations(
        run["trajectory"], run["minima"], run["minimum_of"], run["report"], coordinates, families,
        swaps_Au4=run["swaps"],
    ).values()  # fmt: skip
    return run, coordinates, families, shares


def test_populations_and_lowest_path_of_a_run(populations):
    run, coordinates, families, shares = populations
    grid, found = shares.get_array(keys.TEMPERATURES), shares.get_array(keys.POPULATIONS)
    errors = shares.get_array(keys.POPULATION_ERRORS)
    exact = np.array([exact_share(t) for t in grid])
    assert np.all(np.abs(found[1] - exact) < 4 * errors[1])
    # here common neighbours divide the frames as the families do
    packing = shares.get_array(keys.PACKING_POPULATIONS)
    assert np.allclose(packing[FAMILIES.index("fcc")], found[1])
    assert shares.get_array(keys.FAMILY_FRAMES).sum(axis=0).tolist() == [390] * 3
    assert shares.base.attributes.get("families") == ["icosahedral", "fcc"]

    settings = Dict({"temperature": 480.0, "smoothing": 0.12, "cell": 0.1})
    made = chart_free_energy(
        run["trajectory"], run["minimum_of"], run["swaps"], run["report"], coordinates, families,
        shares, settings, Str("Au4"),
    )  # fmt: skip
    answer = made["path"].get_dict()
    assert answer["connected"]
    assert sorted(answer["names"]) == ["fcc", "icosahedral"]
    assert answer["families_on_path"] in ([0, 1], [1, 0])
    assert abs(answer["barrier"] - exact_barrier(480.0, 0.12)) < 3 * answer["barrier_error"] + 0.005
    assert answer["barrier_error"] < 0.02
    assert set(made["free_energy"].get_arraynames()) <= set(keys.UNITS)


def test_one_size_of_a_run():
    """It is as if it had been run by itself."""
    runs = [made_run(30), made_run(20, seed=3, size=5)]
    own = runs[1]["minimum_of"].get_array(keys.MINIMUM_OF).copy()
    own[7] = -1  # no minimum was found
    offset = np.where(own < 0, -1, own + len(PLACES))
    indices = np.concatenate([runs[0]["minimum_of"].get_array(keys.MINIMUM_OF), offset])
    joined = {
        name: FramesData(Frames.concatenate([run[name].frames for run in runs])).store()
        for name in ("trajectory", "minima")
    }
    joined["minimum_of"] = arrays_node({keys.MINIMUM_OF: indices}).store()
    joined["report"] = Dict({}).store()
    joined["swaps"] = {"Au4": runs[0]["swaps"], "Au5": runs[1]["swaps"]}
    found = select_sizes(joined, [5])
    for name in ("trajectory", "minima"):
        wanted = runs[1][name].frames.content_hashes()
        assert found[name].frames.content_hashes() == wanted
    assert found["minimum_of"].get_array(keys.MINIMUM_OF).tolist() == own.tolist()
    assert found["swaps"] == {"Au5": runs[1]["swaps"]}
    assert (
        tempering_problem({"tempering": tempering_inputs(found), "frames": found["minima"]}) is None
    )
    with pytest.raises(ValueError, match="no minima of 6 atoms: it has 4, 5"):
        select_sizes(joined, [5, 6])


@pytest.fixture
def classified(tmp_path):
    """A chart of three motifs, and a trajectory that goes through them twice."""
    frames = rattled(copies=12)
    chart = ChartData(trained(frames, tmp_path / "job")).store()
    learnt = FramesData(frames).store()
    made = divide_chart(learnt, Dict(SMALL).store(), chart)
    again = rattled(copies=8, seed=9)
    order = [*range(8), *range(8, 16), *range(16, 24), *range(3)]
    info = [json.dumps({"time": 5.0 * k}) for k in range(len(order))]
    path = again.select(order)
    path = replace(path.with_origin(parents=["run"] * len(order)), info=np.array(info))
    return chart, made, FramesData(path).store()


def test_transitions_of_a_trajectory_and_its_report(classified):
    chart, made, frames = classified
    assert is_trajectory(frames.frames)
    outputs, node = run_get_node(
        ClassifyWorkChain, chart=chart, families=made["families"], frames=frames,
        coordinates=made["coordinates"], transition_settings=Dict({"core": 1.0}),
    )  # fmt: skip
    assert node.is_finished_ok, node.exit_message
    found = outputs["transitions"].get_dict()
    names = [found["names"][e["target"]].split(",")[0] for e in found["events"]]
    assert names == ["fcc", "decahedral", "icosahedral"]
    assert [e["entered"] for e in found["events"]] == pytest.approx([8, 16, 24], abs=2)
    times = outputs["trajectory"].get_array(keys.TIMES)
    assert times.tolist() == [5.0 * k for k in range(27)]
    dwelt = {found["names"][d["family"]].split(",")[0]: d for d in found["dwells"]}
    assert dwelt["fcc"]["mean"] == pytest.approx(40, abs=10)

    report = collect(node)
    assert report.chart.placed
    assert len(report.chart.transitions.events) == 3
    page = render(report)
    assert "Frames in the chart" in page and "Dwell times" in page
    assert str(outputs["transitions"].uuid) in page


def test_inputs_of_the_analysis_are_checked(classified):
    chart, made, frames = classified
    inputs = {"chart": chart, "families": made["families"]}
    run = made_run(4)
    parts = {name: run[name] for name in ("trajectory", "minimum_of", "report")}
    with pytest.raises(ValueError, match="lacks swaps"):
        run_get_node(ClassifyWorkChain, frames=run["minima"], tempering=parts, **inputs)
    parts["swaps"] = {"Au4": run["swaps"]}
    with pytest.raises(ValueError, match="are not the minima"):
        few = FramesData(run["minima"].frames.select([0, 1])).store()
        run_get_node(ClassifyWorkChain, frames=few, tempering=parts, **inputs)
    settings = {"transition_settings": Dict({"residence": 1})}
    with pytest.raises(ValueError, match="need `coordinates`"):
        run_get_node(ClassifyWorkChain, frames=frames, **inputs, **settings)
    with pytest.raises(ValueError, match="tell no time"):
        run_get_node(
            ClassifyWorkChain, frames=run["minima"], coordinates=made["coordinates"], **inputs,
            **settings,
        )  # fmt: skip


def test_trajectories_end_where_time_or_parent_changes():
    frames = rattled(copies=2)
    info = [json.dumps({"time": t}) for t in (0.0, 1.0, 0.0, 1.0, 2.0, 3.0)]
    frames = replace(frames, info=np.array(info))
    named = frames.with_origin(parents=["a"] * 4 + ["b"] * 2)
    times, runs = times_of(named)
    assert times.tolist() == [0, 1, 0, 1, 2, 3]
    assert runs.tolist() == [0, 0, 1, 1, 2, 2]
    assert not is_trajectory(named)
    assert times_of(replace(frames, info=np.array([""] * 6))) is None
