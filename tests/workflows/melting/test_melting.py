"""Melting, end to end: LAMMPS runs all temperatures; the result agrees with known values."""

import numpy as np
import pytest
from aiida.engine import run_get_node
from aiida.orm import Dict
from ase import Atoms

from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.data.potential import PotentialData
from aiida_nanoclusters.science import keys
from aiida_nanoclusters.science.melting.settings import MeltingSettings
from aiida_nanoclusters.science.sampling.settings import AnnealSettings
from aiida_nanoclusters.science.structures.motifs import mackay_icosahedron
from aiida_nanoclusters.workflows.melting.melting import (
    MeltingWorkChain,
    validate_cluster,
    validate_frames,
)
from aiida_nanoclusters.workflows.parts.protocol import load_protocol, protocol_names
from aiida_nanoclusters.workflows.parts.validators import settings_validator

ICOSAHEDRON = {"element": "Cu", "motif": "icosahedron", "size": 55}


validate_settings = settings_validator(MeltingSettings)
#: Argon: Lennard-Jones with epsilon in eV and sigma in Å.
EPSILON, SIGMA = 0.0103, 3.4
KB = 8.617333e-5


@pytest.fixture(scope="module")
def short_settings():
    """Settings short enough for a test: eight temperatures, 36 ps each."""
    motion = {"timestep": 0.005, "damping": 0.5}
    return {
        "fractions": [0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 0.8, 0.9],
        "equilibration": {"duration": 6, **motion},
        "production": {"duration": 30, "sample_every": 0.2, **motion},
        "blocks": 4,
    }


def test_copper_of_55_atoms(lmp_code, eam_potential, short_settings) -> None:
    """Solid and harmonic when cold, liquid when hot, and in between it melts."""
    builder = MeltingWorkChain.get_builder_from_protocol(
        lmp_code, eam_potential, ICOSAHEDRON, overrides={"settings": short_settings}
    )
    _, node = run_get_node(builder)
    assert node.is_finished_ok, node.exit_message
    curve = {
        name: node.outputs.curve.get_array(name) for name in node.outputs.curve.get_arraynames()
    }
    temperatures = curve[keys.TEMPERATURES]
    assert temperatures == pytest.approx(1357.77 * np.array(short_settings["fractions"]), abs=0.01)
    measured = curve[keys.MEASURED_TEMPERATURES]
    assert measured[:4] == pytest.approx(temperatures[:4], rel=0.04)
    assert measured == pytest.approx(temperatures, rel=0.1)  # melting takes heat
    # Cold, it is harmonic: k/2 for each of 159 coordinates and as many momenta.
    assert curve[keys.HEAT_CAPACITIES][0] == pytest.approx(159 / 55, rel=0.25)
    slope = np.diff(curve[keys.TOTAL_ENERGIES])[0] / np.diff(temperatures)[0]
    assert slope / KB == pytest.approx(159 / 55, rel=0.05)
    # In a harmonic solid amplitudes grow as the root of the temperature.
    solid = curve[keys.LINDEMANN]
    assert solid[1] / solid[0] == pytest.approx(np.sqrt(2), rel=0.08)
    assert solid[3] < 0.06 and solid[-2] > 0.2
    assert curve[keys.SURFACE_ATOMS].sum() == 42
    assert curve[keys.LINDEMANN_BLOCKS].shape == (4, 8)
    assert curve[keys.LINDEMANN_ATOMS].mean(axis=1) == pytest.approx(solid)
    assert min(curve[keys.LINDEMANN_SURFACE][-1], curve[keys.LINDEMANN_CORE][-1]) > 0.15

    melting = node.outputs.melting.get_dict()
    assert 0.4 < melting["fraction"] < 0.8 and 10 < melting["error"] < 250
    assert melting["bulk_melting_point"] == 1357.77
    assert melting["lindemann"] is not None
    assert "bulk's melting point" in melting["sentence"]
    assert node.outputs.cluster.frames.sizes.tolist() == [55]


@pytest.mark.slow
def test_argon_of_55_atoms_melts_where_it_is_known_to(lmp_code, aiida_profile) -> None:
    """Lennard-Jones: the heat capacity of 55 atoms peaks near 0.30 epsilon / k.

    D. D. Frantz, J. Chem. Phys. 115, 6136 (2001).
    """
    potential = PotentialData.lennard_jones("Ar", epsilon=EPSILON, sigma=SIGMA, cutoff=60.0).store()
    reduced = np.array([0.20, 0.22, 0.24, 0.26, 0.28, 0.30, 0.32, 0.34, 0.36, 0.38, 0.40])
    motion = {"timestep": 0.01, "damping": 2.0}
    overrides = {
        "fractions": (reduced * EPSILON / KB / 83.8058).tolist(),
        "relax": {"kind": "relax", "force_tolerance": 1e-4},
        "equilibration": {"duration": 1000, **motion},
        "production": {"duration": 3000, "sample_every": 5.0, **motion},
        "blocks": 4,
    }
    builder = MeltingWorkChain.get_builder_from_protocol(
        lmp_code,
        potential,
        {"element": "Ar", "motif": "icosahedron", "size": 55},
        overrides={"settings": overrides},
    )
    _, node = run_get_node(builder)
    assert node.is_finished_ok, node.exit_message
    melting = node.outputs.melting.get_dict()
    in_reduced = KB / EPSILON
    assert melting["by"] == "caloric"
    assert melting["melting_point"] * in_reduced == pytest.approx(0.30, abs=0.015)
    assert melting["lindemann"]["temperature"] * in_reduced == pytest.approx(0.30, abs=0.03)


