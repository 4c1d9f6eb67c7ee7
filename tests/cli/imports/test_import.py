"""import: exact round trips, and archives that are not what they should be."""

import zipfile
from pathlib import Path

import pytest
from aiida.manage import get_manager
from aiida.orm import (
    Computer,
    ImportGroup,
    InstalledCode,
    Int,
    Node,
    QueryBuilder,
    load_node,
)
from ase import Atoms

from aiida_nanoclusters.calculations.frames import concatenate_frames
from aiida_nanoclusters.calculations.lammps_job import validate_potential as may_run
from aiida_nanoclusters.calculations.learning.compile import validate_potential as may_compile
from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.data.potential import PotentialData
from tests.cli.published import content_of, make_study, run_import, run_trust
from tests.laptop import CLI, Home


def count() -> int:
    return QueryBuilder().append(Node).count()


def a_package(path: Path, marker: Path) -> Path:
    """A packaged model as nequip writes it, by its names, whose code would leave a file."""
    with zipfile.ZipFile(path, "w") as archive:
        metadata = "atom_types: {0: Cu}\nversions: {nequip: '0.19'}\n"
        model = "{_target_: allegro.model.AllegroModel, r_max: 5.0, model_dtype: float32, seed: 1}"
        archive.writestr("m/model/package_metadata.txt", metadata)
        archive.writestr("m/model/config.yaml", f"training_module: {{model: {model}}}\n")
        archive.writestr("m/model/evil.py", f"open({str(marker)!r}, 'w').write('ran')\n")
    return path


def test_round_trip_into_a_fresh_profile_is_exact(tmp_path) -> None:
    """Two AiiDA folders: what one publishes the other has, to the last attribute and file."""
    giver, taker = Home(tmp_path / "giver"), Home(tmp_path / "taker")
    for home in (giver, taker):
        assert home.run("aiida", "presto", "-n").returncode == 0
    (giver.path / "make.py").write_text(
        "from pathlib import Path\n"
        "from tests.cli.published import make_study\n"
        f"print('UUID', make_study(Path({str(giver.path)!r}))[1].uuid)\n"
    )
    made = giver.run("aiida", "run", str(giver.path / "make.py"))
    assert made.returncode == 0, made.stderr
    uuid = made.stdout.split("UUID ")[1].split()[0]
    out = tmp_path / "out"
    done = giver.run(CLI, "publish", uuid, "--out", str(out), "--author", "A")
    assert done.returncode == 0, done.stdout + done.stderr
    done = taker.run(CLI, "import", str(out))
    assert done.returncode == 0, done.stdout + done.stderr
    given, taken = content_of(giver), content_of(taker)
    assert len(given) >= 9 and taken == given
    done = taker.run(CLI, "import", str(out), str(out / "archive.aiida"))
    assert done.returncode == 0 and "0 of them new" in done.stdout
    assert content_of(taker) == given


def test_twice_changes_nothing(published) -> None:
    out, uuid = published
    code, text = run_import(out, "--check")
    assert code == 0 and "nothing wrong" in text and count() == 0
    assert run_import(out)[0] == 0
    node = load_node(uuid)
    held = count(), node.mtime, QueryBuilder().append(ImportGroup).count()
    code, text = run_import(out)
    assert code == 0 and "0 of them new" in text
    assert (count(), load_node(uuid).mtime, QueryBuilder().append(ImportGroup).count()) == held
    assert isinstance(node, FramesData) and len(node.frames) == 8
    assert node.base.caching.get_hash() == node.base.caching.compute_hash()


def test_own_nodes_stay_ones_own(aiida_profile_clean, tmp_path, archive_of) -> None:
    """A package that was made here is still trusted after its archive came back with others."""
    package = a_package(tmp_path / "m.nequip.zip", tmp_path / "ran")
    own = PotentialData.from_file(package, "allegro", level_of_theory="x").store()
    other = Int(7).store()
    archive = archive_of(own, other)
    from aiida.tools import delete_nodes

    delete_nodes([other.pk], dry_run=False)
    code, text = run_import(archive)
    assert code == 0 and "1 of them new" in text
    assert may_compile(own, None) is None


