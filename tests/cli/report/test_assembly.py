"""The assembly of a trajectory whose answer is known: what is printed, recorded and drawn."""

import gzip
import json
import re

import numpy as np
import pytest
from aiida import orm
from aiida.engine import workfunction
from ase import Atoms
from ase.io import write
from click.testing import CliRunner

from aiida_nanoclusters.calculations.nucleation.assembly import analyse_assembly
from aiida_nanoclusters.cli.main import cli
from aiida_nanoclusters.cli.report.assembly import (
    AssemblyPart,
    answer,
    collect_assembly,
    structures_of,
)
from aiida_nanoclusters.cli.report.assembly_pictures import clusters_in_time, order_in_time, tree
from aiida_nanoclusters.cli.report.viewer import pack
from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.science.nucleation.assembly_report import report_assembly
from tests.cli.report.test_browser import browse, chromium  # noqa: F401  (fixture)
from tests.cli.report.test_collect import hand_on, process
from tests.cli.report.test_report import Page
from tests.science.nucleation.known_assembly import known_frames

TYPES = {"Ag": 1, "S": 2, "N": 3}
#: The answer to :func:`known_frames` half a picosecond apart.
ANSWER = """\
1 Ag6 octahedron. From 6 × Ag2 in 19.5 ps; the first octahedron from 10 ps.
12 Ag atoms, followed for 40 frames. Two of them are linked up to 3.4 Å, or where S (up to 2.9 Å) \
or N (up to 2.6 Å) binds both, once that has lasted for 3 frames. 2 events. At the end: 1 × Ag6, \
3 × Ag2.

Clusters
        0 ps  6 × Ag2
        5 ps  1 × Ag4, 4 × Ag2
       10 ps  1 × Ag6, 3 × Ag2

Events
        5 ps  #1 Ag2 + #2 Ag2 → #7 Ag4
       10 ps  #3 Ag2 + #7 Ag4 → #8 Ag6

Mean Ag-Ag coordination
  1.00, then 1.33 from 5 ps, 2.52 from 10 ps

Nuclei at the end
  #8 Ag6 from 10 ps to the end; octahedron from 10 ps: RMSD 0.00 Å, edge 2.97 Å, no broken edge
"""


def timed_frames():
    frames = known_frames()
    for number, atoms in enumerate(frames):
        atoms.info["time"] = 0.5 * number
    return frames


def write_dump(path, frames, column=""):
    """As parallel LAMMPS writes them: atoms in any order."""
    rng = np.random.default_rng(0)
    text = ""
    for step, atoms in enumerate(frames):
        text += f"ITEM: TIMESTEP\n{100 * step}\nITEM: NUMBER OF ATOMS\n{len(atoms)}\n"
        text += "ITEM: BOX BOUNDS pp pp pp\n" + "0.0 50.0\n" * 3
        text += f"ITEM: ATOMS id type{column} x y z\n"
        for k in rng.permutation(len(atoms)):
            symbol = atoms.symbols[k]
            place = " ".join(repr(float(x)) for x in atoms.positions[k])
            text += f"{k + 1} {TYPES[symbol]}{f' {symbol}' if column else ''} {place}\n"
    path.write_text(text)


def invoke(*arguments):
    return CliRunner().invoke(cli, ["analyse-assembly", *map(str, arguments)])


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("assembly")
    write(folder / "known.extxyz", timed_frames(), format="extxyz")
    packed = gzip.compress((folder / "known.extxyz").read_bytes())
    (folder / "known.extxyz.gz").write_bytes(packed)
    write_dump(folder / "types.lammpstrj", known_frames())
    write_dump(folder / "elements.lammpstrj", known_frames(), " element")
    write(folder / "known.traj", timed_frames())
    return folder


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("known.extxyz", ()),
        ("known.extxyz.gz", ()),
        ("types.lammpstrj", ("--types", "Ag,S,N", "--interval", "0.5")),
        ("elements.lammpstrj", ("--interval", "0.5")),
        ("known.traj", ("--interval", "0.5")),
    ],
)
def test_the_known_answer_of_a_file(files, name, options, monkeypatch):
    """Without a profile: nothing is loaded or stored."""
    monkeypatch.setattr("aiida_nanoclusters.cli.report.analyse_assembly.open_profile", None)
    done = invoke(files / name, *options)
    assert done.exit_code == 0, done.output
    assert done.output.strip() == ANSWER.strip()


