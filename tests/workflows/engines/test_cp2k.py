"""Labels by CP2K and failures of its jobs, with GFN1-xTB: seconds instead of minutes."""

import numpy as np
import pytest
from aiida.engine import run_get_node
from aiida.orm import Dict, Int
from ase import Atoms
from ase.build import bulk, molecule
from ase.cluster import Icosahedron
from ase.units import kB

from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.science.labels.acceptance import isolated_atom
from aiida_nanoclusters.workflows.parts.protocol import load_protocol

pytest.importorskip("aiida_cp2k", reason="pip install aiida-nanoclusters[cp2k]")

from aiida_nanoclusters.calculations.labels.cp2k import Cp2kCalculation
from aiida_nanoclusters.parsers.cp2k import _take_charges
from aiida_nanoclusters.workflows.engines.cp2k import Cp2kEngineWorkChain


def dimer(length: float) -> Atoms:
    return Atoms("Cu2", positions=[[0, 0, 0], [length, 0, 0]])


def disturbed(seed: int) -> Atoms:
    atoms = Icosahedron("Cu", 2)
    atoms.set_tags(0)
    atoms.rattle(0.05, seed=seed)
    return atoms


def run_engine(code, images, overrides=None, **options):
    inputs = Cp2kEngineWorkChain.builder_inputs(
        code, "gfn1-xtb", overrides, {"max_wallclock_seconds": 600, **options}
    )
    return run_get_node(Cp2kEngineWorkChain, frames=FramesData(images), **inputs)


def jobs_of(node):
    return [child for child in node.called if child.process_label == "Cp2kCalculation"]


def test_any_mix_of_frames_in_one_job(cp2k_code):
    """Clusters, a dimer, a crystal and a slab: labels in input order, forces are the gradient."""
    crystal = bulk("Cu", "fcc", a=3.6)
    slab = bulk("Cu", "fcc", a=3.6, cubic=True).repeat((2, 2, 1))
    slab.pbc = (True, True, False)
    slab.rattle(0.02, seed=3)
    images = [disturbed(1), dimer(2.2), crystal, disturbed(2), slab, dimer(2.2001), dimer(2.1999)]
    outputs, node = run_engine(cp2k_code, images)
    assert node.is_finished_ok, node.exit_message
    assert len(jobs_of(node)) == 1
    frames = outputs["frames"].frames
    assert [str(a.symbols) for a in frames] == [str(a.symbols) for a in images]
    assert frames.level_of_theory == "CP2K/GFN1-xTB" and frames.labelled.all()
    for i in range(len(images)):
        assert np.abs(frames.forces[frames.atoms_of(i)].sum(axis=0)).max() < 1e-4
    # -dE/dr of the dimer, by differences
    slope = (frames.energies[5] - frames.energies[6]) / 2e-4
    assert frames.forces[frames.atoms_of(1)][1, 0] == pytest.approx(-slope, abs=2e-4)
    # a crystal binds more than a cluster of 13, and this more than a dimer
    per_atom = frames.energies / frames.sizes
    assert per_atom[2] < per_atom[0] < per_atom[1]
    assert [row["state"] for row in outputs["report"]["frames"]] == ["labelled"] * 7
    (job,) = jobs_of(node)
    assert job.outputs.report["versions"]["cp2k"].startswith("20")  # as the study's report reads it


def test_a_repeated_crystal_gives_the_same_label(cp2k_code):
    """One cell repeated by the engine, and the same crystal given as a large cell."""
    small = bulk("Cu", "fcc", a=3.6, cubic=True)
    small.positions[0] += 0.05
    large = small.repeat((2, 2, 2))
    outputs, _ = run_engine(cp2k_code, [small, large])
    frames = outputs["frames"].frames
    assert frames.energies[1] / 8 == pytest.approx(frames.energies[0], abs=1e-6)
    ours = [frames.forces[frames.atoms_of(i)][: len(small)] for i in range(2)]
    assert np.allclose(*ours, atol=1e-5)


def test_spin_and_charge_are_each_frames_own(cp2k_code):
    atom = Atoms("Cu", info={"multiplicity": 2})
    ion = dimer(2.3)
    ion.info["charge"] = 1
    ion.info["multiplicity"] = 2
    outputs, node = run_engine(cp2k_code, [dimer(2.3), ion, atom])
    assert node.is_finished_ok, node.exit_message
    neutral, charged, lone = outputs["frames"].frames.energies
    assert charged - neutral > 5  # an ionisation energy
    assert neutral < 2 * lone  # it is bound


