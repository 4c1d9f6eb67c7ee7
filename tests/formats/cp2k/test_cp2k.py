"""Inputs and outputs of CP2K, without CP2K."""

import subprocess
from os import environ
from pathlib import Path
from shutil import which

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, fcc111
from ase.cluster import Icosahedron

from aiida_nanoclusters.formats.cp2k.input import (
    group_into_runs,
    prepare,
    run_files,
    run_input,
)
from aiida_nanoclusters.formats.cp2k.output import read_forces, read_output
from aiida_nanoclusters.formats.cp2k.run import read_run
from aiida_nanoclusters.science.elements import ELEMENTS
from aiida_nanoclusters.science.labels.settings import Cp2kSettings
from aiida_nanoclusters.science.units import BOHR, HARTREE
from aiida_nanoclusters.workflows.parts.protocol import load_protocol, protocol_names

#: Levels of theory with basis sets and pseudopotentials: all but tight binding.
WITH_BASIS_SET = [name for name in protocol_names("cp2k") if load_protocol("cp2k", name)["kinds"]]


def settings(protocol="pbe", **changes):
    return Cp2kSettings.model_validate(load_protocol("cp2k", protocol, changes))


def section(atoms, protocol="pbe", level=0, **changes):
    chosen = settings(protocol, **changes)
    return run_input("run", prepare(atoms, chosen)[0], 1, chosen, level, None)["FORCE_EVAL"]


def test_boxes_and_images():
    cluster = Icosahedron("Cu", 2)
    boxed = section(cluster)
    assert boxed["SUBSYS"]["CELL"]["PERIODIC"] == "XYZ"
    alone = section(cluster, cluster="isolated")
    assert alone["SUBSYS"]["CELL"]["PERIODIC"] == "NONE"
    assert alone["DFT"]["POISSON"]["POISSON_SOLVER"] == "MT"
    slab = fcc111("Cu", (2, 2, 3), vacuum=2.0)
    prepared, copies = prepare(slab, settings())
    assert copies == 1
    gap = prepared.cell.lengths()[2] - np.ptp(prepared.positions[:, 2])
    assert settings().vacuum <= gap < settings().vacuum + 1
    assert np.allclose(np.ptp(prepared.positions, axis=0), np.ptp(slab.positions, axis=0))


def test_kpoints_and_supercells():
    crystal = bulk("Cu", cubic=True)
    # 2 pi / 3.61 Å is 1.74 / Å: 7 points are 0.249 / Å apart
    assert section(crystal)["DFT"]["KPOINTS"]["SCHEME"] == "MONKHORST-PACK 7 7 7"
    assert "KPOINTS" not in section(Icosahedron("Cu", 2))["DFT"]
    prepared, copies = prepare(crystal, settings("gfn1-xtb"))
    assert copies == 8 and len(prepared) == 32


def test_spin_and_charge():
    atom = Atoms("Cu", info={"multiplicity": 2, "charge": 1})
    dft = section(atom)["DFT"]
    assert (dft["UKS"], dft["MULTIPLICITY"], dft["CHARGE"]) == (True, 2, 1)
    assert dft["SCF"]["SMEAR"]["FIXED_MAGNETIC_MOMENT"] == 1
    assert section(Atoms("Cu2", positions=[[0, 0, 0], [2.2, 0, 0]]))["DFT"]["UKS"] is False
    # the reference of all energies is never without its spin
    assert section(Atoms("Cu"))["DFT"]["MULTIPLICITY"] == 2
    magnet = bulk("Ni", cubic=True)
    magnet.info["multiplicity"] = 3
    assert prepare(magnet, settings("gfn1-xtb"))[0].info["multiplicity"] == 17
    for wrong in ({"charge": 0.4}, {"multiplicity": 0}, {"multiplicity": 1.5}):
        with pytest.raises(ValueError, match="whole numbers"):
            prepare(Atoms("Cu", info=wrong), settings())