def test_a_dump_that_was_cut_short_has_the_frames_before(files, tmp_path):
    text = (files / "elements.lammpstrj").read_text()
    whole = "ITEM: TIMESTEP".join(text.split("ITEM: TIMESTEP")[:31])
    (tmp_path / "cut.lammpstrj").write_text(text[: len(whole) + 300])
    done = invoke(tmp_path / "cut.lammpstrj")
    assert done.exit_code == 0 and "followed for 30 frames" in done.output


def test_the_known_answer_of_a_node(aiida_profile_clean, tmp_path):
    """It is recorded: the events are in a node, and `report` finds them by the process."""
    frames = FramesData(timed_frames()).store()
    done = invoke(frames.uuid, "--out", tmp_path / "assembly.html")
    assert done.exit_code == 0, done.output
    assert done.output.startswith(ANSWER)
    uuid = re.search(r"^assembly ([0-9a-f-]{36})$", done.output, re.M)[1]
    node = orm.load_node(uuid)
    assert [(e["frame"], e["time"], e["kind"]) for e in node["events"]] == [
        (10, 5.0, "meet"),
        (20, 10.0, "meet"),
    ]
    creator = node.creator
    assert creator.process_type == "aiida.calculations:nanoclusters.analyse_assembly"
    assert creator.inputs.frames.uuid == frames.uuid
    assert len(creator.outputs.nuclei) == 1 and creator.outputs.nuclei.elements == ["Ag"]
    page = Page((tmp_path / "assembly.html").read_text())
    out = tmp_path / "again.html"
    again = CliRunner().invoke(cli, ["report", creator.uuid, "--out", str(out)])
    assert again.exit_code == 0, again.output
    parts = {"answer", "assembly", "clusters", "tree", "order", "structures", "provenance"}
    for found in (page, Page(out.read_text())):
        assert parts <= set(found.ids)
        assert frames.uuid in found.text and uuid in found.text


@workfunction
def study(frames):
    return analyse_assembly(frames, orm.Dict({"lasting": 2}))


def test_the_analysis_that_a_workflow_called(aiida_profile_clean):
    frames = FramesData(timed_frames()).store()
    _, node = study.run_get_node(frames)
    part = collect_assembly(node)
    assert part.report["settings"]["lasting"] == 2 and len(part.nuclei) == 1
    assert collect_assembly(process(orm.WorkChainNode, "NucleateWorkChain")) is None


def test_other_nodes_and_files_that_are_recorded(aiida_profile_clean, files):
    """A TrajectoryData with its times, a process with an output `trajectory`, an imported file."""
    images = timed_frames()
    trajectory = orm.TrajectoryData()
    trajectory.set_trajectory(
        images[0].get_chemical_symbols(),
        np.array([atoms.positions for atoms in images]),
        cells=np.array([atoms.cell.array for atoms in images]),
        times=np.array([atoms.info["time"] for atoms in images]),
        pbc=[True] * 3,
    )
    made = process(orm.WorkChainNode, "StagesWorkChain")
    hand_on(made, {"trajectory": FramesData(images)})
    for arguments in (
        (trajectory.store().uuid,),
        (made.uuid,),
        (files / "known.extxyz", "--record"),
    ):
        done = invoke(*arguments)
        assert done.exit_code == 0, done.output
        assert done.output.startswith(ANSWER)
        assert re.search(r"^Next: aiida-nanoclusters report [0-9a-f-]{36} ", done.output, re.M)


def two_runs():
    images = timed_frames()
    for atoms in images[20:]:
        atoms.info["time"] -= 10.0
    return images


def of_structures():
    images = timed_frames() + timed_frames()
    for number, atoms in enumerate(images):
        atoms.info["structure"] = number // 40
    return images