def test_a_frame_that_cannot_converge_costs_only_itself(cp2k_code):
    """A stretched chain, its levels close together; its batch mates keep their labels."""
    chain = Atoms("Cu13", positions=[[0, 0, 3.2 * i] for i in range(13)])
    slow = {"EPS_SCF": 1e-7, "EPS_DIIS": 0.1, "MAX_DIIS": 4, "MIXING": {"ALPHA": 0.2}}
    levels = [{"DFT": {"SCF": {**slow, "MAX_SCF": n}}} for n in (60, 50)]
    outputs, node = run_engine(cp2k_code, [disturbed(2), chain, dimer(2.2)], {"fallbacks": levels})
    assert node.is_finished_ok, node.exit_message
    assert len(jobs_of(node)) == 2
    rows = outputs["report"]["frames"]
    assert [row["state"] for row in rows] == ["labelled", "failed", "labelled"]
    assert "did not converge" in rows[1]["reason"]
    assert [attempt["settings_level"] for attempt in rows[1]["attempts"]] == [0, 1]
    assert list(outputs["frames"].sizes) == [2, 13]


def test_the_next_settings_level_succeeds(cp2k_code):
    outputs, _ = run_engine(
        cp2k_code, [disturbed(1)], {"fallbacks": [{"DFT": {"SCF": {"MAX_SCF": 3}}}, {}]}
    )
    (row,) = outputs["report"]["frames"]
    assert row["state"] == "labelled" and row["settings_level"] == 1 and len(row["attempts"]) == 1


def test_killed_in_the_middle_of_a_batch(cp2k_code, killed_once):
    """What was done before the kill keeps its label; the next job does the rest."""
    images = [disturbed(seed) for seed in range(8)]
    # a block of 15 lines per frame, which is not the last file of a frame: the third is begun
    enough = "[ $(cat run0000-frc-1.xyz 2>/dev/null | wc -l) -gt 30 ]"
    outputs, node = run_engine(killed_once(cp2k_code, enough), images)
    assert node.is_finished_ok, node.exit_message
    first, second = jobs_of(node)
    assert first.exit_status == Cp2kCalculation.exit_codes.ERROR_DIED.status
    done = len(first.outputs.labelled)
    assert 2 <= done < 8
    assert len(second.inputs.frames) == 8 - done
    assert all(row["state"] == "labelled" for row in outputs["report"]["frames"])
    assert np.allclose(outputs["frames"].frames.positions, FramesData(images).frames.positions)


def test_killed_at_the_first_frame(cp2k_code, killed_once):
    """The suspect goes last in the next job, and each frame still gets its own label."""
    images = [dimer(2.1 + 0.1 * k) for k in range(3)]
    outputs, node = run_engine(killed_once(cp2k_code, "true"), images)
    assert node.is_finished_ok, node.exit_message
    _, second = jobs_of(node)
    assert np.allclose(second.inputs.frames.frames.positions[1::2, 0], [2.2, 2.3, 2.1])
    straight, _ = run_engine(cp2k_code, images)
    found, expected = (o["frames"].frames for o in (outputs, straight))
    assert found.content_hashes() == expected.content_hashes()
    assert np.allclose(found.energies, expected.energies, atol=1e-8)


@pytest.mark.slow
def test_walltime(cp2k_code):
    """CP2K ends by itself before the queue kills it; the next job takes what is left."""
    images = [disturbed(seed) for seed in range(40)]
    _, node = run_engine(cp2k_code, images, max_wallclock_seconds=5)
    assert node.is_finished_ok, node.exit_message
    jobs = jobs_of(node)
    assert len(jobs) > 1
    assert jobs[0].exit_status == Cp2kCalculation.exit_codes.ERROR_OUT_OF_WALLTIME.status
    assert sum(len(job.outputs.labelled) for job in jobs if "labelled" in job.outputs) == 40


def test_a_program_that_only_dies_is_given_up(code_on):
    outputs, node = run_engine(code_on("false", "/bin/false"), [dimer(2.2), dimer(2.3)])
    assert node.exit_status == Cp2kEngineWorkChain.exit_codes.ERROR_NOTHING_LABELLED.status
    assert all(row["state"] == "failed" for row in outputs["report"]["frames"])
    assert len(jobs_of(node)) == 3


