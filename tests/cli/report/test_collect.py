"""From stored nodes, made by the study's own calculation functions, to a report."""

import numpy as np
import pytest
from aiida import orm
from aiida.common.links import LinkType
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from click.testing import CliRunner
from plumpy import ProcessState

from aiida_nanoclusters.calculations.learning.dataset import split_dataset
from aiida_nanoclusters.calculations.learning.metrics import compare_committee
from aiida_nanoclusters.calculations.learning.train import LEARNING_CURVE_UNITS, learning_curve_node
from aiida_nanoclusters.calculations.sampling.anneal import rank_structures
from aiida_nanoclusters.calculations.stability import crossover as crossover_steps
from aiida_nanoclusters.calculations.stability.size_scan import compare_sizes
from aiida_nanoclusters.cli.main import cli
from aiida_nanoclusters.cli.report.collect import LARGEST_DRAWN, collect
from aiida_nanoclusters.cli.report.command import render
from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.data.potential import PotentialData
from aiida_nanoclusters.science.frames import Frames
from aiida_nanoclusters.science.stability.search import CrossoverSearch
from aiida_nanoclusters.science.structures.motifs import motif_family

pytestmark = pytest.mark.usefixtures("aiida_profile")

#: E(N) of two motifs, crossing where (0.009 N = 0.1 N^(2/3)), at N = (100 / 9)^3 = 1372.
TERMS = {"icosahedron": (-3.531, 2.9, 0.0, 0.0), "truncated octahedron": (-3.54, 3.0, 0.0, 0.0)}
CROSSING = (100 / 9) ** 3
#: As science/learning/alignment.py reports it.
ALIGNED = {
    "applied": True, "reason": "the held-out error became less", "mode": "motifs",
    "damping": 3e-4, "held_out": ["Cu309", "Cu405"],
    "before": {"motif_difference": -3.25, "held_out_energy_rmse": 2.0, "forces_rmse": 30.0},
    "blind": {"motif_difference": 0.75, "held_out_energy_rmse": 1.0, "forces_rmse": 31.0},
    "after": {"motif_difference": 0.125, "held_out_energy_rmse": 0.5, "forces_rmse": 31.5},
}  # fmt: skip


def energy(motif, n):
    return float(np.cbrt(n) ** np.array([3, 2, 1, 0]) @ TERMS[motif])


def labelled(atoms, total, kind, parent, shift=0.0):
    atoms = atoms.copy()
    atoms.calc = SinglePointCalculator(
        atoms, energy=total, forces=np.full((len(atoms), 3), 0.1 + shift)
    )
    atoms.info.update(config_type=kind, parent=parent)
    return atoms


def frames_of(images):
    return Frames.from_atoms(images, level_of_theory="made up", atom_energies={"Cu": -0.5})


def icosahedron(n):
    return motif_family("icosahedron", n, n, shape="regular")[0].build("Cu", 2.55)


def process(cls, label, state="finished", parent=None, exit_status=0, inputs=()):
    """A stored process as the engine would leave it."""
    node = cls()
    node.set_process_label(label)
    node.set_process_state(ProcessState(state))
    if state == "finished":
        node.set_exit_status(exit_status)
    for name, value in dict(inputs).items():
        kind = LinkType.INPUT_WORK if cls is orm.WorkChainNode else LinkType.INPUT_CALC
        value = value if value.is_stored else value.store()
        node.base.links.add_incoming(value, kind, name)
    if parent is not None:
        kind = LinkType.CALL_WORK if cls is orm.WorkChainNode else LinkType.CALL_CALC
        node.base.links.add_incoming(parent, kind, f"call_{node.uuid[:8]}")
    return node.store()


def hand_on(chain, outputs, prefix=""):
    for name, node in outputs.items():
        node = node if node.is_stored else node.store()
        node.base.links.add_incoming(chain, LinkType.RETURN, f"{prefix}{name}".replace(".", "__"))


@pytest.fixture(scope="module")
def dataset_outputs(aiida_profile):
    cell = Atoms("Cu4", scaled_positions=[[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]],
                 cell=[3.6] * 3, pbc=True)  # fmt: skip
    rng = np.random.default_rng(0)
    images = []
    for k in range(30):
        atoms = (icosahedron(13), cell)[k % 2].copy()
        atoms.rattle(0.05, rng=rng)
        images.append(labelled(atoms, -3.0 * len(atoms), ("cluster", "bulk")[k % 2], f"t{k}"))
    images.append(labelled(Atoms("Cu"), -0.5, "isolated atom", "atom"))
    frames = FramesData(frames_of(images))
    parts = split_dataset(frames, orm.List([0.6, 0.2, 0.2]), orm.Int(1), orm.Float(10.0))
    return {**parts, "frames": frames, "report": orm.Dict({"n_labelled": 31, "n_failed": 2})}