def test_one_of_several_structures(tmp_path):
    write(tmp_path / "several.extxyz", of_structures(), format="extxyz")
    done = invoke(tmp_path / "several.extxyz", "--structure", 1)
    assert done.output.strip() == ANSWER.strip()


def lost():
    images = known_frames()
    images[7].positions[3] = np.nan
    return images


GOLD = [Atoms("Au2S", positions=[[0, 0, 0], [2.8, 0, 0], [1.4, 2, 0]])] * 5
PAIR = Atoms("Ag2", positions=[[0, 0, 0], [2.9, 0, 0]])
WRONG = [
    (GOLD, (), r"no Ag in the frames, which hold Au, S: give the element .* \(--metal\)"),
    ([PAIR, PAIR, PAIR + Atoms("Ag", [[9, 9, 9]])], (), "frame 2 holds other atoms"),
    ([PAIR, Atoms("AgS", PAIR.positions)], (), "frame 1 holds other atoms"),
    (lost(), (), "frame 7 has positions or a cell that are not finite numbers: remove it"),
    (two_runs(), (), "frame 20 is at 0 ps, the one before at 9.5 ps: .* by --interval"),
    (of_structures(), (), "frame 40 is of structure 1, .* by --structure"),
    (of_structures(), ("--structure", 2), "no frame is of structure 2"),
    ([PAIR], ("--metal-distance", "-1"), "`metal_distance` is -1.0: .* greater than 0 Å"),
    ([PAIR], ("--bridge", "S"), "write it as S=2.9"),
    ([PAIR], ("--bridge", "Xx=2"), "`Xx` is no element"),
    ([PAIR], ("--bridge", "Ag=2"), "other elements than `metal`"),
    ([PAIR], ("--lasting", "0"), "`lasting` is 0"),
]


@pytest.mark.parametrize(("images", "options", "message"), WRONG)
def test_a_wrong_trajectory_is_one_line_with_the_fix(images, options, message, tmp_path):
    write(tmp_path / "wrong.extxyz", images, format="extxyz")
    out = tmp_path / "assembly.html"
    done = invoke(tmp_path / "wrong.extxyz", "--out", out, *options)
    assert done.exit_code == 2, done.output
    assert re.search(message, done.output) and "Traceback" not in done.output
    assert len(done.output.strip().splitlines()) == 1 and not out.exists()


HEAD = "ITEM: TIMESTEP\n0\nITEM: NUMBER OF ATOMS\n{}\nITEM: BOX BOUNDS pp pp pp\n0 9\n0 9\n0 9\n"
BROKEN = [
    ("", "is empty"),
    ("2\n\nAg 0 0 0\n", "ends after"),
    ("nonsense\n" * 9, "cannot be read"),
    (HEAD.format(1) + "ITEM: ATOMS id type x y z\n1 1 0 0 0\n", "--types"),
    (HEAD.format(10**12) + "ITEM: ATOMS id element x y z\n1 Ag 0 0 0\n", "atoms"),
    (HEAD.format("many") + "ITEM: ATOMS id element x y z\n1 Ag 0 0 0\n", "number of atoms"),
    (HEAD.format(1) + "ITEM: ATOMS id element x y z\n1 Ag nothing 0 0\n", "cannot be read"),
    (HEAD.format(1) + "ITEM: ATOMS id element x y z\n1 Ag nan 0 0\n", "not finite"),
]


@pytest.mark.parametrize(("text", "message"), BROKEN)
def test_a_broken_file_is_one_line(text, message, tmp_path):
    (tmp_path / "broken.xyz").write_text(text)
    done = invoke(tmp_path / "broken.xyz")
    assert done.exit_code == 2, done.output
    assert message in done.output and "Traceback" not in done.output


def test_wrong_nodes_are_one_line(aiida_profile_clean):
    gold, several = FramesData(GOLD).store(), FramesData(two_runs()).store()
    number = orm.Int(1).store()
    for arguments, message in (
        (
            (gold.uuid,),
            "no Ag in the frames, which hold Au, S: give the element of the core (--metal)",
        ),
        ((several.uuid,), "by --interval"),
        ((number.uuid,), "is a Int, no FramesData"),
        (("missing.extxyz",), "no node `missing.extxyz`"),
        ((gold.uuid, "--metal", "Au", "--types", "Au"), "leave out --record"),
    ):
        done = invoke(*arguments)
        assert done.exit_code == 2, done.output
        assert message in done.output and "Traceback" not in done.output
    assert invoke(gold.uuid, "--metal", "Au").exit_code == 0


