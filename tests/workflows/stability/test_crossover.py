"""The crossover of a potential whose answer is known from the full grid of closed shells."""

import numpy as np
import pytest
from aiida.engine import run_get_node
from aiida.orm import Dict, Float, List, Str
from ase.units import GPa

from aiida_nanoclusters.calculations.reproduction.reproduce import compare_output
from aiida_nanoclusters.calculations.stability import crossover as steps
from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.science import keys
from aiida_nanoclusters.science.stability.search import CrossoverSearch
from aiida_nanoclusters.science.stability.settings import CrossoverSettings
from aiida_nanoclusters.science.structures.motifs import mackay_sizes, motif_family
from aiida_nanoclusters.workflows.parts.protocol import load_protocol
from aiida_nanoclusters.workflows.parts.validators import settings_validator
from aiida_nanoclusters.workflows.stability.crossover import (
    CrossoverWorkChain,
    validate_potentials,
)

validate_settings = settings_validator(CrossoverSettings)
#: All Mackay icosahedra and regular truncated octahedra up to 17885 atoms, four-term fits.
FULL_GRID_CROSSING = 1003
#: Atoms in those of them that have more than 100.
ICOSAHEDRA = mackay_sizes(17885)[2:]
OCTAHEDRA = [m.size for m in motif_family("truncated octahedron", 100, 17885, shape="regular")]
FULL_GRID_ATOMS = sum(ICOSAHEDRA) + sum(OCTAHEDRA)


def builder(code, potential, **settings):
    return CrossoverWorkChain.get_builder_from_protocol(
        code,
        {"eam": potential},
        "Cu",
        "moderate",
        overrides={
            "settings": {
                "families": ["icosahedron", "truncated octahedron"],
                "mode_sizes": [],
                **settings,
            }
        },
    )


def test_mishin_copper_crosses_at_1003(lmp_code, eam_potential) -> None:
    _, node = run_get_node(builder(lmp_code, eam_potential))
    assert node.is_finished_ok, node.exit_message
    answer = node.outputs.answer.get_dict()
    assert answer["verdict"] == "crossing"
    assert answer["size"] == pytest.approx(FULL_GRID_CROSSING, rel=0.03)
    assert answer["low"] <= FULL_GRID_CROSSING <= answer["high"]
    assert answer["atoms_relaxed"] <= FULL_GRID_ATOMS / 3
    # Mishin et al., Phys. Rev. B 63, 224106 (2001): lattice constant, cohesive energy and
    # unreconstructed surfaces (1239, 1345, 1475 mJ/m^2; meV/Å^2 by 1/16.0218).
    bulk = node.outputs.bulk.get_dict()
    assert bulk["lattice_constant"] == pytest.approx(3.615, abs=1e-3)
    assert bulk["cohesive_energy"] == pytest.approx(3.54, abs=1e-3)
    surfaces = {k: 16021.8 * v for k, v in bulk["surface_energies"].items()}
    assert surfaces == pytest.approx({"111": 1239, "100": 1345, "110": 1475}, rel=0.01)

    # C11 = 169.9, C12 = 122.6, C44 = 76.2 GPa (ibid.) make up both moduli.
    crystal = node.outputs.crystal.get_dict()
    assert np.array(crystal["bulk_modulus"]) / GPa == pytest.approx([138.4], rel=0.02)
    assert np.array(crystal["shear_modulus"]) / GPa == pytest.approx([55.2], rel=0.02)
    assert crystal["energy"] == pytest.approx([bulk["energy"]], abs=1e-5)
    strain = answer["strain_energies"]["icosahedron"]
    assert strain["fitted"] == pytest.approx(9.2, abs=0.3)
    assert strain["expected"] == pytest.approx(9.0, abs=0.2)

    energies = node.outputs.energies
    assert len(energies.get_array(keys.SIZES)) == answer["clusters_relaxed"]
    assert energies.get_array(keys.MEMBER_ENERGIES).shape == (1, answer["clusters_relaxed"])
    grid = node.outputs.curves.get_array(keys.GRID)
    difference = node.outputs.curves.get_array(keys.DIFFERENCE)
    assert (difference[grid < 900] < 0).all() and (difference[grid > 1100] > 0).all()