def test_runs_at_a_temperature_are_averaged(lmp_code, eam_potential, short_settings) -> None:
    """A given cluster, two runs of a picosecond: too few temperatures for a melting point."""
    short = {
        "fractions": [0.1, 0.2],
        "runs": 2,
        "equilibration": {"duration": 0.5, "timestep": 0.005},
        "production": {"duration": 1, "timestep": 0.005, "sample_every": 0.05},
        "blocks": 2,
    }
    cluster = FramesData([mackay_icosahedron("Cu", 1)])
    builder = MeltingWorkChain.get_builder_from_protocol(
        lmp_code, eam_potential, cluster, overrides={"settings": short}
    )
    _, node = run_get_node(builder)
    assert node.is_finished_ok, node.exit_message
    jobs = [c for c in node.called_descendants if c.process_label == "LammpsCalculation"]
    assert len(jobs) == 2  # one a temperature
    seeds = [tuple(j.inputs.seeds.get_list()) for j in jobs]
    assert len({seed for pair in seeds for seed in pair}) == 4
    melting = node.outputs.melting.get_dict()
    assert melting["melting_point"] is None and "still solid at the highest" in melting["sentence"]
    assert "cluster" not in node.outputs


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"fractions": [0.5, 0.4]}, "must ascend"),
        ({"fractions": []}, "must ascend"),
        ({"runs": 0}, "`runs` is 0"),
        ({"lindemann": [0.2, 0.1]}, "lower first"),
        ({"lindemann": [0.2]}, "`lindemann.1` is missing"),
        ({"colour": 1}, "unknown setting `colour`: choose among"),
        ({"blocks": 400}, "keeps 500 frames for 400 blocks"),
        ({"production": {"sample_every": 0}}, "keeps 0 frames"),
        ({"production": {"temperature": 3}}, "`production`: remove `temperature`"),
        ({"production": 3}, "`production` is 3: input should be a valid dictionary"),
        ({"equilibration": {"timestep": 3}}, "times are in ps"),
        ({"equilibration": {"colour": 3}}, "does not know colour"),
        ({"equilibration": {"sample_every": 1.0}}, "remove `equilibration.sample_every`"),
        ({"relax": {"sample_steps": 5}}, "`relax`: give a minimisation without `sample_steps`"),
        ({"relax": {"kind": "melt"}}, "`relax`: stage of unknown kind"),
    ],
)
def test_settings_are_checked(aiida_profile, change, message) -> None:
    settings = load_protocol("melting", None, {"settings": change})["settings"]
    assert message in validate_settings(Dict(settings), None)


@pytest.mark.parametrize("protocol", protocol_names("melting"))
def test_every_protocol_is_valid(aiida_profile, protocol) -> None:
    settings = load_protocol("melting", protocol)["settings"]
    assert validate_settings(Dict(settings), None) is None
    assert len(settings["fractions"]) >= 8
    stages = MeltingSettings(**settings).stages_at(300.0)
    assert [stage["kind"] for stage in stages] == ["relax", "hold", "hold"]
    assert stages[0] == settings["relax"]
    for stage, name in zip(stages[1:], ("equilibration", "production"), strict=True):
        assert stage == {"kind": "hold", "temperature": 300.0, **settings[name]}


def test_defaults_are_those_of_the_protocols() -> None:
    for model, name in ((AnnealSettings, "anneal"), (MeltingSettings, "melting")):
        settings = load_protocol(name, "moderate")["settings"]
        rows = [row for row in model.table() if not row.required]
        assert rows
        for row in rows:
            wanted = settings[row.name]
            assert row.default == (tuple(wanted) if isinstance(wanted, list) else wanted), row.name


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"size": 56}, "the nearest have 13, 55, 147"),
        ({"size": "55"}, "whole number from 4"),
        ({"motif": "cube"}, "unknown motif 'cube'"),
        ({"element": "Xx"}, "no data for element 'Xx'"),
        ({"seed": 1}, "exactly `element`"),
    ],
)
def test_clusters_to_build_are_checked(aiida_profile, change, message) -> None:
    assert validate_cluster(Dict(ICOSAHEDRON), None) is None
    assert message in validate_cluster(Dict(ICOSAHEDRON | change), None)


def test_clusters_that_are_given_are_checked(aiida_profile, eam_potential, lmp_code) -> None:
    ico = mackay_icosahedron("Cu", 1)
    boxed = Atoms(ico, cell=[20] * 3, pbc=True)
    for images, message in (
        ([ico, ico], "must hold one cluster"),
        ([boxed], "must hold one cluster"),
        ([ico[:3]], "cannot melt"),
        ([Atoms("Xe13", ico.positions)], "no data for element 'Xe'"),
    ):
        assert message in validate_frames(FramesData(images), None)
    builder = MeltingWorkChain.get_builder_from_protocol(
        lmp_code, eam_potential, FramesData([ico]), "trial"
    )
    builder.cluster = Dict(ICOSAHEDRON)
    with pytest.raises(ValueError, match="either `frames`"):
        run_get_node(builder)
    gold = MeltingWorkChain.get_builder_from_protocol(
        lmp_code, eam_potential, ICOSAHEDRON | {"element": "Au"}, "trial"
    )
    with pytest.raises(ValueError, match="does not know Au"):
        run_get_node(gold)
