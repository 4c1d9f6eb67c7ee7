"""publish: no licensed text leaves, and by --anonymous no name of a person or a machine."""

import getpass
import gzip
import io
import json
import socket
import zipfile
from pathlib import Path

import numpy as np
import pytest
from aiida.common.links import LinkType
from aiida.orm import (
    ArrayData,
    CalcJobNode,
    Computer,
    Dict,
    FolderData,
    InstalledCode,
    List,
    RemoteData,
    Str,
    User,
    load_node,
)

from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.formats.plain_text import printable
from tests.cli.publish.test_publish import POTCAR
from tests.cli.published import run_import, run_publish


def everything(folder: Path) -> bytes:
    """All that a published folder holds, what is packed in it unpacked."""
    found = []
    for path in folder.rglob("*"):
        found.append(str(path.relative_to(folder)).encode())
        if path.is_file():
            found += _contents(path.read_bytes())
    return b"\n".join(found)


def _contents(content: bytes) -> list[bytes]:
    found = [content.replace(b"\0", b"")]
    if zipfile.is_zipfile(io.BytesIO(content)):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for name in archive.namelist():
                found += [name.encode(), *_contents(archive.read(name))]
    if content.startswith(b"\x1f\x8b"):
        found += _contents(gzip.decompress(content))
    return found


