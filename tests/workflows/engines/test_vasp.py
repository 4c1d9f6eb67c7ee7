from io import StringIO

import ase.io
import numpy as np
import pytest
from aiida.engine import run_get_node
from aiida.orm import CalcJobNode, Dict, Int
from ase import Atoms
from ase.build import bulk, fcc111
from ase.calculators.emt import EMT

from aiida_nanoclusters.cli.launch.nodes import get_frames
from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.science.labels.settings import VaspSettings
from aiida_nanoclusters.science.structures.motifs import mackay_icosahedron
from aiida_nanoclusters.workflows.parts.protocol import load_protocol

pytest.importorskip("aiida_vasp", reason="aiida-vasp is not installed")

from aiida_nanoclusters.workflows.engines.vasp import (
    VaspEngineWorkChain,
    potential_problem,
    validate_settings,
)

#: Places of atoms that are not too close to each other.
GRID = np.array([[i, j, k] for i in range(3) for j in range(2) for k in range(2)], dtype=float)


@pytest.fixture
def mixed(aiida_profile) -> FramesData:
    """An atom, a cluster of two elements not grouped, a crystal, a slab and a dimer."""
    rng = np.random.default_rng(3)
    alloy = mackay_icosahedron("Cu", 1, 2.6)
    alloy.symbols[[0, 4, 5, 9]] = "Au"
    images = [
        Atoms("Cu"),
        alloy,
        bulk("Cu", cubic=True),
        fcc111("Cu", (1, 1, 3), vacuum=4.0),
        Atoms("Cu2", positions=[[0, 0, 0], [2.2, 0.3, 0]]),
    ]
    for k, atoms in enumerate(images):
        atoms.set_tags(0)
        atoms.constraints = None
        if len(atoms) > 1:
            atoms.positions += rng.normal(scale=0.05, size=atoms.positions.shape)
        atoms.info.clear()
        atoms.info.update(config_type="mixed", parent=f"t{k}", seed=k)
    return FramesData(images).store()


def labels_of(code, frames, overrides=None):
    builder = VaspEngineWorkChain.get_builder_from_protocol(code, frames, overrides=overrides)
    builder.max_concurrent = Int(6)
    return run_get_node(builder)[1]


def jobs_of(node) -> list[CalcJobNode]:
    found = [n for n in node.called_descendants if isinstance(n, CalcJobNode)]
    return sorted(found, key=lambda n: n.pk)


def test_contract(family, vasp, mixed) -> None:
    """Input order, original atom order, places and origins; EMT itself gives the truth."""
    node = labels_of(vasp(), mixed)
    assert node.is_finished_ok, node.exit_message
    frames, report = node.outputs.frames.frames, node.outputs.report.get_dict()
    assert frames.content_hashes() == mixed.frames.content_hashes()
    assert list(frames.parents) == list(mixed.frames.parents)
    assert frames.level_of_theory == "VASP/PBE/450 eV"
    assert [row["state"] for row in report["frames"]] == ["labelled"] * 5
    assert [row["retried"] for row in report["frames"]] == [0] * 5
    for labelled, bare in zip(frames, mixed.frames, strict=True):
        bare.calc = EMT()
        # VASP writes eight digits.
        assert labelled.get_potential_energy() == pytest.approx(
            bare.get_potential_energy(), abs=2e-6
        )
        assert np.abs(labelled.get_forces() - bare.get_forces()).max() < 2e-6
        if bare.pbc.all():
            assert labelled.get_stress() == pytest.approx(bare.get_stress(), abs=1e-7)
        else:
            assert "stress" not in labelled.calc.results
    assert frames.atom_energies == {"Cu": pytest.approx(frames.energies[0])}
    # A calculation of aiida-vasp by its UUID has the same labels.
    single = next(job for job in jobs_of(node) if job.process_label == "VaspCalculation")
    own = get_frames(single.uuid, "").frames
    assert own.level_of_theory == frames.level_of_theory
    assert min(abs(own.energies[-1] - frames.energies)) < 2e-6
    check_nothing_licensed_is_kept(jobs_of(node))
    check_input_of_the_paper(jobs_of(node))


def check_nothing_licensed_is_kept(jobs) -> None:
    """No POTCAR in what is retrieved, in the jobs' own files, or among what an archive takes."""
    from aiida_vasp.data.potcar import PotcarFileData

    for calculation in jobs:
        assert "POTCAR" not in calculation.outputs.retrieved.list_object_names()
        assert "POTCAR" not in calculation.base.repository.list_object_names()
        assert "POTCAR" not in calculation.get_retrieve_list()
        inputs = calculation.base.links.get_incoming().all_nodes()
        assert not [node for node in inputs if isinstance(node, PotcarFileData)]


