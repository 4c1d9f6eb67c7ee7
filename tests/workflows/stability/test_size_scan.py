import numpy as np
import pytest
from aiida.engine import run_get_node
from aiida.manage.caching import enable_caching
from aiida.orm import CalcJobNode, Dict, List, Str

from aiida_nanoclusters.calculations.stability.size_scan import compare_sizes, join_scans
from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.data.potential import PotentialData
from aiida_nanoclusters.science import keys
from aiida_nanoclusters.science.frames import Frames
from aiida_nanoclusters.science.structures.motifs import incomplete_icosahedron
from aiida_nanoclusters.workflows.parts.protocol import load_protocol
from aiida_nanoclusters.workflows.parts.resources import JobOptions
from aiida_nanoclusters.workflows.reproduction.rebuild import rebuild
from aiida_nanoclusters.workflows.stability.size_scan import (
    SizeScanWorkChain,
    validate_options_by_size,
)

ANNEALING_ALONE = {"lowest_structures": None}
STAGES = [
    {"kind": "anneal", "temperature": [35, 5], "duration": 100, "timestep": 0.01},
    {"kind": "quench", "force_tolerance": 1e-3},
    {"kind": "relax", "force_tolerance": 1e-5},
]


def test_lennard_jones_13_is_magic(lmp_code) -> None:
    """Global minima of the Cambridge Cluster Database for 11 to 15 atoms, in epsilon."""
    known = {
        11: -32.765970, 12: -37.967600, 13: -44.326801, 14: -47.845157, 15: -52.322627,
    }  # fmt: skip
    epsilon = 0.0103
    members = {
        name: PotentialData.lennard_jones("Ar", epsilon=depth, sigma=3.4, cutoff=60.0).store()
        for name, depth in (("a", epsilon), ("b", 1.02 * epsilon))
    }
    builder = SizeScanWorkChain.get_builder_from_protocol(
        lmp_code, members, "Ar", overrides=ANNEALING_ALONE
    )
    builder.sizes = List(sorted(known))
    builder.settings = {
        "starts": 4, "keep": 1, "atom_steps_per_job": 1e8, "stages": STAGES,
        "relax_stages": STAGES[-1:],
    }  # fmt: skip
    _, node = run_get_node(builder)
    assert node.is_finished_ok, node.exit_message
    arrays = node.outputs.energies
    assert list(arrays.get_array(keys.SIZES)) == sorted(known)
    assert np.allclose(
        arrays.get_array(keys.ENERGIES) / epsilon, [known[n] for n in sorted(known)], atol=1e-3
    )
    assert np.allclose(
        arrays.get_array(keys.BINDING_ENERGIES) / epsilon,
        [-known[n] / n for n in sorted(known)],
        atol=1e-3,
    )
    at = arrays.get_array(keys.SECOND_DIFFERENCE_SIZES)
    assert list(at) == [12, 13, 14]
    exact = [known[n + 1] + known[n - 1] - 2 * known[n] for n in at]
    assert np.allclose(arrays.get_array(keys.SECOND_DIFFERENCES) / epsilon, exact, atol=1e-2)
    # The members differ by 2 %, so their spread is 2 % / sqrt(2) of the second difference.
    spreads = arrays.get_array(keys.SECOND_DIFFERENCE_SPREADS) / epsilon
    assert np.allclose(spreads, 0.02 / np.sqrt(2) * np.abs(exact), atol=1e-2)
    magic = node.outputs.magic
    assert [m["size"] for m in magic["magic"]] == [13]
    assert magic["magic"][0]["probability"] == 1.0
    assert magic["geometric"] == [13]


def test_tables_of_earlier_versions_are_joined_under_the_present_names(aiida_profile) -> None:
    """A child that the cache provides may have been run by an earlier version."""
    images = [incomplete_icosahedron("Cu", n) for n in (12, 13)]
    rows = [
        {"size": 12, "rank": 0, "n_12_coordinated": 0},
        {"size": 13, "rank": 0, "n_twelvefold": 1},
    ]
    parts = {}
    for k, (atoms, row) in enumerate(zip(images, rows, strict=True)):
        parts[f"structures_{k}"] = FramesData([atoms])
        parts[f"table_{k}"] = Dict({"columns": {name: "" for name in row}, "rows": [row]})
    table = join_scans(**parts)["table"]
    assert [row["n_12_coordinated"] for row in table["rows"]] == [0, 1]
    assert set(table["columns"]) == {"size", "rank", "n_12_coordinated"}