def zipped(content: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("run/setup.txt", content)
    return buffer.getvalue()


HIDDEN = {
    "run.zip": zipped(POTCAR),
    "run.txt.gz": gzip.compress(POTCAR),
    "late.txt": b"log of a run\n" * 100_000 + POTCAR,
    "across.txt": b"x" * ((1 << 20) - 30) + POTCAR,
    "utf16.txt": POTCAR.decode().encode("utf-16"),
    "nested.zip": zipped(gzip.compress(POTCAR)),
}


def test_potcars_in_files(aiida_profile_clean, tmp_path) -> None:
    folder = FolderData()
    for name, content in HIDDEN.items():
        folder.base.repository.put_object_from_bytes(content, name)
    folder.base.repository.put_object_from_bytes(b"\x28\xb5\x2f\xfd closed", "run.zst")
    folder.base.repository.put_object_from_bytes(zipped(b"nothing"), "harmless.zip")
    folder.store()
    uuid = folder.uuid
    code, text = run_publish(uuid, "--out", tmp_path / "out")
    assert code == 0, text
    assert f"{len(HIDDEN)} files were left out" in text
    assert "1 packed files could not be looked into" in text
    readme = (tmp_path / "out" / "README.md").read_text()
    for name in HIDDEN:
        assert f"| `{folder.uuid}` | `{name}` | a POTCAR by its content" in readme
    assert f"| `{folder.uuid}` | `run.zst` | packed by Zstandard |" in readme
    assert b"PSCTR" not in everything(tmp_path / "out")
    aiida_profile_clean.reset_storage()
    assert run_import(tmp_path / "out")[0] == 0
    kept = load_node(uuid).base.repository.list_object_names()
    assert sorted(kept) == ["harmless.zip", "run.zst"]


def test_potcars_in_nodes(aiida_profile_clean, tmp_path) -> None:
    text = POTCAR.decode()
    nodes = [
        Dict({"input": {"files": [{"text": text}]}, "lines": text.splitlines(), "kept": 1.5}),
        List([text.splitlines()]),
        Str(text.encode("utf-16-le").decode("utf-16-le")),
        Dict({"spread": "\0".join(text)}),
        Dict({"a": 1}, label=text[:100], description=text),
    ]
    for node in nodes:
        node.base.extras.set("note", text)
        node.store()
    uuids = [node.uuid for node in nodes]
    code, said = run_publish(*uuids, "--out", tmp_path / "out")
    assert code == 0, said
    assert b"PSCTR" not in everything(tmp_path / "out")
    readme = (tmp_path / "out" / "README.md").read_text()
    for path in ("attributes input", "attributes lines", "extras note", "description"):
        assert f"| `{path}` | text of a POTCAR" in readme
    assert not list((tmp_path / "out").glob("tables/*.json"))  # not even what is left of them
    aiida_profile_clean.reset_storage()
    assert run_import(tmp_path / "out")[0] == 0
    back = load_node(uuids[0]).get_dict()
    assert back["kept"] == 1.5 and "left out" in str(back["input"])


def test_names_of_files_stay_in_the_folder(aiida_profile_clean, aiida_localhost, tmp_path) -> None:
    """The label of an output became the name of a file, wherever it led."""
    job = CalcJobNode(computer=aiida_localhost, process_type="aiida.calculations:x")
    job.set_option("resources", {"num_machines": 1})
    job.store()
    labels = ("fine", f"{tmp_path}/evil", "../../evil")
    for number in range(len(labels)):
        node = Dict({"rows": [{"size": number}]})
        # what a database row may hold, AiiDA's own checks do not let through
        node.base.links.add_incoming(job, link_type=LinkType.CREATE, link_label=f"x{number}")
        node.store()
    from aiida_nanoclusters.cli.publish import members

    linked = {label: load_node(job.uuid).outputs[f"x{n}"] for n, label in enumerate(labels)}
    job.set_process_state("finished")
    job.set_exit_status(0)
    job.seal()
    before = sorted(p for p in tmp_path.rglob("*"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(members, "_linked", lambda process: linked)
        code, text = run_publish(job.uuid, "--out", tmp_path / "out")
    assert code == 0, text
    new = {p for p in tmp_path.rglob("*") if p not in before}
    assert new and all(p.is_relative_to(tmp_path / "out") for p in new)
    names = {p.name for p in (tmp_path / "out" / "tables").iterdir()}
    assert len(names) == 6 and "fine.csv" in names and all(printable(n) == n for n in names)


SECRETS = (
    *("grace@hopper.example.edu", "Hopper", "Navy Institute", "univac.hopper.example.edu"),
    *("thirdfloor", "ghopper", "/home/ghopper", "/scratch/ghopper", "vasp_ghopper_patch"),
    *("proj-4711", "module load secretmod", "/data/cobol/runs", "GRACE_TOKEN"),
)


@pytest.fixture
def study(aiida_profile_clean, tmp_path):
    """A job on a machine of a person, with all that AiiDA keeps of such a job."""
    user = User("grace@hopper.example.edu", "Grace", "Hopper", "Navy Institute").store()
    computer = Computer(
        "thirdfloor", "univac.hopper.example.edu", "Grace's machine",
        transport_type="core.ssh", scheduler_type="core.slurm",
        workdir="/scratch/ghopper/aiida",
    )  # fmt: skip
    computer.set_prepend_text("module load secretmod")
    computer.store()
    code = InstalledCode(
        label="vasp", computer=computer,
        filepath_executable="/home/ghopper/bin/vasp_ghopper_patch",
        prepend_text="export GRACE_TOKEN=/data/cobol/runs",
    ).store()  # fmt: skip
    frames = _frames()
    job = CalcJobNode(computer=computer, user=user, process_type="aiida.calculations:x")
    job.label = "run of ghopper on thirdfloor"
    for name, value in {
        "resources": {"num_machines": 1}, "account": "proj-4711", "queue_name": "proj-4711",
        "prepend_text": "module load secretmod", "environment_variables": {"GRACE_TOKEN": "x"},
    }.items():  # fmt: skip
        job.set_option(name, value)
    job.base.attributes.set("remote_workdir", "/scratch/ghopper/aiida/ab/cd")
    job.base.attributes.set("last_job_info", {"job_owner": "ghopper", "wallclock_time_seconds": 7,
                                              "raw_data": ["ghopper", "thirdfloor"]})  # fmt: skip
    job.base.attributes.set("detailed_job_info", {"stdout": "JobID|User\n1|ghopper\n"})
    job.base.links.add_incoming(frames, link_type=LinkType.INPUT_CALC, link_label="frames")
    job.base.links.add_incoming(code, link_type=LinkType.INPUT_CALC, link_label="code")
    script = (
        "#!/bin/bash\nmodule load secretmod\n"
        "'/home/ghopper/bin/vasp_ghopper_patch' -in x > /data/cobol/runs/out\n"
    ).replace("module load secretmod\n", "")
    job.base.repository.put_object_from_bytes(script.encode(), "_aiidasubmit.sh")
    job.store()
    remote = RemoteData("/scratch/ghopper/aiida/ab/cd", computer=computer)
    remote.base.links.add_incoming(job, link_type=LinkType.CREATE, link_label="remote_folder")
    remote.store()
    retrieved = FolderData()
    retrieved.base.repository.put_object_from_bytes(
        b"running on univac.hopper.example.edu as ghopper\nE = -3.5\n", "OUTCAR"
    )
    retrieved.base.repository.put_object_from_bytes(zipped(b"by ghopper"), "packed.zip")
    retrieved.base.repository.put_object_from_bytes(b"\x00\x01/home/ghopper/x\xff", "binary.dat")
    retrieved.base.repository.put_object_from_bytes(b"\x00\x01\x02numbers\xff", "kept.dat")
    retrieved.base.links.add_incoming(job, link_type=LinkType.CREATE, link_label="retrieved")
    retrieved.store()
    table = Dict({"rows": [{"size": 13, "from": "/home/ghopper/runs/a"}], "energy": -3.5})
    table.base.links.add_incoming(job, link_type=LinkType.CREATE, link_label="table")
    table.store()
    array = ArrayData()
    array.set_array("sizes", np.arange(5))
    array.base.links.add_incoming(job, link_type=LinkType.CREATE, link_label="array")
    array.store()
    job.logger.warning("cannot reach univac.hopper.example.edu, see /data/cobol/runs/log")
    job.base.comments.add("ask grace@hopper.example.edu", user=user)
    job.set_process_state("finished")
    job.set_exit_status(0)
    job.seal()
    return job, frames, table


def _frames() -> FramesData:
    from ase import Atoms

    from aiida_nanoclusters.science.frames import Frames

    images = [
        Atoms("Cu2", [[0, 0, 0], [0, 0, 2.3 + 0.1 * k]],
              info={"source": "/home/ghopper/runs/OUTCAR", "parent": f"/home/ghopper/runs/{k}",
                    "config_type": "cluster"})
        for k in range(3)
    ]  # fmt: skip
    return FramesData(Frames.from_atoms(images)).store()


def test_names_go_out_unless_asked(study, tmp_path) -> None:
    """What the next test looks for is there to be found."""
    code, text = run_publish(study[0].uuid, "--out", tmp_path / "out")
    assert code == 0, text
    content = everything(tmp_path / "out")
    for secret in SECRETS:
        assert secret.encode() in content, secret


def test_anonymous(aiida_profile_clean, study, tmp_path) -> None:
    job, frames, table = study
    from click.testing import CliRunner

    from aiida_nanoclusters.cli.publish.command import publish

    positions, uuids = frames.frames.positions, [job.uuid, frames.uuid, table.uuid]
    folders = [tmp_path / "one", tmp_path / "two"]
    for out in folders:
        done = CliRunner().invoke(publish, [job.uuid, "--out", str(out), "--anonymous"])
        assert done.exit_code == 0, done.output
    content = everything(folders[0])
    for secret in (*SECRETS, "ghopper", "Grace", "grace", "cobol", "secretmod", str(Path.home())):
        assert secret.encode() not in content, secret
    for name in (getpass.getuser(), socket.gethostname()):
        assert name == "root" or len(name) < 3 or name.encode() not in content, name
    readme = (folders[0] / "README.md").read_text()
    assert "have pseudonyms, the same ones everywhere" in readme and "anonymous, 2" in readme
    for path in ("packed.zip", "binary.dat"):
        assert f"| `{path}` | names a person, a machine or a folder" in readme
    same = [p for p in folders[0].rglob("*.*") if p.suffix in (".extxyz", ".csv")]
    assert same
    for path in same:
        other = folders[1] / path.relative_to(folders[0])
        assert path.read_bytes() == other.read_bytes()

    aiida_profile_clean.reset_storage()
    code, text = run_import(folders[0])
    assert code == 0, text
    back, again, result = (load_node(uuid) for uuid in uuids)
    assert np.array_equal(again.frames.positions, positions)
    assert len(set(again.frames.parents)) == 3 and set(again.frames.config_types) == {"cluster"}
    assert result["energy"] == -3.5 and result["rows"][0]["size"] == 13
    assert back.outputs.retrieved.base.repository.list_object_names() == ["OUTCAR", "kept.dat"]
    assert "E = -3.5" in back.outputs.retrieved.base.repository.get_object_content("OUTCAR")
    script = back.base.repository.get_object_content("_aiidasubmit.sh")
    assert script.startswith("#!/bin/bash\n'/anonymous/program-")
    program = back.inputs.code.base.attributes.get("filepath_executable")
    assert f"'{program}'" in script
    assert back.base.attributes.get("last_job_info") == {"wallclock_time_seconds": 7}
    assert json.dumps(back.base.attributes.get("resources")) == '{"num_machines": 1}'


def test_potentials_survive(aiida_profile_clean, tmp_path, eam_file, allegro_package) -> None:
    """A published EAM file is the same file; a packaged model stays unless it has names in it."""
    from aiida_nanoclusters.data.potential import PotentialData

    eam = PotentialData.from_file(eam_file, "eam/alloy", level_of_theory="EAM").store()
    packaged = PotentialData.from_file(allegro_package, "allegro", level_of_theory="x").store()
    code, text = run_publish(eam.uuid, packaged.uuid, "--out", tmp_path / "out", "--anonymous")
    assert code == 0, text
    (written,) = (tmp_path / "out" / "potentials").glob("*.eam.alloy")
    assert written.read_bytes() == eam_file.read_bytes()
    found = list((tmp_path / "out" / "potentials").glob("*.nequip.zip"))
    left_out = (tmp_path / "out" / "README.md").read_text().split("## What was left out")[1]
    assert bool(found) != (f"`{packaged.uuid}`" in left_out)