def test_code_of_strangers_waits_for_trust(aiida_profile_clean, tmp_path, archive_of) -> None:
    marker = tmp_path / "ran"
    package = a_package(tmp_path / "m.nequip.zip", marker)
    node = PotentialData.from_file(package, "allegro", level_of_theory="x")
    node.base.extras.set("nanoclusters_trusted", "6a5fd1a0-0000-4000-8000-000000000000")
    node.base.extras.set("note", "kept")
    archive = archive_of(node.store())
    uuid = node.uuid
    aiida_profile_clean.reset_storage()
    code, text = run_import(archive)
    assert code == 0 and f"aiida-nanoclusters trust {uuid}" in text
    node = load_node(uuid)
    assert f"run `aiida-nanoclusters trust {uuid}`" in may_compile(node, None)
    assert node.base.extras.get("note") == "kept"
    assert run_trust(uuid)[0] == 0
    assert may_compile(node, None) is None and not marker.exists()

    aiida_profile_clean.reset_storage()
    code, text = run_import(archive, "--trust")
    assert code == 0 and "trust" not in text
    assert may_compile(load_node(uuid), None) is None and not marker.exists()


def test_aiidas_own_import_is_not_trusted_either(aiida_profile_clean, tmp_path, archive_of) -> None:
    from aiida.tools.archive import import_archive

    package = a_package(tmp_path / "m.nequip.zip", tmp_path / "ran")
    node = PotentialData.from_file(package, "allegro", level_of_theory="x").store()
    archive, uuid = archive_of(node), node.uuid
    aiida_profile_clean.reset_storage()
    storage = get_manager().get_profile_storage()
    storage.set_global_variable("nanoclusters|trust_key", "ab" * 32)  # as of another profile
    import_archive(archive)
    assert "carries code" in may_compile(load_node(uuid), None)


def test_work_chains_refuse_untrusted_code(aiida_profile_clean, tmp_path, allegro_compiled) -> None:
    """Every port that takes a potential refuses it before anything is submitted."""
    from aiida_nanoclusters.workflows.labels.label import LabelWorkChain
    from aiida_nanoclusters.workflows.stability.crossover import CrossoverWorkChain
    from aiida_nanoclusters.workflows.stability.size_scan import SizeScanWorkChain
    from aiida_nanoclusters.workflows.study import StudyWorkChain

    code, text = run_import(allegro_compiled, "--level", "x")
    assert code == 0 and "carry code" in text
    node = QueryBuilder().append(PotentialData).one()[0]
    assert "carries code" in may_run(node, None)
    ports = [
        CrossoverWorkChain.spec().inputs["potentials"],
        SizeScanWorkChain.spec().inputs["committee"],
    ]
    assert all("carries code" in p.validate({"member": node}).message for p in ports)
    singles = [
        SizeScanWorkChain.spec().inputs["lammps"]["potential"],
        LabelWorkChain.spec().inputs["potential"]["potential"],
        StudyWorkChain.spec().inputs["reference"]["lammps"]["potential"],
    ]
    assert all("carries code" in p.validate(node).message for p in singles)
    run_import(allegro_compiled, "--level", "x")
    assert count() == 1  # the same once more
    assert run_trust(node.uuid)[0] == 0
    assert all(p.validate(node) is None for p in singles)


def test_results_of_strangers_are_not_used_again(aiida_profile_clean, archive_of) -> None:
    """Neither AiiDA's cache nor the store of labels takes what was imported without trust."""
    made = concatenate_frames(a=FramesData([Atoms("Cu")]))
    process = made.creator
    process.base.extras.set("nanoclusters_label_method", "cp2k-1234")
    archive, uuid = archive_of(process), process.uuid
    held = process.base.caching.get_hash()
    assert held
    for options, expected in (((), None), (("--trust",), "cp2k-1234")):
        aiida_profile_clean.reset_storage()
        assert run_import(archive, *options)[0] == 0
        back = load_node(uuid)
        assert back.base.extras.get("nanoclusters_label_method", None) == expected
        assert (back.base.caching.get_hash() is None) == (expected is None)


def test_computers_of_strangers_take_no_label(aiida_profile_clean, archive_of) -> None:
    """Or `lammps@localhost` of a launch script would run a stranger's command."""
    computer = Computer("localhost", "elsewhere", transport_type="core.local")
    computer.scheduler_type = "core.direct"
    code = InstalledCode(
        label="lammps", computer=computer.store(), filepath_executable="/bin/rm"
    ).store()
    archive = archive_of(code)
    aiida_profile_clean.reset_storage()
    assert run_import(archive)[0] == 0
    labels = QueryBuilder().append(Computer, project="label").all(flat=True)
    assert labels == ["localhost (Imported #0)"]


def test_plain_files(aiida_profile_clean, tmp_path, eam_file) -> None:
    make_study(tmp_path)
    before = count()
    for _ in range(2):
        code, text = run_import(eam_file.with_name("Cu_mishin1.eam.alloy"), "--level", "EAM")
        assert code == 0 and "PotentialData" in text
        assert count() == before + 1
    potential = QueryBuilder().append(PotentialData).one()[0]
    assert potential.kind == "eam/alloy" and may_run(potential, None) is None
    options = ("--level", "EMT", "--atom-energy", "Cu=3.52")
    code, text = run_import(tmp_path / "labels.extxyz", *options)
    assert code == 0 and "which was here" in text and count() == before + 1
    code, text = run_import(tmp_path / "labels.extxyz", "--level", "EMT2")
    assert code == 0 and "FramesData" in text and count() > before + 1


