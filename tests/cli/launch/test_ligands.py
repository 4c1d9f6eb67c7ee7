"""The commands on ligands as a person types them: tables, warnings, mistakes in one line."""

import re
import sys

import ase.io
import pytest
from ase import Atoms
from ase.cluster import Icosahedron
from click.testing import CliRunner

from aiida_nanoclusters.cli.launch.ligands import read_candidates
from aiida_nanoclusters.cli.main import cli
from aiida_nanoclusters.cli.terminal import Fixable
from aiida_nanoclusters.data.matching_model import MatchingModelData
from aiida_nanoclusters.data.pairs import PairsData
from tests.protected_clusters import PET, PPH3, octahedron, tetrahedron, with_ligand
from tests.small_matching import SMALL, assignment, trained_model, world

UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
CANDIDATES = """# SMILES name
SCCc1ccccc1 PET
C#Cc1ccccc1 phenylacetylene

P(c1ccccc1)(c1ccccc1)c1ccccc1.SCCc1ccccc1 both
"""


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    pairs = world()
    return trained_model(pairs, assignment(pairs), tmp_path_factory.mktemp("model"))


@pytest.fixture
def model(aiida_profile, trained):
    return MatchingModelData(trained).store()


@pytest.fixture
def files(tmp_path, monkeypatch):
    """A core, a whole cluster and a list of candidates in the working folder."""
    monkeypatch.chdir(tmp_path)
    ico = Icosahedron("Au", 2)
    ase.io.write("core.xyz", Atoms(ico.numbers, ico.positions))
    ase.io.write("whole.xyz", with_ligand(tetrahedron(), PET, 0, 1))
    (tmp_path / "candidates.smi").write_text(CANDIDATES)
    return tmp_path


def run(*arguments):
    return CliRunner().invoke(cli, ["run", *map(str, arguments)])


def printed(done):
    """Lines before the commands that may follow, which hold UUIDs."""
    return done.output.partition("\nfinished")[0].splitlines()


def test_a_ranking_is_printed_within_80_columns(model, files):
    done = run("match-ligands", "core.xyz", "--ligands", "candidates.smi", "--ligands",
               "FC(F)(F)C(F)(F)C(F)(F)CCS", "--model", model.uuid, "--here")  # fmt: skip
    assert done.exit_code == 0, done.output
    lines = printed(done)
    assert max(map(len, lines)) <= 80
    assert any(line.startswith("Au13") and "nearest known cores" in line for line in lines)
    chances = [float(m[1]) for m in re.finditer(r"^\s*\d+ +(\d\.\d\d) ", done.output, re.M)]
    assert chances == sorted(chances, reverse=True) and len(chances) == 6
    assert "PET" in done.output and "phenylacetylene" in done.output
    assert re.search(rf"table {UUID}", done.output)
    assert "these models were not measured on held-out pairs" in done.output
    assert "aiida-nanoclusters explain" in done.output


def test_the_core_of_a_whole_cluster_is_taken(model, files):
    done = run("match-ligands", "whole.xyz", "--ligands", "SCCc1ccccc1", "--model", model.uuid,
               "--here")  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "its ligands are cut off" in done.output
    assert re.search(r"^Au4\b", done.output, re.M)


def test_an_element_that_was_never_seen_is_warned_of(model, files):
    ase.io.write("foreign.xyz", Atoms("Pt4", tetrahedron().positions))
    done = run("match-ligands", "foreign.xyz", "--ligands", "SCCc1ccccc1", "--model", model.uuid,
               "--here")  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "Warning: no training core had Pt" in done.output
    assert "Pt4 lies outside of what the models have seen" in done.output