def test_modes_at_equal_size(lmp_code, eam_potential) -> None:
    inputs = builder(lmp_code, eam_potential, n_max=2500, width=0.5, mode_sizes=[140, 201])
    _, node = run_get_node(inputs)
    assert node.is_finished_ok, node.exit_message
    modes = node.outputs.modes
    assert len(modes.get_array(keys.MODE_SIZES)) == 2
    assert np.abs(modes.get_array(keys.MODE_SIZES) - [140, 201]).max() < 20
    # Icosahedra are the more compact.
    assert (modes.get_array(keys.DELTA_Z) < 0).all()
    # 140 atoms are seven short of a closed icosahedron, 201 a closed truncated octahedron.
    near_icosahedron, near_octahedron = modes.get_array(keys.DELTA_E)
    assert -0.015 < near_icosahedron < -0.003
    assert 0.002 < near_octahedron < 0.012


def test_no_crossing_is_said_and_not_invented(lmp_code, eam_potential) -> None:
    inputs = builder(lmp_code, eam_potential, n_max=600, shape="best", confidence=0.7)
    _, node = run_get_node(inputs)
    assert node.is_finished_ok, node.exit_message
    answer = node.outputs.answer
    assert answer["verdict"] == "no crossing below n_max"
    assert answer["probability_beyond"] >= 0.7
    assert answer["size"] is None
    assert "600" in answer["sentence"]
    assert answer["high"] is None


def test_a_member_that_is_lost_in_a_round(aiida_profile) -> None:
    """Without an energy of every member a cluster has failed; the search asks for others."""
    families = {"families": ["icosahedron", "truncated octahedron"]}
    settings = Dict(
        load_protocol("crossover", "moderate", {"settings": families}, element="Cu")["settings"]
    )
    bulk = Dict({"atomic_volume": 11.8, "lattice_constant": 3.615})
    committee = List(["a", "b"])

    def relaxed(state: Dict) -> FramesData:
        frames = steps.build_clusters(Str("Cu"), settings, bulk, state).frames
        labels = {"level_of_theory": "made up", "atom_energies": {"Cu": 0.0}}
        return FramesData(frames.with_labels(-3.5 * frames.sizes, 0 * frames.positions, **labels))

    state = steps.start_search(settings, bulk, Float(0.0))
    asked = CrossoverSearch.from_state(state.get_dict()).next()
    for found in ({"a": relaxed(state)}, {}):
        lost = steps.update_search(state, committee, **found)
        search = CrossoverSearch.from_state(lost.get_dict())
        assert search.failed == sorted(asked) and search.relaxed == []
        assert search.next() and not set(search.next()) & set(asked)
    both = steps.update_search(lost, committee, a=relaxed(lost), b=relaxed(lost))
    assert {len(values) for _, _, values in both["results"] if values is not None} == {2}


