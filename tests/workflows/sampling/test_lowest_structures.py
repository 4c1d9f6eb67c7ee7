"""The work chain finds published minima that annealing misses, and a failed round ends nothing."""

import json

import pytest
from aiida.engine import run_get_node
from aiida.orm import Dict, Int, List, Str

from aiida_nanoclusters.calculations.sampling import lowest_structures as steps
from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.data.potential import PotentialData
from aiida_nanoclusters.science.sampling.lowest_settings import LowestStructuresSettings
from aiida_nanoclusters.science.structures.motifs import incomplete_icosahedron
from aiida_nanoclusters.workflows.parts.protocol import load_protocol, protocol_names
from aiida_nanoclusters.workflows.sampling.lowest_structures import LowestStructuresWorkChain
from aiida_nanoclusters.workflows.stability.size_scan import SizeScanWorkChain
from tests.cluster_potentials import EPSILON, LJ_MINIMA, SIGMA

RELAX = [{"kind": "relax", "force_tolerance": 1e-5}]
#: The truncated octahedron of 38 atoms: The Cambridge Cluster Database.
LJ38 = -173.928427


@pytest.fixture
def lennard_jones(aiida_profile) -> PotentialData:
    return PotentialData.lennard_jones("Ar", epsilon=EPSILON, sigma=SIGMA, cutoff=60.0).store()


def build(code, potential, sizes, **settings):
    own = {"relax_stages": RELAX, "fillings": 1, "batch": 2, **settings}
    return LowestStructuresWorkChain.get_builder_from_protocol(
        code, potential, "Ar", sizes, "trial", {"settings": own}
    )


def test_finds_published_minima(lmp_code, lennard_jones) -> None:
    _, node = run_get_node(build(lmp_code, lennard_jones, [13, 38], rounds=2))
    assert node.is_finished_ok, node.exit_message
    rows = node.outputs.table["rows"]
    assert [row["size"] for row in rows] == [13, 38]
    found = [row["energy"] / EPSILON for row in rows]
    assert found == pytest.approx([LJ_MINIMA[13], LJ38], abs=1e-3)
    assert [row["point_group"] for row in rows] == ["Ih", "Oh"]
    for row, energy in zip(rows, node.outputs.structures.frames.energies, strict=True):
        assert row["energy"] == energy == min(row["lowest_by_source"].values())
        assert row["runs"] is None and row["relaxations"] > row["hits"]
        assert row["hits"] == sum(row["hits_by_source"].values())
        assert row["chance_of_lower"] == pytest.approx(1 / (row["hits"] + 1))
    assert node.outputs.structures.level_of_theory == lennard_jones.level_of_theory


def test_scan_of_sizes_says_what_annealing_alone_had_found(lmp_code, lennard_jones) -> None:
    short = {"kind": "anneal", "temperature": [20, 5], "duration": 1, "timestep": 0.01}
    builder = SizeScanWorkChain.get_builder_from_protocol(
        lmp_code, {"a": lennard_jones}, "Ar", "trial"
    )
    builder.sizes = List([37, 38])
    builder.settings = {
        **builder.settings.get_dict(), "stages": [short, *RELAX], "relax_stages": RELAX,
    }  # fmt: skip
    own = {"relax_stages": RELAX, "fillings": 1, "batch": 2, "rounds": 1}
    builder.lowest_structures.settings = Dict(
        {**builder.lowest_structures.settings.get_dict(), **own}
    )
    _, node = run_get_node(builder)
    assert node.is_finished_ok, node.exit_message
    (alone,) = (r for r in node.outputs.annealed["rows"] if r["size"] == 38 and not r["rank"])
    (row,) = (r for r in node.outputs.table["rows"] if r["size"] == 38)
    assert row["energy"] / EPSILON == pytest.approx(LJ38, abs=1e-3)
    assert row["lowest_by_source"]["annealing"] == pytest.approx(alone["energy"], abs=1e-6)
    assert alone["energy"] > row["energy"] + 0.1 * EPSILON
    energies = node.outputs.energies
    assert energies.get_array("energies")[1] == row["energy"]


def test_a_failed_round_is_a_tried_one(aiida_profile) -> None:
    values = load_protocol("lowest_structures", "trial", element="Ar")["settings"]
    state = steps.start_lowest_search(Str("Ar"), List([5]), Dict(values), Int(0))
    after = steps.update_lowest_search(state, steps.propose_lowest(state))
    assert after["round"] == 1 and after["n_found"] == 0
    assert not after["is_finished"]
    assert set(after["pools"][0]["refused"]) == {"failed"}
    assert json.dumps(after.get_dict())


def test_structures_of_another_element_are_refused(lmp_code, lennard_jones) -> None:
    builder = build(lmp_code, lennard_jones, [13])
    builder.known.annealing = FramesData([incomplete_icosahedron("Cu", 13)])
    with pytest.raises(ValueError, match=r"known\.annealing` has other elements"):
        run_get_node(builder)
    builder.known = {"motif": FramesData([incomplete_icosahedron("Ar", 13)])}
    with pytest.raises(ValueError, match="name what found the structures otherwise"):
        run_get_node(builder)


@pytest.mark.parametrize("name", protocol_names("lowest_structures"))
def test_protocols_are_settings(name) -> None:
    values = load_protocol("lowest_structures", name, element="Cu")["settings"]
    assert LowestStructuresSettings.problem(values) is None