def test_edits_are_printed_within_80_columns(model, files):
    done = run("edit-core", "core.xyz", "--ligands", "SCCc1ccccc1", "--model", model.uuid,
               "--kinds", "remove,replace", "--replace", "Ag", "--here")  # fmt: skip
    assert done.exit_code == 0, done.output
    assert max(map(len, printed(done))) <= 80
    assert "the core as it is" in done.output
    text = " ".join(done.output.split())
    assert "remove the central Au" in text
    assert len(re.findall(r"^ *(?:1|12) +\d\.\d\d ", done.output, re.M)) == 5


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("match-ligands", "core.xyz", "--ligands", "S"), "give either --model UUID"),
        (("match-ligands", "none.xyz", "--ligands", "S", "--model", "{}"), "none.xyz"),
        (("match-ligands", "core.xyz", "--ligands", "none.smi", "--model", "{}"), "no file of"),
        (("match-ligands", "core.xyz", "--ligands", "C(C", "--model", "{}"), "line 1, `C(C`"),
        (("match-ligands", "core.xyz", "--ligands", "S", "--model", "Au"), "Au"),
        (
            ("match-ligands", "core.xyz", "--ligands", "S", "--model", "{}", "--clusters", "."),
            "give either --clusters",
        ),
        (
            ("match-ligands", "core.xyz", "--ligands", "S", "--model", "{}", "--protocol", "quick"),
            "unknown protocol `quick`",
        ),
        (
            ("edit-core", "core.xyz", "--ligands", "S", "--model", "{}", "--kinds", "swap"),
            "kinds",
        ),
        (("edit-core", "core.xyz", "--ligands", "S", "--model", "{}", "--add", "Xx"), "`Xx`"),
        (("compatibility", "nowhere/"), "no file or folder at nowhere/"),
        (("compatibility", "candidates.smi"), "no cluster can be read"),
        (("compatibility", "core.xyz", "--splits", "all"), "--splits all: choose among"),
        (("compatibility", "core.xyz", "--set", "matching.training.epoch=3"), "did you mean"),
    ],
)
def test_mistakes_are_told_in_one_line(aiida_profile_clean, trained, files, code_on, arguments,
                                       message):  # fmt: skip
    code_on("nequip", sys.executable)
    model = MatchingModelData(trained).store()
    done = run(*(word.format(model.uuid) for word in arguments), "--here")
    assert done.exit_code == 2, (done.output, done.exception)
    errors = [line for line in done.output.splitlines() if line.startswith("Error: ")]
    assert len(errors) == 1 and message in errors[0], done.output


def test_lists_of_candidates(files):
    lines = read_candidates(["candidates.smi", "CC(=O)O"])
    assert lines[0] == "SCCc1ccccc1 PET" and lines[-1] == "CC(=O)O" and len(lines) == 4
    with pytest.raises(Fixable, match="names no ligand"):
        (files / "empty.smi").write_text("\n")
        read_candidates(["empty.smi"])


@pytest.mark.slow
def test_from_clusters_to_a_ranked_list_in_one_command(aiida_profile_clean, files, code_on):
    """Clusters of two kinds, an unlike core, and everything between in one command."""
    code_on("nequip", sys.executable, "export OMP_NUM_THREADS=1")
    node = PairsData(world(n_pairs=160, n_cores=40)).store()
    changes = [f"matching.{name}={value}" for name, value in (
        ("core.features", 16), ("training.epochs", SMALL["training"]["epochs"]),
    )]  # fmt: skip
    done = run("compatibility", node.uuid, "--protocol", "trial", "--seeds", "1,2",
               *(word for change in changes for word in ("--set", change)),
               "--set", "matching.training.fewest_epochs=3",
               "--set", "matching.training.milestones=[]", "--here")  # fmt: skip
    assert done.exit_code == 0, done.output
    assert max(map(len, printed(done))) <= 80
    assert "an AUC is noise" in " ".join(done.output.split())
    (chain,) = re.findall(rf"report ({UUID})", done.output)
    done = run("match-ligands", "core.xyz", "--ligands", "candidates.smi", "--compatibility",
               chain, "--here")  # fmt: skip
    assert done.exit_code == 0, done.output
    assert re.search(r"^Au13", done.output, re.M)
    assert "models trained alike have an AUC of" in " ".join(done.output.split())


def test_charges_and_folders_of_clusters(aiida_profile, files):
    """Files of a folder and its subfolders become frames under their names."""
    from aiida_nanoclusters.cli.launch.ligands import get_clusters

    folder = files / "known"
    (folder / "silver").mkdir(parents=True)
    ase.io.write(folder / "gold.xyz", with_ligand(tetrahedron(), PET, 0, 1))
    silver = with_ligand(octahedron(), PPH3, 0)
    ase.io.write(folder / "silver" / "six.xyz", silver)
    (folder / "charges.csv").write_text("file,charge\ngold.xyz,1\n")
    (folder / "notes.txt").write_text("no cluster")
    frames = get_clusters([str(folder)], {})["frames"].frames
    assert sorted(map(str, frames.parents)) == ["gold.xyz", "silver/six.xyz"]
    assert dict(zip(map(str, frames.parents), frames.charges, strict=True))["gold.xyz"] == 1
    with pytest.raises(Fixable, match="give files and folders, or one UUID"):
        get_clusters(["one", "two"], {})