def test_what_is_known_of_the_crystal_reaches_the_search(aiida_profile) -> None:
    relaxed = steps.build_bulk(Str("Cu"))
    cells = steps.build_strained_cells(Str("Cu"), relaxed).frames
    lattice = float(relaxed.frames[0].cell.lengths()[0])
    volumes = np.array([a.get_volume() / len(a) for a in cells])

    def labelled(shift: float) -> FramesData:
        # Stiff against volume and shear: the shears of the last eight cells change no volume.
        shear = np.array([0.0] * 9 + [0.02, 0.01, 0.01, 0.02] * 2)
        energy = shift + 5 * np.log(volumes / lattice**3 * 4) ** 2 + 4 * shear**2
        labels = {"level_of_theory": "made up", "atom_energies": {"Cu": 0.0}}
        return FramesData(cells.with_labels(energy * cells.sizes, 0 * cells.positions, **labels))

    committee = List(["a", "b"])
    both = {"a": labelled(-3.5), "b": labelled(-3.4)}
    crystal = steps.crystal_properties(relaxed, committee, **both)
    assert crystal["energy"] == pytest.approx([-3.5, -3.4], abs=1e-6)
    settings = Dict(load_protocol("crossover", "trial", element="Cu")["settings"])
    bulk = Dict({"atomic_volume": 11.8, "lattice_constant": 3.615})
    state = steps.start_search(settings, bulk, Float(0.0), crystal)
    assert state["settings"]["crystal_properties"] == crystal.get_dict()
    # Where a member lacks them, or has no stable crystal, the volume terms are fitted freely.
    lost = steps.crystal_properties(relaxed, committee, a=both["a"])
    assert lost["unknown"] == "no energies of strained cells by b"
    upside_down = cells.with_labels(
        -both["a"].frames.energies,
        0 * cells.positions,
        level_of_theory="made up",
        atom_energies={"Cu": 0.0},
    )
    odd = steps.crystal_properties(relaxed, List(["a"]), a=FramesData(upside_down))
    assert "no lowest energy" in odd["unknown"]
    for unknown in (lost, odd, None):
        given = {} if unknown is None else {"crystal": unknown}
        state = steps.start_search(settings, bulk, Float(0.0), **given)
        assert state["settings"]["crystal_properties"] is None and state["settings"]["bounded"]


def test_a_state_of_an_earlier_version_agrees_with_one_that_has_a_plan(aiida_profile) -> None:
    settings = Dict(load_protocol("crossover", "trial", element="Cu")["settings"])
    bulk = Dict({"atomic_volume": 11.8, "lattice_constant": 3.615})
    new = steps.start_search(settings, bulk, Float(0.0))
    recorded = {name: value for name, value in new.get_dict().items() if name != "plan"}
    rules, run = load_protocol("reproduce"), {"dynamics": False}

    def verdict(node: Dict) -> str:
        return compare_output("start_search.result", node, new, rules, run)["verdict"]

    assert new["plan"]["clusters"] and "plan" not in recorded
    assert verdict(Dict(recorded)) == "agrees"
    assert verdict(Dict({**recorded, "plan": {"clusters": [], "reason": ""}})) == "differs"
    assert verdict(Dict({**recorded, "other": 1})) == "differs"


def test_a_potential_that_ends_too_early_is_refused(eam_potential, tmp_path) -> None:
    from aiida_nanoclusters.data.potential import PotentialData

    broken = tmp_path / "broken.eam.alloy"
    text = eam_potential.base.repository.get_object_content("potential.eam.alloy")
    broken.write_text(text[: len(text) // 3])
    with pytest.raises(ValueError, match="a table ends after"):
        PotentialData.from_file(broken, "eam/alloy", level_of_theory="broken")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"families": ["icosahedron", "dodecahedron"]}, "unknown motif 'dodecahedron'"),
        ({"n_min": 20000}, "n_min < n_max must hold"),
        ({"relax_stages": [{"kind": "boil"}]}, "boil"),
        ({"colour": "red"}, "unknown setting `colour`"),
    ],
)
def test_settings_are_checked(aiida_profile, change, message) -> None:
    settings = load_protocol("crossover", "moderate", {"settings": change}, element="Cu")[
        "settings"
    ]
    assert message in validate_settings(Dict(settings), None)
    assert (
        validate_settings(Dict(load_protocol("crossover", element="Cu")["settings"]), None) is None
    )


def test_packages_must_be_compiled(aiida_profile, eam_potential) -> None:
    assert validate_potentials({"a": eam_potential}, None) is None
    assert "at least one" in validate_potentials({}, None)


@pytest.mark.parametrize("protocol", ["trial", "tutorial", "moderate", "liu2025"])
def test_every_protocol_is_valid(aiida_profile, protocol) -> None:
    settings = load_protocol("crossover", protocol, element="Cu")["settings"]
    assert validate_settings(Dict(settings), None) is None
