import csv

import pytest
from aiida.engine import run_get_node
from aiida.orm import Dict, Int, List

from aiida_nanoclusters.data.potential import PotentialData
from aiida_nanoclusters.science.sampling.settings import AnnealSettings
from aiida_nanoclusters.workflows.parts.protocol import load_protocol, protocol_names
from aiida_nanoclusters.workflows.parts.validators import settings_validator
from aiida_nanoclusters.workflows.sampling.anneal import AnnealWorkChain

validate_settings = settings_validator(AnnealSettings)
#: Argon: Lennard-Jones with epsilon in eV and sigma in Å; energies are compared in epsilon.
EPSILON, SIGMA = 0.0103, 3.4
STAGES = [
    {"kind": "heat", "temperature": [20, 45], "duration": 10, "timestep": 0.01},
    # Clusters of 55 atoms freeze between 36 and 30 K: cooled slowly there.
    {"kind": "anneal", "temperature": [38, 26], "duration": 1500, "timestep": 0.01},
    {"kind": "quench", "force_tolerance": 1e-3},
    {"kind": "relax", "force_tolerance": 1e-5},
]


@pytest.fixture
def lennard_jones(aiida_profile) -> PotentialData:
    return PotentialData.lennard_jones("Ar", epsilon=EPSILON, sigma=SIGMA, cutoff=60.0).store()


def lj_minima(shared_data) -> dict[int, float]:
    with (shared_data / "global_minima" / "lj.csv").open() as handle:
        return {
            int(row["N"]): float(row["E_recomputed_from_CCD_coordinates"])
            for row in csv.DictReader(handle)
        }


def test_finds_the_known_minima(lmp_code, lennard_jones, shared_data) -> None:
    sizes = [7, 13, 55]
    settings = {
        "starts": 4,
        "keep": 2,
        "atom_steps_per_job": 1e9,
        "stages": STAGES,
        "relax_stages": STAGES[-1:],
    }
    builder = AnnealWorkChain.get_builder_from_protocol(
        lmp_code, lennard_jones, "Ar", sizes, overrides={"settings": settings}
    )
    _, node = run_get_node(builder)
    assert node.is_finished_ok, node.exit_message
    known = lj_minima(shared_data)
    best = {row["size"]: row for row in node.outputs.table["rows"] if row["rank"] == 0}
    for size in sizes:
        assert best[size]["energy"] / EPSILON == pytest.approx(known[size], abs=1e-4)
        assert best[size]["hits"] >= 1, "annealing itself must find it, not the starts alone"
        assert best[size]["runs"] == 4
    assert best[13]["point_group"] == best[55]["point_group"] == "Ih"
    assert best[55]["motif"] == "icosahedral" and best[55]["n_12_coordinated"] == 13

    frames = node.outputs.structures.frames
    energies = [row["energy"] for row in node.outputs.table["rows"]]
    assert list(frames.energies) == pytest.approx(energies, abs=1e-12)
    assert list(frames.sizes) == [row["size"] for row in node.outputs.table["rows"]]


def test_sizes_that_no_run_annealed_are_named(lmp_code, lennard_jones) -> None:
    """The relaxed starts are there, and are not what was asked for."""
    hot = {"kind": "hold", "temperature": 300, "duration": 50, "timestep": 0.02}
    settings = {"starts": 2, "keep": 1, "atom_steps_per_job": 1e9, "stages": [hot, STAGES[-1]]}
    builder = AnnealWorkChain.get_builder_from_protocol(
        lmp_code, lennard_jones, "Ar", [7], overrides={"settings": settings}
    )
    builder.max_halvings, builder.lammps.timestep_factors = Int(0), List([50.0, 50.0])
    _, node = run_get_node(builder)
    assert node.exit_status == 403 and "No annealing of 7 atoms" in node.exit_message
    assert [row["size"] for row in node.outputs.table["rows"]] == [7]


def test_reference_ranks_again(lmp_code, lennard_jones) -> None:
    """With a reference of twice the depth, energies are the reference's."""
    deeper = PotentialData.lennard_jones(
        "Ar", epsilon=2 * EPSILON, sigma=SIGMA, cutoff=60.0
    ).store()
    settings = {
        "starts": 2,
        "keep": 1,
        "atom_steps_per_job": 1,
        "stages": STAGES[2:],
        "relax_stages": STAGES[-1:],
    }
    builder = AnnealWorkChain.get_builder_from_protocol(
        lmp_code, lennard_jones, "Ar", [13], overrides={"settings": settings}
    )
    builder.reference.lammps = {
        "code": lmp_code,
        "potential": deeper,
        "metadata": {"options": builder.lammps.metadata.options},
    }
    _, node = run_get_node(builder)
    assert node.is_finished_ok, node.exit_message
    assert node.outputs.structures.frames.energies[0] / EPSILON == pytest.approx(
        2 * -44.326801, abs=1e-4
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"starts": 0}, "`starts` is 0"),
        ({"keep": 1.5}, "`keep` is 1.5: input should be a valid integer"),
        ({"atom_steps_per_job": 0}, "`atom_steps_per_job` is 0"),
        ({"stages": []}, "`stages`: no stages: give at least one, for example `{kind: relax}`"),
        ({"relax_stages": [{"kind": "melt"}]}, "`relax_stages`: stage 0: stage of unknown kind"),
        ({"relax_stages": ["relax"]}, "`relax_stages.0` is 'relax'"),
        ({"colour": 1}, "unknown setting `colour`: choose among starts, keep"),
        ({"start": 1}, "did you mean `starts`?"),
    ],
)
def test_settings_are_checked(aiida_profile, change, message) -> None:
    settings = load_protocol("anneal", None, {"settings": change}, element="Cu")["settings"]
    assert message in validate_settings(Dict(settings), None)


@pytest.mark.parametrize("protocol", protocol_names("anneal"))
def test_every_protocol_is_valid(aiida_profile, protocol) -> None:
    settings = load_protocol("anneal", protocol, element="Cu")["settings"]
    assert validate_settings(Dict(settings), None) is None