def test_changes_of_a_settings_level_are_merged():
    levels = [{}, {"DFT": {"SCF": {"MAX_SCF": 7, "SCF_GUESS": None}}}]
    dft = section(Icosahedron("Cu", 2), level=1, fallbacks=levels)["DFT"]
    assert dft["SCF"]["MAX_SCF"] == 7 and "SCF_GUESS" not in dft["SCF"]
    assert dft["SCF"]["EPS_SCF"] == settings().force_eval["DFT"]["SCF"]["EPS_SCF"]


def test_frames_share_a_run_only_where_nothing_but_positions_differs():
    def dimer(r, **info):
        atoms = Atoms("Cu2", positions=[[0, 0, 0], [r, 0, 0]], info=info)
        return prepare(atoms, settings())[0]

    images = [dimer(2.2), dimer(2.21), dimer(2.2, charge=1), dimer(4.5), dimer(2.22)]
    assert group_into_runs(images) == [[0, 1, 4], [2], [3]]
    text = run_files("run", [images[0], images[1]])["run-frames.xyz"].splitlines()
    assert len(text) == 8 and text[1].startswith(" i = 0") and text[5].startswith(" i = 1")


@pytest.mark.parametrize("protocol", protocol_names("cp2k"))
def test_cp2k_understands_every_protocol(protocol, tmp_path):
    if which("cp2k.psmp") is None:
        pytest.skip("CP2K is not installed: apt-get install cp2k")
    Cp2kInput = pytest.importorskip("aiida_cp2k.utils").Cp2kInput
    for k, atoms in enumerate((Atoms("Cu", info={"multiplicity": 2}), bulk("Cu", cubic=True))):
        content = run_input(f"r{k}", prepare(atoms, settings(protocol))[0], 1,
                            settings(protocol), 0, 60)  # fmt: skip
        (tmp_path / f"r{k}.inp").write_text(Cp2kInput(content).render())
        done = subprocess.run(
            ["cp2k.psmp", "--check", "-i", f"r{k}.inp"],
            cwd=tmp_path, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert "SUCCESS" in done.stdout, done.stdout[-2000:]


@pytest.mark.parametrize("protocol", WITH_BASIS_SET)
@pytest.mark.parametrize("symbol", sorted(set(ELEMENTS) - {"Ar"}))
def test_cp2k_has_basis_and_potential_of_every_metal(symbol, protocol):
    """Both are in the files the protocol names, for the same number of electrons."""
    check_basis_and_potential(symbol, protocol)


def check_basis_and_potential(symbol, protocol):
    data = Path(environ.get("CP2K_DATA_DIR", "/usr/share/cp2k"))
    if not (data / "BASIS_MOLOPT").is_file():
        pytest.skip("CP2K's data are not installed: apt-get install cp2k-data")
    given = settings(protocol)
    kind = given.kinds.get(symbol, given.kinds["default"])
    dft = given.force_eval["DFT"]
    files = {"BASIS_SET": dft["BASIS_SET_FILE_NAME"], "POTENTIAL": dft["POTENTIAL_FILE_NAME"]}
    electrons = set()
    for key, named in files.items():
        texts = [(data / file).read_text() for file in np.atleast_1d(named)]
        found = [
            names for text in texts for names in known_names(text, symbol) if kind[key] in names
        ]
        assert found, f"no {kind[key]} of {symbol}"
        electrons |= {name.rsplit("-q", 1)[1] for name in found[0] if "-q" in name}
    assert len(electrons) == 1


def known_names(text, symbol):
    lines = (line.split() for line in text.splitlines())
    return [words[1:] for words in lines if words and words[0] == symbol]


OUTPUT = """\
 CP2K| version string:                                       CP2K version 2023.1
  *** SCF run converged in    16 steps ***
 ENERGY| Total FORCE_EVAL ( QS ) energy [a.u.]:               -8.982830117
  *** WARNING in qs_scf.F:598 :: SCF run NOT converged ***
 ENERGY| Total FORCE_EVAL ( QS ) energy [a.u.]:               -8.900000000
 *******************************************************************************
 *   ___                                                                       *
 *  /   \\                                                                      *
 * [ABORT]                                                                     *
 *  \\___/                               xTB Charges                            *
 *    |                                                                        *
 *  O/|                                                                        *
 * /| |                                                                        *
 * / \\                                                     xtb_matrices.F:1691 *
 *******************************************************************************
"""


def test_output_says_what_converged_and_why_it_stopped():
    run = read_output(OUTPUT.splitlines(keepends=True))
    assert [step.converged for step in run.steps] == [True, False]
    assert run.steps[0].energy == pytest.approx(-8.982830117 * HARTREE)
    assert run.abort == "xTB Charges" and run.version == "2023.1" and not run.ended


def test_an_unconverged_step_is_no_input_error():
    """Later versions stop there, and name the keyword that would let them go on."""
    from aiida_nanoclusters.parsers.cp2k import _is_input_error

    assert not _is_input_error(
        "SCF run NOT converged. To continue the calculation regardless, please set the keyword "
        "IGNORE_CONVERGENCE_FAILURE."
    )
    assert _is_input_error("unknown keyword NONSENSE in section DFT")


def test_a_cut_forces_file_gives_its_complete_blocks():
    block = "2\n i = {}, time = 0.0, E = -1.5\n Cu 0.1 0.0 0.0\n Cu -0.1 0.0 0.0\n"
    text = block.format(0) + block.format(1)[:-8]
    ((energy, forces),) = read_forces(text.splitlines(keepends=True))
    assert energy == pytest.approx(-1.5 * HARTREE)
    assert forces[0, 0] == pytest.approx(0.1 * HARTREE / BOHR)


def test_real_output_of_a_later_version(shared_data):
    """CP2K 2024.3: five energies of an optimisation, all converged; its trajectories are absent."""
    path = shared_data / "cp2k_outputs" / "GEO_OPT_v2024.3.out"
    with path.open() as handle:
        run = read_output(handle)
    assert [step.converged for step in run.steps] == [True] * 5 and run.ended
    assert run.steps[-1].energy == pytest.approx(-13.726193434833586 * HARTREE)
    whole = read_run(path)
    assert "no aiida-pos-1.xyz and no aiida-frc-1.xyz beside it" in whole.problem
    (first,) = whole.steps
    assert first.level_of_theory == "CP2K/PBE-D3/TZV2P-MOLOPT-GTH"
    assert (first.charge, first.multiplicity, first.problem) == (0.0, 1, "it has no forces")


def test_steps_of_a_run_are_matched_by_number(tmp_path):
    (tmp_path / "my.out").write_text(
        " GLOBAL| Project name                                 my\n"
        " CELL| Vector a [angstrom]: 9.0 0.0 0.0 |a| = 9.0\n"
        " CELL| Vector b [angstrom]: 0.0 9.0 0.0 |b| = 9.0\n"
        " CELL| Vector c [angstrom]: 0.0 0.0 9.0 |c| = 9.0\n"
        " CELL| Periodicity                                   XYZ\n"
        " DFT| Charge                                           0\n" + OUTPUT
    )
    block = "2\n i = {0}, time = 0.0, E = {1}\n Cu {2} 0.0 0.0\n Cu 0.5 0.0 0.0\n"
    energies = ("-8.982830117", "-8.900000000", "-8.8")
    for kind in ("pos", "frc"):
        blocks = [block.format(i, e, -0.5 - 0.1 * i) for i, e in enumerate(energies)]
        (tmp_path / f"my-{kind}-1.xyz").write_text("".join(blocks[: 3 if kind == "pos" else 2]))
    run = read_run(tmp_path / "my.out")
    assert [step.atoms.positions[0, 0] for step in run.steps] == pytest.approx([-0.5, -0.6, -0.7])
    words = "`WARNING in qs_scf.F:598 :: SCF run NOT converged` (line 10)"
    assert [step.problem for step in run.steps] == [
        None, f"the self-consistent field did not converge: {words}", "it has no forces"
    ]  # fmt: skip
    assert run.problem == "CP2K stopped after 2 energies: xTB Charges"
    atoms = run.steps[0].atoms
    assert atoms.pbc.all() and atoms.get_potential_energy() == pytest.approx(-244.435, abs=1e-2)
    assert atoms.get_forces()[0, 0] == pytest.approx(-0.5 * HARTREE / BOHR)
