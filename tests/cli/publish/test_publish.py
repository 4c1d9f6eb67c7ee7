"""publish: what is in the folder, and what is not."""

import csv
import io
import json
import os
import signal
import subprocess
import sys
import time
import zipfile

import ase.io
import numpy as np
import pytest
from aiida.common.links import LinkType
from aiida.orm import CalcJobNode, FolderData, QueryBuilder, load_node
from nequip.data.dataset import NequIPLMDBDataset

from aiida_nanoclusters.calculations.lammps_job import validate_potential
from aiida_nanoclusters.cli.publish.command import _asked_name
from aiida_nanoclusters.cli.publish.licensed import find_licensed
from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.data.potential import PotentialData
from aiida_nanoclusters.data.trust import trust
from tests.cli.published import make_study, run_import, run_publish
from tests.workflows.engines.conftest import POTCAR as HEADER

#: As a POTCAR begins; no potential follows.
POTCAR = b"  PAW_PBE Xx 01Jan2000\n   1.0\n parameters from PSCTR are:\n   TITEL  = PAW_PBE Xx\n"


@pytest.fixture
def study(aiida_profile_clean, tmp_path):
    return make_study(tmp_path)


def test_folder_serves_people_without_aiida(study, tmp_path) -> None:
    frames, process = study
    process.label = "EMT clusters"
    out = tmp_path / "deep" / "out"
    code, text = run_publish(process.uuid, "--out", out, "--citation", "A. Lovelace | 2026")
    assert code == 0, text
    assert subprocess.run(["sha256sum", "-c", "--strict", "SHA256SUMS"], cwd=out).returncode == 0
    listed = {line.split("  ")[1] for line in (out / "SHA256SUMS").read_text().splitlines()}
    files = {p.relative_to(out).as_posix() for p in out.rglob("*") if p.is_file()}
    assert files == listed | {"SHA256SUMS"}
    assert {
        "README.md",
        "ro-crate-metadata.json",
        "archive.aiida",
        "frames/structures.extxyz",
        "frames/structures.lmdb",
        "tables/energies.csv",
        "tables/energies.second_differences.csv",
        "tables/magic.json",
    } <= files
    images = ase.io.read(out / "frames" / "structures.extxyz", ":")
    held = frames.frames
    assert np.array_equal(np.concatenate([a.positions for a in images]), held.positions)
    assert np.array_equal(np.concatenate([a.get_forces() for a in images]), held.forces)
    assert [a.get_potential_energy() for a in images] == held.energies.tolist()
    assert {a.info["level_of_theory"] for a in images} == {"EMT"}
    data = NequIPLMDBDataset(str(out / "frames" / "structures.lmdb"))
    assert [entry["total_energy"].item() for entry in data] == held.energies.tolist()
    with (out / "tables" / "energies.csv").open() as handle:
        rows = list(csv.DictReader(handle))
    assert [int(row["size (atoms)"]) for row in rows] == list(range(12, 20))
    assert [float(row["energy (eV)"]) for row in rows] == held.energies.tolist()
    readme = (out / "README.md").read_text()
    for said in (process.uuid, frames.uuid, "CC-BY-4.0", "Ada Lovelace", "eV/Å", "A. Lovelace"):
        assert said in readme
    assert "Nothing: the data hold no licensed file." in readme
    assert not [p for p in out.parent.iterdir() if p != out]
    assert (out.stat().st_mode & 0o777) == (0o777 & ~int(f"0o{_umask():o}", 8))


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_crate_is_an_ro_crate(study, tmp_path) -> None:
    _, process = study
    run_publish(process.uuid, "--out", tmp_path / "out", "--license", "cc0-1.0", "--title", "Cu")
    crate = json.loads((tmp_path / "out" / "ro-crate-metadata.json").read_text())
    entities = {entity["@id"]: entity for entity in crate["@graph"]}
    assert len(entities) == len(crate["@graph"])
    descriptor, root = entities["ro-crate-metadata.json"], entities["./"]
    assert descriptor["conformsTo"] == {"@id": "https://w3id.org/ro/crate/1.1"}
    assert descriptor["about"] == {"@id": "./"}
    for required in ("name", "description", "datePublished", "license"):
        assert root[required], required
    assert root["license"] == {"@id": "https://spdx.org/licenses/CC0-1.0"}
    assert root["identifier"] == [f"urn:uuid:{process.uuid}"]
    for reference in [*root["hasPart"], *root["author"], *root["mentions"], root["license"]]:
        assert reference["@id"] in entities
    sums = dict(
        reversed(line.split("  "))
        for line in (tmp_path / "out" / "SHA256SUMS").read_text().splitlines()
    )
    for part in root["hasPart"]:
        entity = entities[part["@id"]]
        assert entity["@type"] == "File" and entity["sha256"] == sums[part["@id"]]
    assert {p["@id"] for p in root["hasPart"]} == set(sums) - {"ro-crate-metadata.json"}