def check_input_of_the_paper(jobs) -> None:
    """Golden INCAR and KPOINTS of protocol liu2025."""
    read = {len(j.inputs.structure.sites): j.base.repository.get_object_content for j in jobs}
    assert tags(read[13]("INCAR")) == {
        "ALGO": "Fast",
        "EDIFF": "1e-05",
        "EDIFFG": "-0.02",
        "ENCUT": "450",
        "GGA": "PE",
        "IBRION": "-1",
        "ISMEAR": "0",
        "ISPIN": "1",
        "LCHARG": ".FALSE.",
        "LREAL": ".FALSE.",
        "LWAVE": ".FALSE.",
        "NELM": "100",
        "NELMIN": "5",
        "NSW": "0",
        "PREC": "Accurate",
        "SIGMA": "0.05",
    }
    atom = tags(read[1]("INCAR"))
    assert (atom["ISPIN"], atom["NUPDOWN"]) == ("2", "1")
    # 2 pi / (3.61 * 0.2) = 8.7; the slab's cell is 2.55 Å wide at 60 degrees: 2 pi / (2.21 * 0.2).
    meshes = {
        n: [line.split() for line in text("KPOINTS").splitlines()[2:4]] for n, text in read.items()
    }
    assert meshes[13] == [["Gamma"], ["1", "1", "1"]]
    assert meshes[4] == [["Gamma"], ["9", "9", "9"]]
    assert meshes[3] == [["Gamma"], ["15", "15", "1"]]
    for n in (1, 2, 13):
        box = ase.io.read(StringIO(read[n]("POSCAR")), format="vasp")
        gaps = box.cell.lengths() - np.ptp(box.positions, axis=0)
        assert (gaps >= 15.0 - 1e-6).all() and (gaps < 18.5).all()


def tags(text: str) -> dict[str, str]:
    pairs = [line.split("=") for line in text.splitlines() if "=" in line]
    return {name.strip().upper(): value.strip() for name, value in pairs}


def test_a_frame_that_does_not_converge_escalates(family, vasp, mixed) -> None:
    """Only the frame that does not converge is repeated, until a settings level succeeds."""
    frames = FramesData(mixed.frames.select([1, 4])).store()
    node = labels_of(vasp(STAND_IN_VASP="13=unconverged", STAND_IN_CURE="All"), frames)
    assert node.is_finished_ok, node.exit_message
    rows = node.outputs.report["frames"]
    assert [row["settings_level"] for row in rows] == [3, 0]
    assert rows[0]["retried"] == 3
    assert [a["reason"] for a in rows[0]["attempts"]] == [
        f"not converged: {n} electronic steps, NELM is {n}" for n in (100, 200, 300)
    ]
    assert len(jobs_of(node)) == 2 + 3
    assert len(node.outputs.frames) == 2


#: By number of atoms: failure of the frame, its reason in the report, and number of attempts.
FAULTS = {
    2: ("unconverged", "not converged: 200 electronic steps, NELM is 200", 2),
    3: ("disagree", "not of the same run", 2),
    4: ("drift", "net force of 3.0e-01 eV/Å per atom, more than 1.0e-02", 2),
    5: ("truncated", "vasprun.xml is truncated", 2),
    6: ("silent", "VASP wrote no vasprun.xml", 2),
    8: ("mixing", "aiida-vasp: ", 2),
}


@pytest.mark.slow
def test_failed_frames_cost_only_themselves(family, vasp) -> None:
    rng = np.random.default_rng(1)
    images = [Atoms(f"Cu{n}", positions=2.0 * rng.permutation(GRID)[:n]) for n in (*FAULTS, 7)]
    frames = FramesData(images).store()
    code = vasp(STAND_IN_VASP=",".join(f"{n}={fault}" for n, (fault, _, _) in FAULTS.items()))
    node = labels_of(code, frames, {"fallbacks": [{}, {"NELM": 200}]})
    assert node.is_finished_ok, node.exit_message
    *failed, labelled = node.outputs.report["frames"]
    for row, (_, reason, jobs) in zip(failed, FAULTS.values(), strict=True):
        assert row["state"] == "failed" and reason in row["reason"]
        assert row["retried"] == jobs - 1 and len(row["attempts"]) == jobs
    assert labelled["state"] == "labelled"
    assert len(jobs_of(node)) == 1 + sum(jobs for _, _, jobs in FAULTS.values())
    assert node.outputs.frames.frames.sizes.tolist() == [7]


def test_job_that_died_is_run_again(family, vasp, mixed, tmp_path) -> None:
    frames = FramesData(mixed.frames.select([4]))
    node = labels_of(vasp(STAND_IN_VASP="truncated", STAND_IN_ONCE=tmp_path / "once"), frames)
    assert node.is_finished_ok, node.exit_message
    (row,) = node.outputs.report["frames"]
    assert (row["state"], row["settings_level"], row["retried"]) == ("labelled", 0, 1)


def test_nothing_labelled(family, vasp, mixed) -> None:
    frames = FramesData(mixed.frames.select([4]))
    node = labels_of(vasp(STAND_IN_VASP="drift"), frames, {"fallbacks": [{}]})
    assert node.exit_status == 400
    assert "frames" not in node.outputs
    assert node.outputs.report["n_failed"] == 1


