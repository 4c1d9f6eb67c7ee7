"""Each question against stored nodes; answers are those of a loop over everything."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from aiida.common.links import LinkType
from aiida.orm import Dict, Int, QueryBuilder, Str, WorkChainNode
from ase import Atoms
from ase.build import bulk
from ase.calculators.singlepoint import SinglePointCalculator

from aiida_nanoclusters import queries
from aiida_nanoclusters.calculations.learning.metrics import compare_committee
from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.data.potential import PotentialData
from aiida_nanoclusters.science.frames import Frames
from aiida_nanoclusters.science.recognition.lowest import lowest_energies
from tests.cli.report.test_collect import crossover_outputs, hand_on, process

ROOT = Path(__file__).parents[2]


def chain(symbol: str, n: int, energy: float | None = None) -> Atoms:
    atoms = Atoms(f"{symbol}{n}", positions=[[2.5 * i, 0, 0] for i in range(n)])
    if energy is not None:
        atoms.calc = SinglePointCalculator(atoms, energy=energy, forces=np.zeros((n, 3)))
    return atoms


def stored(images, level: str = "", **kwargs) -> FramesData:
    return FramesData(Frames.from_atoms(images, level_of_theory=level, **kwargs)).store()


@pytest.fixture
def sets(aiida_profile_clean):
    return {
        "bare": stored([chain("Cu", n) for n in (3, 13, 55)]),
        "pbe": stored([chain("Cu", n, -3.0 * n) for n in (3, 13)], "PBE"),
        "partly": stored([chain("Ag", 4, -2.0), chain("Cu", 20)], "PBE"),
        "alloy": stored([chain("Ag", 7, -9.0), chain("Cu", 7, -9.5)], "PBE-D3"),
    }


@pytest.mark.parametrize(
    ("conditions", "names"),
    [
        ({}, ["alloy", "partly", "pbe", "bare"]),
        ({"elements": ["Cu"]}, ["alloy", "partly", "pbe", "bare"]),
        ({"elements": ["Ag", "Cu"]}, ["alloy", "partly"]),
        ({"elements": ["Au"]}, []),
        ({"sizes": 13}, ["pbe", "bare"]),
        ({"sizes": (14, 60)}, ["partly", "bare"]),
        ({"sizes": (56, 900)}, []),
        ({"level": "PBE"}, ["partly", "pbe"]),
        ({"level": "PB"}, []),
        ({"labelled": True}, ["alloy", "partly", "pbe"]),
        ({"labelled": False}, ["bare"]),
        ({"min_frames": 3}, ["bare"]),
        ({"max_frames": 2, "elements": ["Ag"]}, ["alloy", "partly"]),
        ({"limit": 2}, ["alloy", "partly"]),
        ({"limit": 1, "sizes": (1, 99)}, ["alloy"]),
    ],
)
def test_datasets(sets, conditions, names) -> None:
    found = queries.find_datasets(**conditions)
    assert [dataset.uuid for dataset in found] == [sets[name].uuid for name in names]


def test_a_dataset_tells_what_it_is_and_who_made_it(labellings) -> None:
    frames = labellings[0].outputs.frames
    (found,) = [d for d in queries.find_datasets(labelled=True) if d.uuid == frames.uuid]
    assert (found.n_frames, found.n_labelled, found.n_atoms) == (3, 3, 28)
    assert found.sizes == (2, 13) and found.elements == ("Cu",)
    assert found.level_of_theory == "EAM/Mishin2001"
    assert (found.made_by, found.made_by_uuid) == (
        frames.creator.process_label,
        frames.creator.uuid,
    )


@pytest.fixture
def committee(aiida_profile_clean, eam_file):
    """Two potentials, one good and one bad on the test frames, as a TrainWorkChain leaves them."""
    training = stored([chain("Cu", 13, -40.0)], "PBE", atom_energies={"Cu": -1.0})
    reference = Frames.from_atoms(
        [chain("Cu", 4, -12.0), chain("Cu", 5, -15.0)], level_of_theory="PBE",
        atom_energies={"Cu": -1.0},
    )  # fmt: skip
    told = compare_committee(
        reference_test=FramesData(reference),
        **{
            f"predicted_test_{key}": FramesData(
                reference.with_labels(
                    reference.energies + error * reference.sizes, reference.forces,
                    level_of_theory="ML", atom_energies=reference.atom_energies,
                )
            )
            for key, error in (("seed_1", 0.001), ("seed_2", 0.02))
        },
    )  # fmt: skip
    members = {
        f"potentials.{key}": PotentialData.from_file(
            eam_file, "eam/alloy", level_of_theory="PBE", training_set=training.uuid
        )
        for key in ("seed_1", "seed_2")
    }
    run = WorkChainNode()
    run.set_process_type("aiida.workflows:nanoclusters.train")
    run.set_process_label("TrainWorkChain")
    run.store()
    hand_on(run, {**members, **told})
    return training, members["potentials.seed_1"], members["potentials.seed_2"]


def test_potentials_by_training_set_and_error(committee, other_potential) -> None:
    training, good, bad = committee
    found = {p.uuid: p for p in queries.find_potentials()}
    assert set(found) == {good.uuid, bad.uuid, other_potential.uuid}
    assert found[good.uuid].energy_rmse == pytest.approx(1.0)
    assert found[bad.uuid].energy_rmse == pytest.approx(20.0)
    assert found[good.uuid].forces_rmse == pytest.approx(0.0)
    assert found[other_potential.uuid].energy_rmse is None

    def uuids(**conditions):
        return {p.uuid for p in queries.find_potentials(**conditions)}

    assert uuids(training_set=training.uuid) == {good.uuid, bad.uuid}
    assert uuids(max_energy_rmse=5) == {good.uuid}
    assert uuids(max_energy_rmse=0.5) == set()
    assert uuids(max_energy_rmse=50, max_forces_rmse=1.0) == {good.uuid, bad.uuid}
    assert uuids(kind="eam") == {other_potential.uuid}
    assert uuids(level="PBE", elements=["Cu"]) == {good.uuid, bad.uuid}
    assert uuids(elements=["Ag"]) == set()


def test_lowest_energies_are_of_sound_neutral_clusters() -> None:
    crystal = bulk("Cu", cubic=True)
    crystal.calc = SinglePointCalculator(crystal, energy=-99.0, forces=np.zeros((4, 3)))
    ion = chain("Cu", 4, -98.0)
    ion.info["charge"] = 1
    collapsed = chain("Cu", 4, -97.0)
    collapsed.positions *= 0.1
    mixed = chain("Cu", 4)
    mixed.symbols[0] = "Ag"
    mixed.calc = SinglePointCalculator(mixed, energy=-9.0, forces=np.zeros((4, 3)))
    frames = [crystal, ion, collapsed, chain("Cu", 4), chain("Cu", 4, -8.0), chain("Cu", 4, -8.5)]
    found = lowest_energies(Frames.from_atoms([*frames, mixed, chain("Cu", 1, -0.1)]))
    assert found == {"Cu4": -8.5, "AgCu3": -9.0, "Cu": -0.1}


def test_structures_by_level_and_potential(labellings, other_potential) -> None:
    first, second, third = labellings
    found = queries.find_structures("Cu13")
    assert [s.level_of_theory for s in found] == ["EAM/Mishin2001", "EAM/u3"]
    everything = [run.outputs.frames.frames for run in (first, third)]
    energies = np.concatenate([f.energies[f.sizes == 13] for f in everything])
    assert found[0].energy == pytest.approx(energies.min(), abs=1e-9)
    node = next(
        d for d in QueryBuilder().append(FramesData).all(flat=True) if d.uuid == found[0].uuid
    )
    assert node.frames.energies[found[0].index] == found[0].energy
    assert found[0].made_by == "EvaluateCalculation"  # where it was computed, not copied
    (own,) = queries.find_structures("Cu13", potential=other_potential)
    assert own.energy == pytest.approx(second.outputs.frames.frames.energies[1:].min())
    assert [s.formula for s in queries.find_structures("Cu2-13", level="EAM/u3")] == ["Cu2", "Cu13"]
    assert queries.find_structures("Cu14") == []
    assert queries.find_structures("Cu13", level="PBE") == []


def test_structures_of_nodes_that_lack_the_attribute(aiida_profile_clean) -> None:
    """As earlier versions stored them; their files are read."""
    node = FramesData(Frames.from_atoms([chain("Cu", 4, -8.0)], level_of_theory="PBE"))
    node.base.attributes.delete("lowest_energies")
    node.store()
    (found,) = queries.find_structures("Cu4")
    assert (found.uuid, found.energy, found.index) == (node.uuid, -8.0, 0)
    new = FramesData(Frames.from_atoms([chain("Cu", 4, -8.0)], level_of_theory="PBE")).store()
    assert new.base.caching.get_hash() == node.base.caching.get_hash()


def test_crossovers(aiida_profile_clean, eam_potential, other_potential) -> None:
    outputs = crossover_outputs()
    node = process(
        WorkChainNode, "CrossoverWorkChain",
        inputs={"element": Str("Cu"), "potentials__a": eam_potential},
    )  # fmt: skip
    hand_on(node, outputs)
    assert queries.find_crossovers() == []  # of another plugin: no entry point says it is ours
    ours = WorkChainNode()
    ours.set_process_type("aiida.workflows:nanoclusters.crossover")
    for name, value in (("element", Str("Cu").store()), ("potentials__a", eam_potential)):
        ours.base.links.add_incoming(value, LinkType.INPUT_WORK, name)
    ours.store()
    hand_on(ours, outputs)
    (found,) = queries.find_crossovers()
    answer = outputs["answer"].get_dict()
    assert (found.uuid, found.process_uuid) == (outputs["answer"].uuid, ours.uuid)
    assert (found.size, found.low, found.high) == (answer["size"], answer["low"], answer["high"])
    assert [(m.name, m.uuid, m.level_of_theory) for m in found.potentials] == [
        ("a", eam_potential.uuid, "EAM/Mishin2001")
    ]
    assert queries.find_crossovers(element="Ag") == []
    assert len(queries.find_crossovers(potential=eam_potential)) == 1
    assert queries.find_crossovers(potential=other_potential) == []
    assert len(queries.find_crossovers(level="EAM/Mishin2001", verdict=answer["verdict"])) == 1
    assert queries.find_crossovers(verdict="always crystal") == []


def test_dependents_are_what_was_computed_from_it(labellings, other_potential) -> None:
    first, second, third = labellings
    results = {d.uuid for d in queries.find_dependents(other_potential)}
    assert {second.uuid, second.outputs.frames.uuid, second.outputs.report.uuid} <= results
    assert not results & {first.uuid, third.uuid, first.outputs.frames.uuid}
    steps = {d.kind for d in queries.find_dependents(other_potential, everything=True)}
    assert {"EvaluateCalculation", "LabelWorkChain", "PotentialEngineWorkChain"} <= steps
    assert queries.find_dependents(third.outputs.frames) == []
    # the label that the third took from the first
    assert third.outputs.frames.uuid in {d.uuid for d in queries.find_dependents(first)}
    assert second.uuid not in {d.uuid for d in queries.find_dependents(first, everything=True)}


def test_labels_of_work_chain_and_job(labellings) -> None:
    first, _, third = labellings
    rows = queries.find_labels(first)
    assert [(r.index, r.formula, r.state) for r in rows] == [
        (0, "Cu2", "labelled"), (1, "Cu13", "labelled"), (2, "Cu13", "labelled")
    ]  # fmt: skip
    assert {(r.label_uuid, r.label_index) for r in rows} == {
        (first.outputs.frames.uuid, i) for i in range(3)
    }
    (job,) = [c for c in third.called_descendants if c.process_label == "EvaluateCalculation"]
    (row,) = queries.find_labels(job)  # the other frame was known
    assert (row.formula, row.state, row.outcome) == ("Cu13", "labelled", "labelled")
    assert row.frames_uuid == job.inputs.frames.uuid
    known = [r.known_from != "" for r in queries.find_labels(third)]
    assert known == [True, False]


def test_labels_of_a_job_that_failed_and_was_recovered(cp2k_code) -> None:
    """The first job refuses the frames, the one with the next settings level labels them."""
    from tests.workflows.engines.test_cp2k import dimer, disturbed, jobs_of, run_engine

    hopeless = {"DFT": {"SCF": {"MAX_SCF": 1, "OUTER_SCF": {"_": ".FALSE."}}}}
    _, node = run_engine(cp2k_code, [dimer(2.2), disturbed(1)], {"fallbacks": [hopeless, {}]})
    assert node.is_finished_ok, node.exit_message
    first, second = sorted(jobs_of(node), key=lambda job: job.pk)
    assert first.exit_status and second.is_finished_ok
    refused = queries.find_labels(first)
    assert {r.state for r in refused} == {"refused"} and {r.settings_level for r in refused} == {0}
    assert all("converge" in r.reason for r in refused)
    assert {r.outcome for r in refused} == {"labelled"}
    assert [(r.state, r.settings_level) for r in queries.find_labels(second)] == [
        ("labelled", 1)
    ] * 2
    for row in queries.find_labels(node):
        assert row.state == "labelled" and row.settings_level == 1 and len(row.attempts) == 1
        assert row.attempts[0]["settings_level"] == 0


@pytest.mark.usefixtures("family")
def test_labels_of_one_job_of_vasp(vasp) -> None:
    """A job of VASP computes one frame at one settings level; the engine reports its state."""
    pytest.importorskip("aiida_vasp", reason="pip install aiida-nanoclusters[vasp]")
    from tests.workflows.engines.test_vasp import jobs_of, labels_of

    frames = FramesData([chain("Cu", 2), chain("Cu", 3)]).store()
    node = labels_of(vasp(STAND_IN_VASP="2=unconverged", STAND_IN_CURE="All"), frames)
    assert node.is_finished_ok, node.exit_message
    told = [queries.find_labels(job) for job in jobs_of(node)]
    assert all(len(rows) == 1 for rows in told)
    of_first = [rows[0] for rows in told if rows[0].index == 0]
    assert [row.settings_level for row in of_first] == list(range(len(of_first))) and len(
        of_first
    ) > 1
    assert [row.state for row in of_first] == ["refused"] * (len(of_first) - 1) + ["labelled"]
    assert "not converged" in of_first[0].reason and of_first[0].outcome == "labelled"


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda: queries.find_datasets(elements=["Xx"]), "`Xx` is no chemical element"),
        (lambda: queries.find_datasets(sizes=(5, 3)), "5-3 is empty"),
        (lambda: queries.find_datasets(sizes=-1), "too low"),
        (lambda: queries.find_datasets(min_frames=5, max_frames=2), "is empty"),
        (lambda: queries.find_potentials(kind="reaxff"), "choose one of"),
        (lambda: queries.find_potentials(max_energy_rmse=0), "not positive"),
        (lambda: queries.find_potentials(training_set="ffffffff"), "no node `ffffffff`"),
        (lambda: queries.find_structures("55"), "no formula"),
        (lambda: queries.find_structures("Cu20-13"), "empty range"),
        (lambda: queries.find_structures("Cu1-9999"), "more than 500 sizes"),
        (lambda: queries.find_structures("Cu0"), "no formula of chemical elements"),
        (lambda: queries.find_structures("Qq4"), "no formula of chemical elements"),
        (lambda: queries.find_structures("Cu4", limit=0), "limit is 0"),
        (lambda: queries.find_crossovers(verdict="maybe"), "unknown verdict"),
        (lambda: queries.find_crossovers(element="Copper"), "no chemical element"),
        (lambda: queries.find_labels(process(WorkChainNode, "X")), "labels no frames"),
        (
            lambda: queries.find_node(Dict({}).store().uuid, [FramesData], "set"),
            "is a Dict, no set",
        ),
    ],
)
def test_questions_without_sense_name_the_fix(aiida_profile, ask, message) -> None:
    with pytest.raises(ValueError, match=message):
        ask()


def test_a_process_stands_for_its_only_output_of_a_kind(aiida_profile) -> None:
    chain = WorkChainNode()
    chain.store()
    given = {"chart": Str("a"), "all__1": Str("b"), "run__0": Dict({}), "run__1": Dict({})}
    for label, output in given.items():
        output.store().base.links.add_incoming(chain, LinkType.RETURN, label)
        if label == "chart":
            made = output
    assert queries.find_node(chain.uuid, [Str], "text").uuid == made.uuid
    with pytest.raises(ValueError, match=r"no set: give one of its outputs, such as run\.0 "):
        queries.find_node(chain.uuid, [Dict], "set")
    with pytest.raises(ValueError, match="describes it"):
        queries.find_node(chain.uuid, [Int], "number")


def benchmark(*arguments: str) -> None:
    """Questions against loops over every node: it fails where the two differ."""
    script = ROOT / "benchmarks" / "queries.py"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(script), "--nodes", "400", *arguments],
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    _, _, *rows = done.stdout.splitlines()
    found = [int(row.split()[-4]) for row in rows]
    assert len(found) == 6 and min(found) > 0, done.stdout  # empty answers would be equal too


def test_answers_equal_those_of_loops() -> None:
    benchmark()


def test_answers_equal_those_of_loops_on_postgresql(monkeypatch) -> None:
    from tests.services import postgresql
    from tests.services.process import MissingError, clear, make_folder

    folder = make_folder()
    try:
        try:
            server = postgresql.PostgreSQL(folder / "postgresql")
        except MissingError as reason:
            pytest.skip(str(reason))
        server.start()
        try:
            server.make_database()
            monkeypatch.setenv("AIIDA_PATH", str(folder))
            subprocess.run(
                ["verdi", "profile", "setup", "core.psql_dos", "-n", "--profile-name", "pg",
                 "--email", "a@localhost", "--database-hostname", "127.0.0.1",
                 "--database-port", str(server.port), "--database-username", postgresql.NAME,
                 "--database-password", postgresql.PASSWORD, "--database-name", postgresql.NAME,
                 "--repository-uri", f"file://{folder}/repository", "--no-use-rabbitmq"],
                check=True, capture_output=True,
            )  # fmt: skip
            benchmark("--profile", "pg")
        finally:
            server.stop()
    finally:
        clear(folder)