def test_potentials_go_out_as_they_are(aiida_profile_clean, eam_file, tmp_path) -> None:
    eam = PotentialData.from_file(eam_file, "eam/alloy", level_of_theory="EAM").store()
    lj = PotentialData.lennard_jones("Ar", epsilon=0.01, sigma=3.4, cutoff=8.0).store()
    code, text = run_publish(eam.uuid, lj.uuid, "--out", tmp_path / "out")
    assert code == 0, text
    (written,) = (tmp_path / "out" / "potentials").glob("*.eam.alloy")
    assert written.read_bytes() == eam_file.read_bytes()
    (parameters,) = (tmp_path / "out" / "potentials").glob("*.lj.json")
    assert json.loads(parameters.read_text())["parameters"] == {"epsilon": 0.01, "sigma": 3.4}


def test_small_leaves_out_what_can_be_made_again(
    aiida_profile_clean, aiida_localhost, study, tmp_path, allegro_package, allegro_compiled
) -> None:
    package = PotentialData.from_file(allegro_package, "allegro", level_of_theory="x").store()
    compiled = PotentialData.from_file(allegro_compiled, "allegro-compiled", level_of_theory="x")
    entry = "aiida.calculations:nanoclusters.compile"
    job = CalcJobNode(computer=aiida_localhost, process_type=entry)
    job.set_option("resources", {"num_machines": 1})
    job.base.links.add_incoming(package, LinkType.INPUT_CALC, "potential")
    job.store()
    compiled.base.links.add_incoming(job, LinkType.CREATE, "potential")
    job.set_process_state("finished")
    job.seal()
    uuids, made_of = (study[0].uuid, compiled.store().uuid), package.uuid
    sizes = {}
    for options in ((), ("--small",)):
        out = tmp_path / f"out{len(options)}"
        code, text = run_publish(*uuids, "--out", out, *options)
        assert code == 0 and ("fits one kind of machine only" in text) == bool(options)
        assert len(list((out / "frames").glob("*.lmdb"))) == 1 - len(options)
        sizes[options] = (out / "archive.aiida").stat().st_size
    assert sizes[("--small",)] < sizes[()] / 2
    aiida_profile_clean.reset_storage()
    code, text = run_import(out)
    assert code == 0, text
    read = load_node(uuids[1])
    assert read.base.repository.list_object_names() == []
    trust(read)
    assert f"run compile {made_of}" in validate_potential(read, None)


def test_unlabelled_frames_are_structures(aiida_profile_clean, study, tmp_path) -> None:
    node = FramesData(study[0].frames.without_labels()).store()
    run_publish(node.uuid, "--out", tmp_path / "out")
    assert [p.suffix for p in (tmp_path / "out" / "structures").iterdir()] == [".extxyz"]
    assert not (tmp_path / "out" / "frames").exists()


@pytest.fixture
def vasp_job(aiida_profile_clean, aiida_localhost):
    """A job that kept its POTCAR, under its own name, another, compressed and in a folder."""
    job = CalcJobNode(computer=aiida_localhost, process_type="aiida.calculations:vasp.vasp")
    job.base.repository.put_object_from_bytes(POTCAR, "POTCAR")
    job.base.repository.put_object_from_bytes(b"SYSTEM = Cu\n", "INCAR")
    job.set_option("resources", {"num_machines": 1})
    job.store()
    retrieved = FolderData()
    retrieved.base.repository.put_object_from_bytes(POTCAR, "renamed.txt")
    retrieved.base.repository.put_object_from_bytes(b"\x1f\x8b packed", "below/potcar.gz")
    retrieved.base.repository.put_object_from_bytes(b"energies", "below/OUTCAR")
    retrieved.base.links.add_incoming(job, link_type=LinkType.CREATE, link_label="retrieved")
    retrieved.store()
    job.set_process_state("finished")
    job.set_exit_status(0)
    job.seal()
    return job, retrieved


def test_licensed_files_stay(aiida_profile_clean, vasp_job, tmp_path) -> None:
    job, retrieved = vasp_job
    uuids = job.uuid, retrieved.uuid
    code, text = run_publish(job.uuid, "--out", tmp_path / "out")
    assert code == 0, text
    assert "3 files were left out" in text and f"POTCAR of node {job.uuid}: a POTCAR" in text
    readme = (tmp_path / "out" / "README.md").read_text()
    for node, path in ((0, "POTCAR"), (1, "renamed.txt"), (1, "below/potcar.gz")):
        assert f"| `{uuids[node]}` | `{path}` |" in readme
    assert b"PSCTR" not in b"".join(_members(tmp_path / "out" / "archive.aiida"))

    aiida_profile_clean.reset_storage()  # a profile that has nothing of it
    code, text = run_import(tmp_path / "out")
    assert code == 0, text
    back_job, back = (load_node(uuid) for uuid in uuids)
    assert back_job.base.repository.list_object_names() == ["INCAR"]
    assert back.base.repository.list_object_names("below") == ["OUTCAR"]
    assert back.creator.uuid == back_job.uuid  # the graph is whole


