"""export: the files of a result, read back by what a user would read them with."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import ase.io
import numpy as np
import pandas
import pytest
from aiida import orm
from ase.cluster import Icosahedron
from click.testing import CliRunner
from numpy.testing import assert_allclose

import aiida_nanoclusters as nc
from aiida_nanoclusters.calculations.sampling.anneal import rank_structures
from aiida_nanoclusters.cli.main import cli
from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.data.potential import PotentialData
from aiida_nanoclusters.data.tables import tables_of, to_dataframe
from aiida_nanoclusters.formats.potential_calculator import calculator
from tests.cli.report.test_collect import (
    dataset_outputs,  # noqa: F401  (fixture)
    frames_of,
    hand_on,
    labelled,
    potential,  # noqa: F401  (fixture)
    process,
    train_outputs,  # noqa: F401  (fixture)
)

pytestmark = pytest.mark.usefixtures("aiida_profile")


def invoke(*arguments):
    return CliRunner().invoke(cli, ["export", *map(str, arguments)])


def ended():
    """Runs of Cu13: two end in the icosahedron, one higher."""
    perfect = Icosahedron("Cu", 2)
    perfect.set_tags(0)
    other = perfect.copy()
    other.positions[5] += [1.5, 0.8, 0.3]
    images = [labelled(perfect, -30.0, "cluster", f"Cu13-00{k}") for k in (0, 1)]
    return FramesData(frames_of([*images, labelled(other, -29.0, "cluster", "Cu13-002")]))


@pytest.fixture(scope="module")
def annealed(aiida_profile):
    node = process(orm.WorkChainNode, "AnnealWorkChain")
    hand_on(node, rank_structures(orm.Int(2), annealed_0=ended()))
    return node


@pytest.fixture(scope="module")
def written(annealed, tmp_path_factory):
    out = tmp_path_factory.mktemp("export")
    done = invoke(
        annealed.uuid, "--xyz", out / "lowest.xyz", "--csv", out / "csv", "--figures", out / "fig",
        "--format", "svg,png",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert {Path(line) for line in done.output.split()} == {p for p in out.rglob("*.*")}
    return out


def test_structures_say_what_they_are(written) -> None:
    lowest, other = ase.io.read(written / "lowest.xyz", ":")
    for key, value in {
        "rank": 0, "point_group": "Ih", "motif": "icosahedral", "hits": 2, "runs": 3,
        "relative_energy": 0.0, "level_of_theory": "made up", "result": "structures",
    }.items():  # fmt: skip
        assert lowest.info[key] == value, key
    assert lowest.get_potential_energy() == -30.0
    assert (other.info["rank"], other.info["relative_energy"]) == (1, 1.0)
    assert "hits" not in other.info  # which are counted for the lowest only
    assert [len(atoms) for atoms in nc.read_frames(written / "lowest.xyz")] == [13, 13]


def test_tables_and_data_frames_are_the_same(written, annealed) -> None:
    table = pandas.read_csv(written / "csv" / "table.csv")
    frame = to_dataframe(annealed.outputs.table)
    assert [name.split(" (")[0] for name in table] == list(frame)
    assert table["energy (eV)"].tolist() == frame["energy"].tolist() == [-30.0, -29.0]
    assert frame.attrs["units"]["energy"] == "eV" and "rank" not in frame.attrs["units"]
    held = annealed.outputs.structures.to_dataframe()
    assert held["formula"].tolist() == ["Cu13", "Cu13"]
    assert_allclose(held["binding_energy"], (13 * -0.5 - held["energy"]) / 13)
    assert_allclose(held["max_force"], 0.1 * np.sqrt(3))
    both = pandas.read_csv(written / "csv" / "structures.csv")
    assert both["point_group"].tolist()[0] == "Ih" and both["size (atoms)"].tolist() == [13, 13]


def test_figures_are_of_the_formats_asked_for(written) -> None:
    names = {path.name for path in (written / "fig").iterdir()}
    assert names == {f"{n}.{e}" for n in ("isomers", "energies") for e in ("svg", "png")}


def test_a_training_has_its_errors_curves_and_parity(train_outputs, tmp_path) -> None:  # noqa: F811
    node = process(orm.WorkChainNode, "TrainWorkChain")
    hand_on(node, train_outputs)
    done = invoke(node.uuid, "--csv", tmp_path / "csv", "--figures", tmp_path, "--format", "svg")
    assert done.exit_code == 0, done.output
    assert {"learning-curves.svg", "parity-test.svg"} <= {p.name for p in tmp_path.iterdir()}
    with (tmp_path / "csv" / "errors.csv").open() as handle:
        rows = list(csv.DictReader(handle))
    overall = next(r for r in rows if (r["part"], r["group"]) == ("test", "all frames"))
    assert float(overall["energy_rmse (meV/atom)"]) == pytest.approx(4.0)
    parity = pandas.read_csv(tmp_path / "csv" / "parity.test_energies.csv")
    errors = parity["seed_1 (eV/atom)"] - parity["reference (eV/atom)"]
    assert_allclose(errors, 0.004)


def test_a_data_set_is_a_table_of_its_frames(dataset_outputs, tmp_path) -> None:  # noqa: F811
    node = process(orm.WorkChainNode, "DatasetWorkChain")
    hand_on(node, dataset_outputs)
    done = invoke(node.uuid, "--csv", tmp_path, "--xyz", tmp_path / "all.xyz")
    assert done.exit_code == 0, done.output
    frame = pandas.read_csv(tmp_path / "training.csv")
    assert len(frame) == len(dataset_outputs["training"])
    images = ase.io.read(tmp_path / "all.xyz", ":")
    parts = [atoms.info["result"] for atoms in images]
    assert parts.count("training") == len(frame) and "rank" not in images[0].info


# -- potentials ------------------------------------------------------------------------------


def test_lammps_and_ase_agree_with_the_lines_that_are_written(potential, tmp_path) -> None:  # noqa: F811
    done = invoke(potential.uuid, "--potential", tmp_path)
    assert done.exit_code == 0, done.output
    lines = (tmp_path / "potential.lmp").read_text()
    assert "pair_coeff * * potential.eam.alloy Cu" in lines and "run it in this folder" in lines
    lmp = Path(sys.executable).with_name("lmp")
    ran = subprocess.run([lmp, "-in", "in.example"], cwd=tmp_path, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout
    lines = ran.stdout.splitlines()
    energy = float(lines[next(k for k, s in enumerate(lines) if "PotEng" in s) + 1].split()[1])
    pair = ase.Atoms("Cu2", [[0, 0, 0], [2.4, 0, 0]])
    for own in (calculator(tmp_path / "potential.eam.alloy"), potential.get_calculator()):
        pair.calc = own
        assert pair.get_potential_energy() == pytest.approx(energy, abs=1e-7)


def test_a_compiled_model_comes_with_the_line_of_the_plugin(aiida_profile, tmp_path, monkeypatch):
    from aiida_nanoclusters.cli.export.potentials import lammps_lines

    (tmp_path / "allegroplugin.so").touch()
    monkeypatch.setenv("LAMMPS_PLUGIN_PATH", str(tmp_path))
    node = PotentialData.from_calculator("ase.calculators.emt:EMT", ["Cu"], level_of_theory="EMT")
    lines = lammps_lines(node.store(), ["Cu", "Cu"])
    assert f'plugin load "{tmp_path}/allegroplugin.so"' in [s.replace("'", '"') for s in lines]
    assert lines[-1] == "pair_coeff * * calculator.json Cu Cu"


def test_elements_that_a_potential_lacks_are_refused(potential, tmp_path) -> None:  # noqa: F811
    done = invoke(potential.uuid, "--potential", tmp_path, "--types", "Cu,Au")
    assert done.exit_code == 2
    assert "the potential knows Cu but not Au" in done.output


# -- what is refused -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "nothing to write: give --xyz, --csv, --figures, --potential"),
        (("--figures", "{out}", "--format", "eps"), "`eps` is no format of figures: pdf, svg, png"),
        (("--potential", "{out}"), "has no potentials"),
    ],
)
def test_wrong_calls_are_one_line(annealed, arguments, message, tmp_path) -> None:
    given = [str(a).format(out=tmp_path) for a in arguments]
    done = invoke(annealed.uuid, *given)
    assert done.exit_code == 2 and message in done.output
    assert len(done.output.strip().splitlines()) <= 2


def test_what_a_result_lacks_is_said_beside_what_it_has(annealed, tmp_path) -> None:
    done = CliRunner().invoke(
        cli,
        ["export", annealed.uuid, "--xyz", str(tmp_path / "a.xyz"), "--potential", str(tmp_path)],
    )
    assert done.exit_code == 0 and "has no potentials" in done.output
    assert (tmp_path / "a.xyz").is_file()


def test_nodes_without_a_table_are_refused_and_several_named(aiida_profile) -> None:
    with pytest.raises(ValueError, match=r"Str .* holds no table"):
        to_dataframe(orm.Str("text").store())
    node = orm.Dict({"rows": [{"size": 1}], "magic": [{"size": 2}], "n": 3})
    assert list(tables_of(node)) == ["", "magic"]
    with pytest.raises(ValueError, match="holds the tables '', magic: name one"):
        to_dataframe(node, "none")
    assert to_dataframe(node, "magic")["size"].tolist() == [2]


def test_queries_come_as_data_frames(annealed) -> None:
    from aiida_nanoclusters import queries

    found = queries.find_structures("Cu13", level="made up")
    frame = found.to_dataframe()
    assert frame["energy"].tolist() == [row.energy for row in found]
    assert json.loads(frame.to_json())
    assert queries.find_structures("Cu99").to_dataframe().empty


def test_pandas_that_is_missing_is_one_line_with_the_extra(annealed, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ModuleNotFoundError, match=r'pip install "aiida-nanoclusters\[study\]"'):
        annealed.outputs.structures.to_dataframe()