def test_hints(tmp_path):
    """One frame has clusters and no events; frames without times are counted."""
    write(tmp_path / "one.extxyz", PAIR, format="extxyz")
    done = invoke(tmp_path / "one.extxyz")
    assert done.exit_code == 0 and "1 × Ag2" in done.stdout
    assert "1 frame: an event needs more than 3 (--lasting)" in done.stderr
    write(tmp_path / "known.extxyz", known_frames(), format="extxyz")
    done = invoke(tmp_path / "known.extxyz", "--lasting", 1)
    assert "frame 10  #1 Ag2 + #2 Ag2 → #7 Ag4" in done.stdout
    assert "frame 31  #9 Ag4 → #10 Ag2 + #11 Ag2" in done.stdout
    assert done.stderr.strip().endswith("--interval")


def part_of(frames, **options):
    found = report_assembly(frames, **options)
    return AssemblyPart(found.report, found.series, found.nuclei, {})


def test_pictures_hold_the_numbers():
    part = part_of(timed_frames())
    sizes = {trace.name: trace for trace in clusters_in_time(part).figure.data}
    assert list(sizes["Ag6"].x) == [0, 5, 10, 19.5] and list(sizes["Ag6"].y) == [0, 0, 6, 6]
    assert list(sizes["Ag2"].y) == [12, 8, 6, 6]
    plateaus = sizes["plateaus of the coordination"]
    assert list(plateaus.x) == [0, 5, 10, 19.5] and plateaus.y[0] == pytest.approx(1)
    found = tree(part)
    lines = {trace.name: trace for trace in found.figure.data}
    assert lines["becomes an octahedron"].x == (10.0,)
    assert list(lines["Ag6"].x)[:3] == [10.0, 14.75, 19.5]
    # dimers that meet lie beside each other, and the nucleus in their middle
    heights = {t.split()[0]: y for t, y in zip(lines["Ag2"].text, lines["Ag2"].y, strict=True) if t}
    assert [heights[f"#{k}"] for k in (1, 2, 3)] == [-0.5, -2.5, -4.5]
    assert lines["Ag3 to Ag5"].y[0] == -1.5 and lines["Ag6"].y[0] == -2.5
    (curve,) = order_in_time(part).figure.data
    assert np.isnan(curve.y[:20].astype(float)).all() and np.allclose(curve.y[20:], 0, atol=1e-6)
    assert tree(part_of([PAIR] * 5)) is None and order_in_time(part_of([PAIR] * 5)) is None


def test_structures_by_element_with_their_bonds():
    """The octahedron has twelve bonds between metal atoms; the viewer gets them and colours."""
    part = part_of(timed_frames())
    (structure,) = structures_of(part)
    assert len(structure.bonds) == 12 and (structure.coordination == 4).all()
    (packed,) = json.loads(pack([structure]))["structures"]
    assert packed["symbols"] == ["Ag"] * 6 and len(packed["colours"]) == 6
    assert packed["text"].startswith("from 10 ps to the end; octahedron from 10 ps: RMSD 0.00 Å")
    assert answer(part_of([PAIR] * 5))[0] == "No cluster of six Ag atoms or more"


def test_a_browser_draws_it(chromium, files, tmp_path):  # noqa: F811
    done = invoke(files / "known.extxyz", "--out", tmp_path / "study.html")
    assert done.exit_code == 0, done.output
    result = browse(chromium, tmp_path, "--dump-dom")
    console = [line for line in result.stderr.splitlines() if "CONSOLE" in line]
    assert not [line for line in console if re.search(r"error|refused|violat|failed", line, re.I)]
    assert result.stdout.count('class="plot js-plotly-plot"') == 3
    assert "Ag: 6" in result.stdout and 'id="provenance"' not in result.stdout