def _members(path):
    with zipfile.ZipFile(path) as archive:
        return [archive.read(name) for name in archive.namelist()]


def test_potcar_nodes_give_no_file(aiida_profile_clean, tmp_path) -> None:
    potcar = pytest.importorskip("aiida_vasp.data.potcar", reason="pip install [vasp]")
    (tmp_path / "family" / "Cu").mkdir(parents=True)
    header = HEADER.format(symbol="Cu", valence=11)
    (tmp_path / "family" / "Cu" / "POTCAR").write_text(header)
    potcar.PotcarData.upload_potcar_family(str(tmp_path / "family"), "made up", "for tests")
    node = QueryBuilder().append(potcar.PotcarFileData).one()[0]
    found = find_licensed([node.pk]).withheld
    held = {str(p / n) for p, _, names in node.base.repository.walk() for n in names}
    assert {file.path for file in found} == held and held


def test_outputs_of_vasp_are_no_potcars(aiida_profile_clean) -> None:
    folder = FolderData()
    folder.base.repository.put_object_from_bytes(b"  TITEL  = PAW_PBE Cu\n VRHFIN =Cu\n", "OUTCAR")
    folder.base.repository.put_object_from_bytes(b"{}", "POTCAR.spec")
    folder.store()
    found = find_licensed([folder.pk])
    assert not found.withheld and not found.texts


WRONG = [
    (("nothing",), "no node `nothing`: give a UUID or PK this profile has"),
    (("{uuid}", "--license", "free"), "unknown licence `free`: give an SPDX identifier"),
    (("{uuid}", "--license", "MIT OR Apache-2.0"), "is not a single licence: give one"),
    (("{uuid}", "--author", " "), "no author: give --author 'Given Family'"),
    (("{uuid}", "--out", "{full}"), "exists and is not an empty folder: choose another --out"),
    (("{uuid}", "--out", "{file}"), "exists and is not an empty folder: choose another --out"),
    (("{uuid}", "--out", "caf\udce9"), "caf\\udce9 is not a path in UTF-8: choose another"),
    (("{running}",), "has not finished: wait for it, or end it by `verdi process kill"),
    ((), "Missing argument 'UUID...'"),
]


@pytest.mark.parametrize(("arguments", "message"), WRONG)
def test_wrong_calls_name_the_fix(study, aiida_localhost, tmp_path, arguments, message) -> None:
    running = CalcJobNode(computer=aiida_localhost)
    running.set_option("resources", {"num_machines": 1})
    running.store()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("the only copy")
    (tmp_path / "file").write_text("the only copy")
    places = {
        "uuid": study[1].uuid,
        "running": running.uuid,
        "full": tmp_path / "full",
        "file": tmp_path / "file",
    }
    before = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*")}
    filled = [a.format(**places) for a in arguments]
    code, text = run_publish("--out", tmp_path / "out", *filled)
    assert code == 2 and message in text
    assert {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*")} == before


def test_killed_publish_leaves_nothing_complete(tmp_path) -> None:
    """Killed while it writes plain formats: no folder of that name, and the name stays free."""
    script = tmp_path / "slow.py"
    script.write_text(
        "import time\n"
        "from pathlib import Path\n"
        "from aiida.manage.configuration import load_profile\n"
        "load_profile()\n"
        "from aiida.orm import Int\n"
        "from aiida_nanoclusters.cli.publish import command, plain\n"
        "def stuck(found, folder, **_):\n"
        "    print('WRITING', flush=True)\n"
        "    time.sleep(600)\n"
        "    yield\n"
        "plain.write_plain = stuck\n"
        f"command.publish_nodes([Int(1).store()], Path({str(tmp_path / 'out')!r}), authors=['A'])\n"
    )
    environment = {**os.environ, "AIIDA_PATH": str(tmp_path)}
    made = subprocess.run(
        [sys.executable, "-m", "aiida", "presto", "-n"], env=environment, capture_output=True
    )
    assert made.returncode == 0, made.stderr
    process = subprocess.Popen(
        [sys.executable, str(script)], env=environment, stdout=subprocess.PIPE, text=True
    )
    assert "WRITING" in process.stdout.readline()
    process.send_signal(signal.SIGKILL)
    process.wait()
    time.sleep(0.1)
    assert not (tmp_path / "out").exists()
    (partial,) = tmp_path.glob(".out-incomplete-*")
    assert not (partial / "SHA256SUMS").exists()


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(
    ("kind", "names"), [(Terminal, ("Ada Lovelace", "Max Born")), (io.StringIO, ())]
)
def test_authors_are_asked_for_on_a_terminal_only(monkeypatch, kind, names) -> None:
    monkeypatch.setattr("sys.stdin", kind("Ada Lovelace; Max Born\n"))
    monkeypatch.setattr("sys.stdout", kind())
    assert _asked_name() == names