# -- what is refused ---------------------------------------------------------------------------


def refused(path, *options) -> str:
    """The message of an import that is refused and stores nothing."""
    before = count()
    code, text = run_import(path, *options)
    assert code == 2 and count() == before, text
    return text


WRONG = [
    (("missing.aiida",), "no file or folder"),
    (("frames.lmdb",), "an LMDB of nequip holds pickled objects, which run code when read"),
    (("OUTCAR",), "labels of other programs come in by `aiida-nanoclusters import-labels`"),
    (("empty",), "has no SHA256SUMS: give a published folder"),
    (("labels.extxyz",), "does not say what its labels are: give --level"),
    (("bad.extxyz",), "bad.extxyz cannot be read as frames"),
    (("other.xyz",), "other.xyz is no extended XYZ, whatever its name"),
    (("bad.nequip.zip",), "holds metadata of an unknown form"),
    (("bomb.nequip.zip",), "holds metadata that are too large"),
    (("bad.eam.alloy",), "bad.eam.alloy is no `eam/alloy` potential file"),
    (("labels.extxyz", "--max-size", "large"), "--max-size large: write it as '20 GB'"),
    (("labels.extxyz", "--level", "x", "--atom-energy", "Cu"), "write it as Cu=-0.2 (eV)"),
    (("good.xyz", "bad.extxyz"), "bad.extxyz cannot be read as frames"),
    ((), "Missing argument 'PATH'"),
]


@pytest.mark.parametrize(("arguments", "message"), WRONG)
def test_wrong_calls_name_the_fix(aiida_profile_clean, tmp_path, arguments, message) -> None:
    for name in ("frames.lmdb", "OUTCAR"):
        (tmp_path / name).write_text("x")
    (tmp_path / "empty").mkdir()
    atom = '1\nProperties=species:S:1:pos:R:3 {}pbc="F F F"\nCu 0 0 0\n'
    (tmp_path / "good.xyz").write_text(atom.format(""))
    (tmp_path / "labels.extxyz").write_text(
        atom.format("energy=1.0 ")
        .replace("pos:R:3", "pos:R:3:forces:R:3")
        .replace("Cu 0 0 0", "Cu 0 0 0 0 0 0")
    )
    (tmp_path / "bad.extxyz").write_text("3\ncomment\nCu 0 0\n")
    (tmp_path / "bad.eam.alloy").write_text("nothing\n")
    (tmp_path / "other.xyz").write_bytes(b"- of UlmASE-Trajectory" + b"\0" * 100)
    for name, text in (("bad", "a: [1"), ("bomb", "#" * 20_000_000)):
        with zipfile.ZipFile(tmp_path / f"{name}.nequip.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            for member in ("m/model/package_metadata.txt", "m/model/config.yaml"):
                archive.writestr(member, text)
    paths = [tmp_path / a if (tmp_path / a).exists() or "." in a else a for a in arguments]
    code, text = run_import(*paths)
    assert code == 2 and message in text, text
    assert count() == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nothing",), "no node `nothing`"),
        (("{int}",), "needs no trust: only potentials, codes"),
        ((), "name what is to be trusted by its UUID"),
    ],
)
def test_wrong_calls_of_trust(aiida_profile_clean, arguments, message) -> None:
    node = Int(1).store()
    code, text = run_trust(*(a.format(int=node.uuid) for a in arguments))
    assert code == 2 and message in text


@pytest.mark.parametrize(
    ("name", "nodes"),
    [("arithmetic.add", 7), ("dos_wc_Cu", 31), ("export_main_0001_simple", 10),
     ("scf_wc_Cu_simple", 58)],
)  # fmt: skip
def test_archives_of_others(aiida_profile_clean, shared_data, name, nodes) -> None:
    folder = shared_data / "aiida_archives"
    if not folder.is_dir():
        pytest.skip("no archives of others (aiida_archives) among the reference data")
    code, text = run_import(folder / f"{name}.aiida")
    assert code == 0 and f"{nodes} nodes, {nodes} of them new" in text
    assert count() == nodes


def test_archive_that_aiida_cannot_migrate(aiida_profile_clean, shared_data) -> None:
    folder = shared_data / "aiida_archives"
    if not folder.is_dir():
        pytest.skip("no archives of others (aiida_archives) among the reference data")
    assert "has the archive schema 1.0, which this AiiDA does not know" in refused(
        folder / "graph1.aiida"
    )
