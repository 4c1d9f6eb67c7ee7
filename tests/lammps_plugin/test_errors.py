"""What the pair style refuses, and whether its message names the fix."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest
from ase import Atoms

from tests.lammps_plugin.conftest import data_file, run_lmp, setup_script, standard


@pytest.fixture
def message_of(tmp_path, allegro_plugin):
    """Run a script on a dimer that must fail, and return LAMMPS' error message."""

    def run(model, elements=("Cu",), ranks=1, after="run 0\n", **settings) -> str:
        atoms = standard(Atoms("Cu2", [[0, 0, 0], [0, 0, 2.5]]))
        (tmp_path / "data.lmp").write_text(data_file(atoms, ["Cu"]))
        script = setup_script(model, elements, **settings) + after
        done = run_lmp(script, tmp_path, allegro_plugin, ranks)
        assert done.returncode != 0
        output = done.stdout + done.stderr
        assert "ERROR" in output
        return output[output.index("ERROR") :]

    return run


def with_metadata(model: Path, target: Path, **changes: str) -> Path:
    """Copy of a compiled model whose metadata say something else."""
    with zipfile.ZipFile(model) as old, zipfile.ZipFile(target, "w") as new:
        for entry in old.infolist():
            content = old.read(entry)
            if entry.filename.endswith("_metadata.json"):
                metadata = json.loads(content)
                metadata.update(changes)
                content = json.dumps({k: v for k, v in metadata.items() if v}).encode()
            new.writestr(entry, content)
    return target


@pytest.mark.parametrize("ranks", [1, 2])
def test_missing_file(ranks, message_of):
    message = message_of("absent.nequip.pt2", ranks=ranks)
    assert "There is no model file 'absent.nequip.pt2'" in message
    assert "path in pair_coeff" in message


def test_unknown_element(message_of, allegro_compiled):
    message = message_of(allegro_compiled, elements=["Ag"])
    assert "no element 'Ag'" in message
    assert "it knows: Cu" in message


def test_packaged_model_must_be_compiled(message_of, allegro_package):
    message = message_of(allegro_package)
    assert "was not compiled by nequip-compile" in message
    assert "--target pair_allegro" in message


@pytest.mark.parametrize("content", [b"", b"not a model"])
def test_not_a_model(content, message_of, tmp_path):
    path = tmp_path / "some.nequip.pt2"
    path.write_bytes(content)
    assert "was not compiled by nequip-compile" in message_of(path)


@pytest.mark.parametrize(
    "changes, expected",
    [
        (
            {"nequip_aoti_inputs": "pos edge_index atom_types cell edge_cell_shift"},
            "another target than pair_allegro",
        ),
        ({"nequip_aoti_outputs": "total_energy forces"}, "has no output 'atomic_energy'"),
        ({"AOTI_DEVICE_KEY": "cuda"}, "compiled for device 'cuda'"),
        ({"AOTI_MACHINE": "riscv64"}, "compiled for a machine with riscv64"),
        ({"type_names": ""}, "was not compiled by nequip-compile"),
    ],
)
def test_compiled_for_something_else(changes, expected, message_of, allegro_compiled, tmp_path):
    model = with_metadata(allegro_compiled, tmp_path / "other.nequip.pt2", **changes)
    message = message_of(model, ranks=2)
    assert expected in message
    assert "nequip-compile" in message and "--device cpu --target pair_allegro" in message


def test_compiled_for_another_instruction_set(message_of, allegro_compiled, tmp_path):
    cpuinfo = Path("/proc/cpuinfo")
    if not cpuinfo.exists() or "avx512f" in cpuinfo.read_text():
        pytest.skip("this machine has AVX512 or does not tell")
    model = with_metadata(allegro_compiled, tmp_path / "other.nequip.pt2", AOTI_CPU_ISA="AVX512")
    message = message_of(model)
    assert "compiled for a machine with AVX512, which this one has not" in message
    assert "compile it on this machine" in message


def test_no_room_to_unpack(message_of, allegro_compiled, monkeypatch, tmp_path):
    monkeypatch.setenv("TMPDIR", str(tmp_path / "absent"))
    assert "set TMPDIR to a folder" in message_of(allegro_compiled)


@pytest.mark.parametrize("elements", [["Cu"], ["Ag"]])
def test_unpacks_and_leaves_nothing(elements, message_of, allegro_compiled, monkeypatch, tmp_path):
    """Also where LAMMPS ends with an error after the model was loaded."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setenv("TMPDIR", str(scratch))
    message_of(allegro_compiled, elements=elements, after="no_such_command\n")
    assert list(scratch.iterdir()) == []


@pytest.mark.parametrize(
    "settings, expected",
    [
        ({"unit_style": "real"}, "write 'units metal' instead of 'units real'"),
        ({"newton": "off"}, "write 'newton on'"),
        ({"options": "chunk -1"}, "chunk must be 0"),
        ({"options": "block 3"}, "Write 'pair_style allegro'"),
        ({"elements": ["Cu", "Cu"]}, "one element for each of the 1 atom types"),
    ],
)
def test_input_script(settings, expected, message_of, allegro_compiled):
    assert expected in message_of(allegro_compiled, **settings)