def test_an_input_cp2k_does_not_know_is_not_repeated(cp2k_code):
    outputs, node = run_engine(cp2k_code, [dimer(2.2)], {"force_eval": {"DFT": {"NONSENSE": 1}}})
    assert node.exit_status == Cp2kEngineWorkChain.exit_codes.ERROR_NOTHING_LABELLED.status
    assert len(jobs_of(node)) == 1
    assert "NONSENSE" in outputs["report"]["frames"][0]["reason"]


def method(settings):
    return Cp2kEngineWorkChain.method({"job": {"settings": Dict(settings)}})


def test_method_is_what_a_label_depends_on(aiida_profile):
    def of(**overrides):
        return method(load_protocol("cp2k", "gfn1-xtb", overrides))

    assert of() == of(fallbacks=[{}]) != of(vacuum=11.0)


@pytest.mark.parametrize(
    ("protocol", "recorded"),
    [
        ("gfn1-xtb", "cp2k-c1a0c6b4924c47de1e75c0e8"),
        ("pbe", "cp2k-de40d56add2420c387e2ab22"),
        ("pbe-d3-tzv2p", "cp2k-07b976d3a08bf55e6eb4becf"),
    ],
)
def test_labels_of_earlier_versions_are_found(aiida_profile, protocol, recorded):
    """Keys that were recorded when `fallbacks` were called `ladder`."""
    present = load_protocol("cp2k", protocol)
    former = {**present, "ladder": present["fallbacks"]}
    del former["fallbacks"]
    assert method(present) == method(former) == recorded


def test_former_names_are_understood(cp2k_code):
    """Settings with `ladder` and a job with `rung`, as archives of earlier versions hold them."""
    levels = [{"DFT": {"SCF": {"MAX_SCF": 1}}}, {}]
    with pytest.warns(DeprecationWarning, match="`ladder` is called `fallbacks` now"):
        inputs = Cp2kEngineWorkChain.builder_inputs(cp2k_code, "gfn1-xtb", {"ladder": levels})
    settings = inputs["job"]["settings"].get_dict()
    assert settings["fallbacks"] == levels and "ladder" not in settings
    settings["ladder"] = settings.pop("fallbacks")
    job = {**inputs["job"], "settings": Dict(settings)}
    with pytest.warns(DeprecationWarning, match="`rung` of jobs of CP2K is called"):
        outputs = run_get_node(
            Cp2kCalculation, frames=FramesData([dimer(2.2)]), rung=Int(1), **job
        )[0]
    assert outputs["report"]["frames"][0]["state"] == "labelled"  # not with a single iteration


def test_wrong_settings_are_refused(cp2k_code):
    with pytest.raises(ValueError, match="unknown setting `vaccum`: did you mean `vacuum`"):
        run_engine(cp2k_code, [dimer(2.2)], {"vaccum": 1})
    with pytest.raises(ValueError, match="settings_level 7"):
        run_get_node(
            Cp2kCalculation,
            frames=FramesData([dimer(2.2)]),
            settings_level=Int(7),
            **Cp2kEngineWorkChain.builder_inputs(cp2k_code, "gfn1-xtb")["job"],
        )


@pytest.mark.parametrize("kinds", [[], ["mulliken"]])
def test_labels_of_earlier_versions_stay_known(kinds, aiida_profile):
    """The key under which labels are found again holds the partial charges where they are set."""
    settings = load_protocol("cp2k", "gfn1-xtb", {"partial_charges": kinds})
    before = {key: value for key, value in settings.items() if key != "partial_charges"}
    old, new = (
        Cp2kEngineWorkChain.method({"job": {"settings": Dict(values)}})
        for values in (before, settings)
    )
    assert (old == new) is (kinds == [])


def test_charges_of_copies_are_those_of_the_first():
    kept = {"mulliken": np.full(5, np.nan), "hirshfeld": np.full(5, np.nan)}
    _take_charges(kept, slice(1, 3), {"mulliken": np.arange(4.0)}, 4)
    assert kept["mulliken"][1:3].tolist() == [0.0, 1.0] and np.isnan(kept["mulliken"][[0, 3]]).all()
    assert np.isnan(kept["hirshfeld"]).all()


def silver_thiolate_in_methanol() -> Atoms:
    """AgS-CH=NH of usual bond lengths beside a methanol molecule in a periodic box."""
    ligand = Atoms(
        "AgSNCHH",
        positions=[
            *([2.17, 2.36, 0.0], [1.75, 0.0, 0.0], [-0.64, 1.11, 0.0]),
            *([0.0, 0.0, 0.0], [-1.65, 1.05, 0.0], [-0.55, -0.95, 0.0]),
        ],
    )
    solvent = molecule("CH3OH")
    solvent.positions += [1.0, 0.5, 3.8]
    atoms = ligand + solvent
    atoms.set_cell([12.0] * 3)
    atoms.center()
    atoms.pbc = True
    return atoms