@pytest.fixture(scope="module")
def potential(aiida_profile, eam_file):
    return PotentialData.from_file(eam_file, "eam/alloy", level_of_theory="made up").store()


@pytest.fixture(scope="module")
def train_outputs(dataset_outputs, potential):
    test = dataset_outputs["test"].frames
    motifs = frames_of(
        [labelled(icosahedron(147), -400.0, "icosahedron", "i"),
         labelled(motif_family("truncated octahedron", 201, 201, shape="regular")[0]
                  .build("Cu", 2.55), -560.0, "truncated octahedron", "t")]
    )  # fmt: skip

    def predicted(reference, per_atom):
        shifted = [
            labelled(a, a.get_potential_energy() + per_atom[str(a.info["config_type"])] * len(a),
                     str(a.info["config_type"]), str(a.info["parent"]), shift=0.02)
            for a in reference
        ]  # fmt: skip
        return FramesData(frames_of(shifted))

    flat = dict.fromkeys(("cluster", "bulk", "isolated atom"), 0.004)
    errors = {"icosahedron": -0.005, "truncated octahedron": -0.003}
    compared = compare_committee(
        reference_test=FramesData(test),
        reference_motifs=FramesData(motifs),
        predicted_test_seed_1=predicted(test, flat),
        predicted_motifs_seed_1=predicted(motifs, errors),
        predicted_test_seed_2=predicted(test, dict.fromkeys(flat, 0.002)),
        predicted_motifs_seed_2=predicted(motifs, dict.fromkeys(errors, -0.001)),
    )
    curve = {name: np.full(5, np.nan) for name in LEARNING_CURVE_UNITS}
    curve.update(epoch=np.arange(5.0), val_energy_rmse=np.linspace(90, 8, 5),
                 val_forces_rmse=np.linspace(300, 30, 5))  # fmt: skip
    return {
        "potentials.seed_1": potential,
        "compiled.seed_1": potential,
        "learning_curves.seed_1": learning_curve_node(curve),
        "reports.seed_1": orm.Dict({"alignment": ALIGNED}),
        **compared,
    }


def annealed(sizes):
    """Ranked structures of sizes; 13 and 55 atoms lie deep."""
    images = []
    for n in sizes:
        atoms = icosahedron(55)[:n] if n <= 55 else icosahedron(147)[:n]
        deep = 2.0 if n in (13, 55) else 0.0
        images.append(labelled(atoms, -3.5 * n + 3.0 * n ** (2 / 3) - deep, "cluster", f"Cu{n}-0"))
    return rank_structures(orm.Int(1), annealed_00000=FramesData(frames_of(images)))


def crossover_outputs():
    """A search by the formulas above, with clusters built but not relaxed."""
    sizes = {m: [c.size for c in motif_family(m, 100, 4000, shape="regular")] for m in TERMS}
    search = CrossoverSearch(
        sizes, n_min=100, n_max=17885, width=0.2, budget=20_000, atomic_volume=11.8,
        systematic_mev=1.5,
    )  # fmt: skip
    images = []
    while not search.is_finished:
        wanted = search.next()
        search.update({c: np.array([energy(*c), energy(*c) + 0.001 * c[1]]) for c in wanted})
        images += [
            labelled(motif_family(m, n, n, shape="regular")[0].build("Cu", 2.55), energy(m, n), m,
                     f"{m} {n}")
            for m, n in wanted
        ]  # fmt: skip
    structures = FramesData(frames_of(images))
    answered = crossover_steps.answer_crossover(orm.Dict(search.state), structures)
    return {**answered, "structures": structures, "bulk": orm.Dict({"lattice_constant": 3.6})}