def test_a_size_is_done_once_and_alike_whatever_goes_with_it(lmp_code, code_on) -> None:
    """Jobs of about 45 atoms: 12 and 13 share one wherever both are asked for, 14 is not theirs.

    From 14 atoms on jobs ask for more time, whatever the largest cluster of the scan; on another
    machine for what they get there.
    """
    argon = PotentialData.lennard_jones("Ar", epsilon=0.0103, sigma=3.4, cutoff=60.0).store()
    stages = [{"kind": "heat", "temperature": [20, 40], "duration": 1, "timestep": 0.01}, STAGES[2]]

    def scan(*sizes: int):
        options = JobOptions(
            {"max_wallclock_seconds": 600}, {"anneal": [(14, {"max_wallclock_seconds": 900})]}
        )
        builder = SizeScanWorkChain.get_builder_from_protocol(
            lmp_code, {"a": argon}, "Ar", overrides=ANNEALING_ALONE, options=options
        )
        builder.sizes = List(list(sizes))
        builder.settings = {
            "starts": 2, "keep": 1, "atom_steps_per_job": 45 * 2 * 300, "stages": stages,
            "relax_stages": STAGES[-1:],
        }  # fmt: skip
        _, node = run_get_node(builder)
        assert node.is_finished_ok, node.exit_message
        jobs = [job for job in node.called_descendants if isinstance(job, CalcJobNode)]
        for job in jobs:
            walltime = 900 if max(job.inputs.frames.sizes) >= 14 else 600
            assert job.get_option("max_wallclock_seconds") == walltime
        taken = [job for job in jobs if job.base.caching.is_created_from_cache]
        taken = [sorted(set(job.inputs.frames.sizes)) for job in taken]
        energies = node.outputs.energies
        found = energies.get_array(keys.SIZES), energies.get_array(keys.ENERGIES)
        return node, taken, dict(zip(*found, strict=True))

    with enable_caching():
        _, _, few = scan(13, 14)
        node, taken, many = scan(12, 13, 14)
    assert taken == [[14], [14]]
    assert {n: many[n] for n in few} == few

    there = JobOptions({"queue_name": "long"}, {"anneal": [(14, {"max_wallclock_seconds": 1800})]})
    other = code_on("elsewhere", str(lmp_code.filepath_executable))
    _, inputs = rebuild(node, {lmp_code.uuid: other}, {lmp_code.uuid: there})
    [[atoms, asked]] = inputs["options_by_size"]
    assert (atoms, asked["queue_name"], asked["max_wallclock_seconds"]) == (14, "long", 1800)


def test_only_the_lowest_of_each_size_counts(aiida_profile) -> None:
    images, energies = [], []
    for size, values in ((7, [-20.0, -19.0]), (8, [-24.0]), (9, [-27.0, -26.5, -26.0])):
        images += [incomplete_icosahedron("Cu", size, 2.5)] * len(values)
        energies += values
    frames = Frames.from_atoms(images)
    frames = frames.with_labels(
        energies,
        np.zeros((len(frames.numbers), 3)),
        level_of_theory="x",
        atom_energies={"Cu": 0.0},
    )

    found = compare_sizes(Str("Cu"), FramesData(frames))
    assert list(found["energies"].get_array(keys.ENERGIES)) == [-20.0, -24.0, -27.0]
    assert found["energies"].get_array(keys.SECOND_DIFFERENCES) == pytest.approx([1.0])


@pytest.mark.parametrize("wrong", [[[500]], [[500, 3]], [[500, {}], [100, {}]], [[0, {}]], [None]])
def test_options_by_size_are_checked(wrong) -> None:
    assert validate_options_by_size([[100, {"withmpi": True}], [500, {}]], None) is None
    assert "give [[atoms, options], ...]" in validate_options_by_size(wrong, None)


@pytest.mark.parametrize(
    ("protocol", "count"),
    [("trial", 3), ("tutorial", 10), ("moderate", 74), ("liu2025", 74 + 18 + 13)],
)
def test_protocols_name_the_sizes(lmp_code, protocol, count) -> None:
    builder = SizeScanWorkChain.get_builder_from_protocol(lmp_code, {}, "Cu", protocol)
    assert len(builder.sizes.get_list()) == count
    assert load_protocol("size_scan", protocol)["anneal"] in (
        "trial",
        "tutorial",
        "moderate",
        "liu2025",
    )
