"""The work chain finds published minima, and one failed round does not end it."""

from inspect import signature

import numpy as np
import pytest
from aiida.engine import run_get_node
from aiida.orm import Dict, Int, WorkChainNode
from ase.units import kB

from aiida_nanoclusters.calculations.sampling.basin_hopping import update_basin_hopping
from aiida_nanoclusters.data.potential import PotentialData
from aiida_nanoclusters.science.sampling.basin_hopping import BasinHopping
from aiida_nanoclusters.science.sampling.settings import BasinHoppingSettings
from aiida_nanoclusters.workflows.labels.label import LabelWorkChain
from aiida_nanoclusters.workflows.parts.protocol import load_protocol, protocol_names
from aiida_nanoclusters.workflows.parts.validators import settings_validator
from aiida_nanoclusters.workflows.sampling.basin_hopping import (
    BasinHoppingWorkChain,
)
from aiida_nanoclusters.workflows.sampling.stages import ENGINES
from tests.cluster_potentials import EPSILON, LJ_MINIMA, SC_MINIMA, SIGMA, write_sutton_chen

validate_settings = settings_validator(BasinHoppingSettings)
RELAX = [{"kind": "relax", "force_tolerance": 1e-5}]


@pytest.fixture
def lennard_jones(aiida_profile) -> PotentialData:
    return PotentialData.lennard_jones("Ar", epsilon=EPSILON, sigma=SIGMA, cutoff=60.0).store()


def build(code, potential, sizes, **settings):
    own = {"temperature": 0.8 * EPSILON / kB, "relax_stages": RELAX, **settings}
    return BasinHoppingWorkChain.get_builder_from_protocol(
        code, potential, "Ar", sizes, "trial", {"settings": own}
    )


def test_finds_published_minima(lmp_code, lennard_jones) -> None:
    builder = build(lmp_code, lennard_jones, [14, 13], steps=3)
    _, node = run_get_node(builder)
    assert node.is_finished_ok, node.exit_message
    frames, rows = node.outputs.minima.frames, node.outputs.table["rows"]
    assert [row["size"] for row in rows] == [13, 14]
    for row in rows:
        assert row["relaxations"] == 6
        assert row["lowest"] / EPSILON == pytest.approx(LJ_MINIMA[row["size"]], abs=1e-4)
        assert row["lowest"] == frames.energies[frames.sizes == row["size"]].min()
    assert rows[0]["point_group"] == "Ih" and rows[0]["n_12_coordinated"] == 1
    assert frames.labelled.all() and np.abs(frames.forces).max() < 1e-4
    assert frames.level_of_theory == lennard_jones.level_of_theory
    assert set(frames.config_types) == {"minimum"}
    assert all(parent.startswith("Ar1") for parent in frames.parents)
    # each round is one batch of all walkers of all sizes
    rounds = [n for n in node.called if isinstance(n, WorkChainNode)]
    assert [len(n.inputs.frames) for n in rounds] == [4, 4, 4]


def test_compositions_and_their_excess_energies(lmp_code, aiida_profile, eam_file) -> None:
    """Copper and nickel; pure clusters are the zero of the excess energy."""
    potential = PotentialData.from_file(
        eam_file.with_name("CuNi.eam.alloy"), "eam/alloy", level_of_theory="EAM/CuNi"
    )
    builder = BasinHoppingWorkChain.get_builder_from_protocol(
        lmp_code,
        potential,
        protocol="alloy",
        overrides={"settings": {"walkers": 1, "steps": 2, "relax_stages": RELAX}},
        compositions=["Cu4", "Cu2Ni2", "Ni4"],
    )
    assert builder.settings["temperature"] == round(0.4 * (1357.77 + 1728) / 2)
    _, node = run_get_node(builder)
    assert node.is_finished_ok, node.exit_message
    table = node.outputs.table
    energies = {row["formula"]: row["lowest"] for row in table["rows"]}
    excess = {row["formula"]: row["excess"] for row in table["excess"]}
    assert set(energies) == set(excess) == {"Cu4", "Cu2Ni2", "Ni4"}
    assert excess["Cu4"] == excess["Ni4"] == 0.0
    ideal = (energies["Cu4"] + energies["Ni4"]) / 2
    assert excess["Cu2Ni2"] == pytest.approx(energies["Cu2Ni2"] - ideal, abs=1e-6)
    assert "element" not in node.inputs and node.outputs.minima.frames.labelled.all()


def test_a_longer_search_begins_with_the_same_minima(lmp_code, lennard_jones) -> None:
    def found(steps):
        builder = build(lmp_code, lennard_jones, [9], walkers=1, steps=steps)
        builder.seed = Int(3)
        return run_get_node(builder)[1].outputs.minima.frames

    first, longer = found(1), found(2)
    place = list(longer.seeds).index(first.seeds[0])
    assert longer.positions[longer.atoms_of(place)] == pytest.approx(first.positions, abs=1e-12)


def test_sutton_chen_as_a_table_of_lammps(lmp_code, tmp_path) -> None:
    write_sutton_chen(tmp_path / "Cu_sc.eam.alloy")
    potential = PotentialData.from_file(
        tmp_path / "Cu_sc.eam.alloy", "eam/alloy", level_of_theory="EAM/Sutton-Chen 9-6"
    )
    builder = BasinHoppingWorkChain.get_builder_from_protocol(
        lmp_code, potential, "Cu", [8, 13], "trial", {"settings": {"walkers": 3}}
    )
    _, node = run_get_node(builder)
    assert node.is_finished_ok, node.exit_message
    lowest = {row["size"]: row["lowest"] for row in node.outputs.table["rows"]}
    assert lowest == pytest.approx({n: SC_MINIMA[n] for n in (8, 13)}, abs=1e-3)