@pytest.fixture(scope="module")
def study(dataset_outputs, train_outputs, potential):
    """A study that stopped in its size scan: its own outputs were never handed on."""
    root = process(
        orm.WorkChainNode, "StudyWorkChain", "waiting", inputs={"element": orm.Str("Cu")}
    )
    root.label = "my copper"
    hand_on(process(orm.WorkChainNode, "DatasetWorkChain", parent=root), dataset_outputs)
    training = process(orm.WorkChainNode, "TrainWorkChain", parent=root)
    hand_on(training, train_outputs)
    scan = process(
        orm.WorkChainNode, "SizeScanWorkChain", "waiting", parent=root,
        inputs={"sizes": orm.List(list(range(10, 21)))},
    )  # fmt: skip
    for sizes in (range(15, 17), range(10, 15)):
        child = process(orm.WorkChainNode, "AnnealWorkChain", parent=scan)
        hand_on(child, annealed(sizes))
    for names in (("seed_1", "seed_2"), ("reference",)):
        chain = process(
            orm.WorkChainNode, "CrossoverWorkChain", parent=root,
            inputs={f"potentials__{name}": potential for name in names},
        )  # fmt: skip
        hand_on(chain, crossover_outputs())
    computer = orm.Computer("here", "localhost", "", "core.local", "core.direct").store()
    code = orm.InstalledCode(computer, "/bin/true", label="nequip").store()
    job = process(
        orm.CalcJobNode,
        "TrainCalculation",
        parent=training,
        inputs={"code": code, "seed": orm.Int(1)},
    )
    job.base.extras.set("_aiida_cached_from", "elsewhere")
    report = orm.Dict({"versions": {"nequip": "0.19.1", "torch": "2.13.0"}})
    report.base.links.add_incoming(job, LinkType.CREATE, "report")
    report.store()
    return root


def test_a_study_is_told_as_far_as_it_came(study):
    report = collect(study)
    assert (report.element, report.label, report.state) == ("Cu", "my copper", "waiting")

    groups = {g.config_type: g for g in report.dataset.groups}
    assert {k: sum(g.parts.values()) for k, g in groups.items()} == {
        "isolated atom": 1, "bulk": 15, "cluster": 15,
    }  # fmt: skip
    assert groups["isolated atom"].parts == {"training": 1}
    assert (report.dataset.n_failed, report.dataset.level_of_theory) == (2, "made up")

    rows = {(r.member, r.part, r.group): r for r in report.training.errors}
    assert rows["seed_1", "test", "all frames"].energy_rmse == pytest.approx(4.0)
    assert rows["committee", "test", "all frames"].energy_mean == pytest.approx(3.0)
    assert rows["committee", "test", "bulk"].forces_mae == pytest.approx(20.0)
    assert report.training.motif_difference.members == pytest.approx({"seed_1": -2.0, "seed_2": 0})
    (aligned,) = report.training.alignments
    assert (aligned.member, aligned.held_out) == ("seed_1", 2)
    assert (aligned.before, aligned.blind, aligned.forces_after) == (-3.25, 0.75, 31.5)
    assert [p.part for p in report.training.parities] == ["test", "motifs"]
    parity = {p.part: p for p in report.training.parities}["test"]
    assert parity.energy[1] - parity.energy[0] == pytest.approx(0.003)
    assert parity.force[1] - parity.force[0] == pytest.approx(0.02)
    assert len(parity.config_types) == len(parity.energy[0])
    (curve,) = report.training.curves
    assert set(curve.metrics) == {"val_energy_rmse", "val_forces_rmse"}

    assert report.scan.sizes.tolist() == [10, 11, 12, 13, 14, 15, 16]
    assert report.scan.asked == 11
    assert report.scan.difference_sizes.tolist() == [11, 12, 13, 14, 15]
    assert report.scan.differences.argmax() == 2
    assert [s.size for s in report.scan.structures] == [10, 11, 12, 13, 14, 15, 16]
    (thirteen,) = [s for s in report.scan.structures if s.size == 13]
    assert (thirteen.point_group, thirteen.n_12_coordinated) == ("Ih", 1)
    assert orm.load_node(thirteen.uuid).sizes == [10, 11, 12, 13, 14]


def test_the_two_crossovers_are_told_apart(study):
    report = collect(study)
    assert not report.crossover.learnt, "both were given classical potentials"
    assert list(report.crossover.members) == ["seed_1", "seed_2"]
    assert list(report.reference.members) == ["reference"]
    for part in (report.crossover, report.reference):
        assert part.crossing.size == pytest.approx(CROSSING, rel=0.01)
        assert part.crossing.low <= CROSSING <= part.crossing.high
        assert part.curve.median[0] < 0 < part.curve.median[-1]
        assert max(s.size for s in part.structures) <= LARGEST_DRAWN
        drawn = {s.size for s in part.structures}
        assert drawn | set(part.too_large) == set(part.energies.sizes.tolist())
        (answer,) = [n for name, n in part.uuids.items() if name == "answer"]
        assert orm.load_node(answer)["size"] == part.crossing.size


