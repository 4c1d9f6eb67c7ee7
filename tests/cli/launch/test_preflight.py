"""What keeps a launch script from submitting, and what does not."""

import io
import json
import re
import shutil
import zipfile
from pathlib import Path

import pytest
from aiida import orm
from aiida.engine import WorkChain
from rich.console import Console

from aiida_nanoclusters.cli.launch.options import finish, launch
from aiida_nanoclusters.cli.launch.preflight import check_launch
from aiida_nanoclusters.cli.machine.code_checks import check_model, program_of
from aiida_nanoclusters.cli.terminal import Fixable
from aiida_nanoclusters.data.potential import PotentialData

BARE_LAMMPS = """#!/bin/sh
# A LAMMPS that has no pair style allegro.
case "$1" in
  -h) echo "Large-scale Atomic/Molecular Massively Parallel Simulator - 29 Aug 2024" ;;
  *) echo "ERROR: Unrecognized pair style 'allegro'"; exit 1 ;;
esac
"""


@pytest.fixture
def console():
    return Console(file=io.StringIO(), width=200)


@pytest.fixture
def bare_lammps(code_on, tmp_path):
    script = tmp_path / "lmp"
    script.write_text(BARE_LAMMPS)
    script.chmod(0o755)
    return code_on("lammps", str(script))


def test_a_program_that_is_not_there(code_on, eam_potential, console):
    code = code_on("lammps", "/nowhere/lmp")
    inputs = {"lammps": {"code": code, "potential": eam_potential}}
    with pytest.raises(Fixable, match=r"/nowhere/lmp does not exist .* correct `executable`"):
        check_launch(inputs, console)


def test_the_pair_style_matters_where_a_model_is_learnt(
    bare_lammps, nequip_code, eam_potential, console
):
    inputs = {"lammps": {"code": bare_lammps, "potential": eam_potential}}
    check_launch(inputs, console)
    assert "allegro" not in console.file.getvalue()
    with pytest.raises(Fixable, match="pair_style allegro: ERROR: Unrecognized pair style"):
        check_launch(inputs | {"train": {"code": nequip_code}}, console)


@pytest.mark.parametrize(
    ("label", "plugin", "program"),
    [
        ("lammps-gpu", None, "lammps"),
        ("lmp", "nanoclusters.lammps", "lammps"),
        ("python", "nanoclusters.train", "nequip"),
        ("vasp6", None, "vasp"),
        ("lammps", "nanoclusters.cp2k", "cp2k"),
        ("lammps", "core.arithmetic.add", "lammps"),
        ("relax", None, ""),
    ],
)
def test_what_a_code_is_for(localhost, label, plugin, program):
    code = orm.InstalledCode(label=label, computer=localhost, filepath_executable="/bin/true")
    code.default_calc_job_plugin = plugin
    assert program_of(code) == program


def compiled(folder, device, isa):
    metadata = {
        "model_dtype": "float32",
        "type_names": "Cu",
        "r_max": "5.5",
        "nequip_aoti_inputs": "pos edge_index atom_types",
        "nequip_aoti_outputs": "atomic_energy forces virial",
        "AOTI_DEVICE_KEY": device,
        "AOTI_CPU_ISA": isa,
    }
    path = folder / f"{device}{isa}.nequip.pt2"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("m/data/cabc.wrapper_metadata.json", json.dumps(metadata))
    return PotentialData.from_file(path, "allegro-compiled", level_of_theory="none").store()


def test_a_model_must_fit_the_processor(localhost, tmp_path):
    flags = Path("/proc/cpuinfo").read_text()
    for isa, flag in (("AVX2", "avx2"), ("AVX512_VNNI", "avx512f"), ("ASIMD", "asimd")):
        (check,) = check_model(compiled(tmp_path, "cpu", isa), localhost)
        has_it = re.search(rf"\b{flag}\b", flags) is not None
        assert check.verdict == ("ok" if has_it else "error"), check
    (check,) = check_model(compiled(tmp_path, "cuda", ""), localhost)
    assert check.verdict == ("ok" if shutil.which("nvidia-smi") else "error")
    assert "a GPU" in check.text
    assert list(check_model(compiled(tmp_path, "cpu", "INVALID_VEC_ISA"), localhost)) == []


def lammps_on(label, hostname) -> orm.InstalledCode:
    """A code on a computer of another place that nobody has configured."""
    computer = orm.Computer(
        label=label,
        hostname=hostname,
        transport_type="core.ssh_async",
        scheduler_type="core.slurm",
        workdir="/scratch",
    ).store()
    return orm.InstalledCode(
        label="lammps", computer=computer, filepath_executable="/usr/bin/lmp"
    ).store()


def test_a_computer_without_configuration(aiida_profile, console):
    code = lammps_on("unset", "localhost")
    with pytest.raises(Fixable, match=r"verdi computer configure core\.ssh_async unset"):
        check_launch({"code": code}, console)


def test_a_computer_out_of_reach_only_warns(aiida_profile, console):
    code = lammps_on("away", "host.invalid")
    code.computer.configure()
    check_launch({"code": code}, console)
    said = console.file.getvalue()
    assert "cannot be reached now" in said and "verdi computer test away" in said


def test_what_programs_say_is_printed_as_it_is(aiida_profile, capsys):
    """Words in brackets are no markup of the terminal."""
    node = orm.WorkChainNode()
    node.set_process_state("finished")
    node.set_exit_status(400)
    node.set_exit_message("LAMMPS stopped: [/opt/x] and [red] things")
    with pytest.raises(SystemExit) as ended:
        finish(node.store(), [])
    assert ended.value.code == 1
    assert "LAMMPS stopped: [/opt/x] and [red] things" in capsys.readouterr().out


class Stumbling(WorkChain):
    """Wants a number, and trips over any."""

    @classmethod
    def define(cls, spec):
        super().define(spec)
        spec.input("number", valid_type=orm.Int)
        spec.outline(cls.stumble)

    def stumble(self):
        raise ValueError("a mistake of the program")


def test_only_wrong_inputs_are_told_as_such(aiida_profile) -> None:
    builder = Stumbling.get_builder()
    with pytest.raises(Fixable, match="number"):
        launch(builder, here=True)
    builder.number = orm.Int(1)
    with pytest.raises(ValueError, match="a mistake of the program"):
        launch(builder, here=True)