def test_relaxations_are_a_first_training_set(lmp_code, eam_potential) -> None:
    """Every so many steps of all relaxations, labelled; forces fall on the way."""
    settings = {"steps": 2, "walkers": 2, "relax_stages": [{"kind": "relax", "sample_steps": 5}]}
    builder = BasinHoppingWorkChain.get_builder_from_protocol(
        lmp_code, eam_potential, "Cu", [8, 13], "trial", {"settings": settings}
    )
    _, node = run_get_node(builder)
    assert node.is_finished_ok, node.exit_message
    frames = node.outputs.trajectory.frames
    assert frames.labelled.all() and set(frames.sizes) == {8, 13}
    assert frames.level_of_theory == node.outputs.minima.frames.level_of_theory
    runs: list[list] = []
    for atoms in frames:
        if atoms.info["step"] == 5:
            runs.append([])
        runs[-1].append(atoms)
    assert len(runs) == 2 * 2 * 2  # rounds, sizes, walkers
    for images in runs:
        assert len({(atoms.info["parent"], atoms.info["structure"]) for atoms in images}) == 1
        steps = [atoms.info["step"] for atoms in images]
        assert steps == list(range(5, 5 * len(steps) + 1, 5))
    longer = [images for images in runs if len(images) > 2]
    assert longer
    for images in longer:
        largest = [np.linalg.norm(atoms.get_forces(), axis=1).max() for atoms in images]
        assert largest[-1] < 0.5 * largest[0]
        assert images[-1].get_potential_energy() < images[0].get_potential_energy()


@pytest.mark.skipif("cp2k" not in ENGINES, reason="pip install aiida-nanoclusters[cp2k]")
def test_by_cp2k(cp2k_code) -> None:
    inputs = LabelWorkChain.engine_inputs("cp2k", cp2k_code, "gfn1-xtb")
    settings = {"walkers": 1, "relax_stages": [{"kind": "relax", "force_tolerance": 0.05}]}
    builder = BasinHoppingWorkChain.get_builder_for_engine(
        inputs, "Cu", [3], "trial", {"settings": settings}
    )
    _, node = run_get_node(builder)
    assert node.is_finished_ok, node.exit_message
    frames = node.outputs.minima.frames
    assert frames.labelled.all() and not frames.pbc.any()
    assert np.abs(frames.forces).max() < 0.06
    assert "xTB" in frames.level_of_theory and "Cu" in frames.atom_energies


def test_rounds_that_relax_no_structure_end_the_search(lmp_code, lennard_jones) -> None:
    stages = [{"kind": "relax", "force_tolerance": 1e-9, "max_steps": 1}]
    builder = build(lmp_code, lennard_jones, [9], relax_stages=stages, walkers=1)
    _, node = run_get_node(builder)
    assert node.exit_status == 400, node.exit_message
    assert "minima" not in node.outputs


def test_a_failed_batch_counts_as_one_step(aiida_profile) -> None:
    search = BasinHopping("Cu", [5, 6], 2, 3)
    after = update_basin_hopping(Dict(search.state)).get_dict()
    assert [walker["done"] for walker in after["walkers"]] == [1] * 4
    assert all(walker["refused"] == {"failed": 1} for walker in after["walkers"])
    assert not after["is_finished"]


@pytest.mark.parametrize(
    ("settings", "sizes", "message"),
    [
        ({"walkers": 0}, [13], "`walkers` is 0: input should be greater than or equal to 1"),
        ({"step": "far"}, [13], "`step` is 'far': input should be a valid number"),
        ({"moves": {"swap": 1}}, [13], "`moves`: unknown move 'swap': choose from shake"),
        (
            {"relax_stages": [{"kind": "hold", "temperature": 9, "duration": 1}]},
            [13],
            "`relax_stages`: the last stage must be a minimisation",
        ),
        ({"colour": 1}, [13], "unknown setting `colour`: choose among walkers"),
        ({}, [1], r"`sizes`: \[1\]: give numbers of atoms from 2 up"),
        ({}, [0], "whole numbers"),
    ],
)
def test_settings_out_of_their_limits_are_not_submitted(
    lmp_code, lennard_jones, settings, sizes, message
) -> None:
    with pytest.raises(ValueError, match=message):
        run_get_node(build(lmp_code, lennard_jones, sizes, **settings))


def test_a_potential_of_another_element_is_refused(lmp_code, lennard_jones) -> None:
    builder = BasinHoppingWorkChain.get_builder_from_protocol(
        lmp_code, lennard_jones, "Cu", [5], "trial"
    )
    with pytest.raises(ValueError, match="Cu"):
        run_get_node(builder)


@pytest.mark.parametrize("protocol", sorted(protocol_names("basin_hopping")))
def test_every_protocol_is_valid(aiida_profile, protocol) -> None:
    settings = load_protocol("basin_hopping", protocol, element="Cu")["settings"]
    assert validate_settings(Dict(settings), None) is None
    numbers = {key: value for key, value in settings.items() if key != "relax_stages"}
    if "exchange" in settings.get("moves", {}):
        assert BasinHopping(compositions=["Cu12Ni"], **numbers).next()
    else:
        assert BasinHopping("Cu", [13], **numbers).next()


def test_defaults_are_those_of_the_search() -> None:
    parameters = signature(BasinHopping).parameters
    for row in BasinHoppingSettings.table():
        if row.name != "relax_stages":
            assert row.default == parameters[row.name].default, row.name