def test_provenance_has_stages_codes_and_versions(study):
    report = collect(study)
    steps = {(s.depth, s.label): s for s in report.steps}
    assert steps[0, "StudyWorkChain"].active == 1
    assert steps[1, "CrossoverWorkChain (committee)"].done == 1
    assert steps[1, "CrossoverWorkChain (reference)"].done == 1
    assert steps[2, "TrainCalculation"].cached == 1
    (code,) = report.codes
    assert (code.label, code.computer, code.jobs) == ("nequip", "here", 1)
    versions = {(v.package, v.source): v.version for v in report.versions}
    assert versions["nequip", "recorded by the jobs"] == "0.19.1"
    assert ("aiida-core", "installed where this report was written") in versions


def test_a_finished_study_hands_on_its_parts(aiida_profile):
    root = process(orm.WorkChainNode, "StudyWorkChain", inputs={"element": orm.Str("Cu")})
    ranked = annealed([*range(10, 17), *range(53, 58)])
    members = {f"m{k}": ranked["structures"] for k in (1, 2)}
    compared = compare_sizes(orm.Str("Cu"), ranked["structures"], **members)
    hand_on(root, {**ranked, **compared}, prefix="size_scan.")
    report = collect(root)
    assert [m.size for m in report.scan.magic] == [13, 55]
    assert [report.scan.kind(n) for n in (13, 20, 55)] == ["geometric", "electronic", "geometric"]
    assert report.scan.uuids["magic"] == compared["magic"].uuid
    assert report.crossover is report.training is report.dataset is None
    assert "13, 55" in render(report)


def test_one_part_alone_is_reported(aiida_profile, train_outputs):
    chain = process(orm.WorkChainNode, "TrainWorkChain", exit_status=402)
    hand_on(chain, train_outputs)
    report = collect(chain)
    assert report.scan is report.crossover is report.dataset is None
    assert report.element == "Cu" and not report.ok
    assert "exit status 402" in render(report)


def test_training_under_way_shows_the_curves_there_are(aiida_profile, train_outputs):
    chain = process(orm.WorkChainNode, "TrainWorkChain", "waiting")
    child = process(
        orm.WorkChainNode, "TrainBaseWorkChain", parent=chain, inputs={"train__seed": orm.Int(7)}
    )
    hand_on(child, {"learning_curve": train_outputs["learning_curves.seed_1"]})
    (curve,) = collect(chain).training.curves
    assert (curve.member, curve.uuid) == ("seed_7", train_outputs["learning_curves.seed_1"].uuid)


def test_command_writes_the_file_and_says_where(study, tmp_path):
    out = tmp_path / "copper.html"
    result = CliRunner().invoke(cli, ["report", study.uuid, "--out", str(out)])
    assert result.exit_code == 0, result.output
    assert str(out) in result.output and study.uuid in result.output
    text = out.read_text(encoding="utf-8")
    assert "my copper" in text and f"{CROSSING:.0f}"[:2] in text and "Preliminary: 7 of 11" in text
    assert "not known yet" in text and "none found" not in text


def test_command_names_the_fix_for_wrong_nodes(aiida_profile, tmp_path):
    other = process(orm.WorkChainNode, "LabelWorkChain")
    number = orm.Int(1).store()
    cases = {
        "nonsense": "verdi process list",
        number.uuid: "is data, not a process",
        other.uuid: "no report is made of",
    }
    for uuid, words in cases.items():
        result = CliRunner().invoke(cli, ["report", uuid, "--out", str(tmp_path / "x.html")])
        assert result.exit_code == 2 and words in result.output
    assert not list(tmp_path.iterdir())


def test_command_names_the_fix_where_it_cannot_write(study, tmp_path):
    (tmp_path / "file").write_text("no folder")
    out = tmp_path / "file" / "x.html"
    result = CliRunner().invoke(cli, ["report", study.uuid, "--out", str(out)])
    assert result.exit_code == 2 and "choose another --out" in result.output


def test_a_result_of_another_content_is_named(aiida_profile, train_outputs, tmp_path):
    """As a stranger's archive may hold it."""
    wrong = orm.Dict(train_outputs["errors"].get_dict())
    for part in wrong["sets"].values():
        part["committee"]["by_config_type"] = {"x": "y"}
    chain = process(orm.WorkChainNode, "TrainWorkChain")
    hand_on(chain, train_outputs | {"errors": wrong})
    done = CliRunner().invoke(cli, ["report", chain.uuid, "--out", str(tmp_path / "page.html")])
    assert done.exit_code == 2 and "is not what its type says" in " ".join(done.output.split())
    assert not (tmp_path / "page.html").exists()