def test_six_elements_in_a_periodic_box(cp2k_code):
    """Energies, forces and partial charges of GFN1-xTB are those of tblite."""
    tblite = pytest.importorskip("tblite.ase", reason="pip install aiida-nanoclusters[tblite]")
    atoms = silver_thiolate_in_methanol()
    cluster = atoms[:6]
    cluster.pbc = False
    moved = atoms.copy()
    moved.positions[0, 2] += 0.1
    outputs, node = run_engine(
        cp2k_code, [atoms, cluster, moved], {"partial_charges": ["mulliken"]}
    )
    assert node.is_finished_ok, node.exit_message
    found = list(outputs["frames"].frames)
    for label in found:
        reference = label.copy()
        reference.calc = tblite.TBLite(
            method="GFN1-xTB", electronic_temperature=1000.0, verbosity=0
        )
        assert label.get_potential_energy() == pytest.approx(
            reference.get_potential_energy(), abs=0.01
        )
        assert label.get_forces() == pytest.approx(reference.get_forces(), abs=0.01)
        assert label.arrays["charges_mulliken"] == pytest.approx(reference.get_charges(), abs=2e-3)
    assert found[0].arrays["charges_mulliken"].sum() == pytest.approx(0, abs=1e-5)


def test_isolated_atoms_of_a_solution(cp2k_code):
    """Each has a label in its ground state: the energy of tblite, without the smearing's entropy.

    The smearing fills the three p orbitals of one spin evenly: by thirds the electron of S and O,
    by two thirds the two of C.
    """
    tblite = pytest.importorskip("tblite.ase", reason="pip install aiida-nanoclusters[tblite]")
    thirds = -3 * (np.log(1 / 3) / 3 + 2 * np.log(2 / 3) / 3) * 1000.0 * kB
    entropy = {"Ag": 0.0, "S": thirds, "N": 0.0, "C": thirds, "H": 0.0, "O": thirds}
    atoms = [isolated_atom(symbol) for symbol in entropy]
    outputs, node = run_engine(cp2k_code, atoms)
    assert node.is_finished_ok, node.exit_message
    frames = outputs["frames"].frames
    for atom, energy in zip(atoms, frames.energies, strict=True):
        symbol, multiplicity = atom.symbols[0], atom.info["multiplicity"]
        atom.calc = tblite.TBLite(
            method="GFN1-xTB",
            electronic_temperature=1000.0,
            multiplicity=multiplicity,
            verbosity=0,
        )
        expected = atom.get_potential_energy() + entropy[symbol]
        assert energy == pytest.approx(expected, abs=2e-3), symbol


@pytest.mark.slow
def test_molecules_by_density_functional_theory(cp2k_code):
    """At a reduced cutoff: water in a box with partial charges of both kinds, and its atoms."""
    water = molecule("H2O", cell=[5.0] * 3, pbc=True)
    water.center()
    coarse = {"DFT": {"MGRID": {"CUTOFF": 160, "REL_CUTOFF": 40}}}
    changes = {
        "force_eval": coarse,
        "max_net_force": 1.0,  # such a grid is good for nothing else
        "vacuum": 5.0,
        "partial_charges": ["mulliken", "hirshfeld"],
    }
    inputs = Cp2kEngineWorkChain.builder_inputs(
        cp2k_code, "pbe-d3-dzvp", changes, {"max_wallclock_seconds": 1800}
    )
    images = [water, isolated_atom("O"), isolated_atom("H")]
    outputs, node = run_get_node(Cp2kEngineWorkChain, frames=FramesData(images), **inputs)
    assert node.is_finished_ok, node.exit_message
    label = outputs["frames"].frames[0]
    for kind, accuracy in (("mulliken", 1e-5), ("hirshfeld", 2e-3)):
        charges = label.arrays[f"charges_{kind}"]
        assert charges.sum() == pytest.approx(0, abs=accuracy)
        assert charges[0] < -0.2 and charges[1] == pytest.approx(charges[2], abs=0.02)
    # PBE binds water by 10.2 eV; the short-ranged basis has 0.9 eV too little for each free H
    molecule_, oxygen, hydrogen = outputs["frames"].frames.energies
    assert oxygen + 2 * hydrogen - molecule_ == pytest.approx(10.2 + 2 * 0.9, abs=1.0)
