"""An input of one's own by `lammps.raw` of aiida-lammps, with a potential of this package."""

import re

import pytest
from aiida.orm import CalcJobNode, QueryBuilder
from ase.calculators.eam import EAM
from ase.cluster import Icosahedron
from ase.io import write
from click.testing import CliRunner

from aiida_nanoclusters.cli.run.lammps_script import main

pytest.importorskip("aiida_lammps", reason="pip install aiida-nanoclusters[lammps]")

SCRIPT = """units metal
boundary s s s
read_data start.lmp
include potential.lmp
thermo_modify norm no
run 0
print "energy $(pe:%.10f)" file energy.txt
write_dump all xyz last.xyz
"""


@pytest.fixture
def own(tmp_path):
    """An input, the file it reads, and the cluster in it."""
    atoms = Icosahedron("Cu", 2)
    atoms.center(vacuum=8.0)
    write(tmp_path / "start.lmp", atoms, format="lammps-data", masses=True)
    (tmp_path / "in.own").write_text(SCRIPT)
    return tmp_path, atoms


def run(code, folder, *arguments):
    paths = [str(folder / "in.own"), "--file", str(folder / "start.lmp")]
    return CliRunner().invoke(main, [*paths, "--lammps", code.uuid, "--here", *arguments])


def test_an_input_of_ones_own(lmp_code, own, eam_file) -> None:
    """Its numbers are those of ASE, its files come back, and the potential is in its provenance."""
    folder, atoms = own
    asked = ("--potential-file", str(eam_file), "--retrieve", "energy.txt", "--retrieve", "*.xyz")
    done = run(lmp_code, folder, *asked)
    assert done.exit_code == 0, done.output
    job = QueryBuilder().append(CalcJobNode, tag="j").order_by({"j": {"id": "desc"}}).first()[0]
    assert job.is_finished_ok and job.uuid in done.output
    files = job.outputs.retrieved.base.repository
    assert "last.xyz" in files.list_object_names()
    energy = float(re.search(r"energy (\S+)", files.get_object_content("energy.txt"))[1])
    atoms.calc = EAM(potential=str(eam_file))
    assert energy == pytest.approx(atoms.get_potential_energy(), abs=1e-4)
    made_by = {node.creator for node in job.inputs.files.values() if node.creator}
    (conversion,) = made_by
    assert conversion.inputs.potential.kind == "eam/alloy"


def test_what_is_wrong_is_said(lmp_code, own, eam_file) -> None:
    folder, _ = own
    done = run(lmp_code, folder, "--potential-file", str(eam_file), "--types", "Au")
    assert done.exit_code == 2 and "knows Cu but not Au" in " ".join(done.output.split())


@pytest.mark.parametrize(
    ("script", "arguments", "reason"),
    [
        (SCRIPT, (), "includes potential.lmp: give a potential"),
        (SCRIPT.replace("include potential.lmp", ""), ("EAM",), "has no line `include pot"),
        (
            SCRIPT.replace("metal", "real"),
            ("EAM",),
            "real units: these potentials need `units metal`",
        ),
        (SCRIPT, ("EAM", "--file", "{folder}/input.in"), "a file of that name: rename it"),
        (
            SCRIPT.replace("units metal", "include 'start'"),
            ("EAM", "--file", "{folder}/start"),
            "real units: these potentials need `units metal`",
        ),
    ],
)
def test_refused_before_anything_is_submitted(
    lmp_code, own, eam_file, script, arguments, reason
) -> None:
    folder, _ = own
    (folder / "in.own").write_text(script)
    (folder / "input.in").write_text("")
    (folder / "start").write_text("# metal?\nunits &\n  real\n")
    own_arguments = [text.format(folder=folder) for text in arguments]
    if "EAM" in own_arguments:
        own_arguments[0:1] = ["--potential-file", str(eam_file)]
    done = run(lmp_code, folder, *own_arguments)
    assert done.exit_code == 2 and reason in " ".join(done.output.split())