def test_charge_and_multiplicity(family, vasp) -> None:
    ion = Atoms("Cu2", positions=[[0, 0, 0], [2.2, 0.3, 0]], info={"charge": 1, "multiplicity": 2})
    frames = FramesData([ion]).store()
    code = vasp()
    with pytest.raises(ValueError, match=r"frame 0: it is charged \(\+1 e\).*valence_electrons"):
        labels_of(code, frames)
    node = labels_of(code, frames, {"valence_electrons": {"Cu": 11}})
    assert node.is_finished_ok, node.exit_message
    incar = tags(jobs_of(node)[0].base.repository.get_object_content("INCAR"))
    assert (incar["NELECT"], incar["ISPIN"], incar["NUPDOWN"]) == ("21.0", "2", "1")
    wrong = labels_of(code, frames, {"valence_electrons": {"Cu": 17}, "fallbacks": [{}]})
    assert "VASP computed with 33 electrons; a charge of +1 e is 21" in str(
        wrong.outputs.report["frames"][0]["reason"]
    )


def test_labels_for_the_label_work_chain(family, vasp, mixed) -> None:
    """As an engine among others: atoms are labelled too, and nothing is computed twice."""
    from aiida_nanoclusters.workflows.labels.label import LabelWorkChain

    frames = FramesData(mixed.frames.select([4])).store()
    code = vasp()
    for jobs in (2, 0):
        builder = LabelWorkChain.get_builder_for_engine(
            frames, LabelWorkChain.engine_inputs("vasp", code)
        )
        node = run_get_node(builder)[1]
        assert node.is_finished_ok, node.exit_message
        assert len(jobs_of(node)) == jobs
        assert len(node.outputs.frames) == 1 and set(node.outputs.frames.atom_energies) == {"Cu"}


def method(protocol=None, **overrides) -> str:
    return VaspEngineWorkChain.method(
        {"settings": Dict(load_protocol("vasp", protocol, overrides))}
    )


def test_method_is_what_a_label_depends_on() -> None:
    assert method() == method(incar={"NCORE": 8, "NELM": 500}, fallbacks=[{}])
    assert method() != method(max_net_force=0.1)
    assert len({method(), method(incar={"encut": 500}), method(vacuum=20.0)}) == 3


@pytest.mark.parametrize(
    ("protocol", "recorded"),
    [
        ("liu2025", "vasp-a37f6ec210b92278bebb46eb"),
        ("quick", "vasp-c3bcf428d664e4b1959db407"),
    ],
)
def test_labels_of_earlier_versions_are_found(protocol, recorded) -> None:
    """Keys that were recorded when `fallbacks` were called `ladder`."""
    assert method(protocol) == recorded
    former = load_protocol("vasp", protocol)
    former["ladder"] = former.pop("fallbacks")
    assert VaspEngineWorkChain.method({"settings": Dict(former)}) == recorded


def test_a_former_name_is_understood(family, vasp, mixed) -> None:
    """Overrides under the former name replace the fallbacks of the protocol."""
    with pytest.warns(DeprecationWarning, match="`ladder` is called `fallbacks` now"):
        inputs = VaspEngineWorkChain.builder_inputs(vasp(), overrides={"ladder": [{}]})
    assert inputs["settings"]["fallbacks"] == [{}] and "ladder" not in inputs["settings"]


def test_bad_input_names_the_fix(family, vasp, mixed) -> None:
    settings = VaspSettings.model_validate(load_protocol("vasp"))
    message = potential_problem(["Cu"], settings.model_copy(update={"potential_family": "PBE.99"}))
    assert "no POTCAR family `PBE.99`" in message
    assert "aiida-vasp potcar uploadfamily --path=<folder of POTCARs> --name=PBE.99" in message
    missing = potential_problem(["Pt"], settings)
    assert "the family `PBE.54` has no POTCAR `Pt`" in missing
    with pytest.raises(ValueError, match="no POTCAR family"):
        labels_of(vasp(), mixed, {"potential_family": "PBE.99"})
    for change, words in (
        ({"vacuum": -1}, "`vacuum` is -1: input should be greater than 0"),
        ({"fallbacks": []}, "`fallbacks`: give at least one settings level"),
        ({"incar": {"NSW": 5}}, "set NSW: 0"),
        ({"incar": {"NELECT": 5}}, "`incar`: remove NELECT"),
        (
            {"fallbacks": [{}, {"sigma": 0.2}]},
            "`fallbacks`: SIGMA would give labels of another level",
        ),
        ({"vaccum": 10}, "unknown setting `vaccum`: did you mean `vacuum`?"),
    ):
        assert words in validate_settings(Dict(load_protocol("vasp", None, change)), None)


def test_without_aiida_vasp(monkeypatch) -> None:
    from aiida.common.exceptions import MissingEntryPointError

    def missing(name):
        raise MissingEntryPointError(name)

    monkeypatch.setattr("aiida_nanoclusters.workflows.engines.vasp.DataFactory", missing)
    message = potential_problem(["Cu"], VaspSettings.model_validate(load_protocol("vasp")))
    assert message == "aiida-vasp is not installed: pip install aiida-nanoclusters[vasp]"
