"""The command `explain`: what is told of a node, and the picture of its steps."""

import json
import re
from xml.etree import ElementTree

import pytest
from aiida.orm import Int, Node, QueryBuilder, Str
from aiida.tools.archive import import_archive
from click.testing import CliRunner

from aiida_nanoclusters import __version__
from aiida_nanoclusters.cli.find import explain as module
from aiida_nanoclusters.cli.find.provenance_graph import draw
from aiida_nanoclusters.cli.main import cli
from aiida_nanoclusters.queries.steps import Material, Step, StepGraph

#: Written by other plugins, some by old versions of AiiDA.
ARCHIVES = ("arithmetic.add", "dos_wc_Cu", "export_main_0001_simple", "scf_wc_Cu_simple")


def explain(*arguments: str):
    return CliRunner().invoke(cli, ["explain", *map(str, arguments)])


def test_labelled_frames(labellings, other_potential) -> None:
    run = labellings[1]
    frames = run.outputs.frames
    shown = explain(frames.uuid)
    assert shown.exit_code == 0, shown.output
    for text in (
        "3 frames of Cu with 2 to 13 atoms, all labelled by EAM/u3",
        f"called by LabelWorkChain, finished\n    {run.uuid}",
        "lmp on localhost",  # and which, where an import brought a second one
        ", 1 job: ",
        f"aiida-nanoclusters {__version__}",
        "LabelWorkChain: 1 job",
    ):
        assert text in shown.output, shown.output
    told = json.loads(explain(frames.uuid, "--json").output)
    assert told["made_by"]["uuid"] == frames.creator.uuid
    (stage,) = told["graph"]["stages"]
    assert stage["uuid"] == run.uuid and stage["processes"] > 3
    assert other_potential.uuid in {u for m in told["graph"]["materials"] for u in m["uuids"]}
    assert told["costs"][0]["jobs"] == 1 and told["costs"][0]["core_hours"] >= 0
    upward = explain(other_potential.uuid)
    assert "a potential of the kind eam for Cu" in upward.output
    assert f"LabelWorkChain\n    {run.uuid}" in upward.output
    assert "no process: it was stored by hand" in upward.output


def test_a_process_tells_its_inputs_and_numbers(labellings) -> None:
    shown = explain(labellings[0].uuid)
    assert "frames: 3 frames of Cu with 2 to 13 atoms, unlabelled" in shown.output
    assert "potential.potential: a potential of the kind eam/alloy" in shown.output
    assert "LabelWorkChain: batch_size 500;" in shown.output
    assert max(map(len, shown.output.splitlines())) <= 80


def test_failures_are_told_with_what_became_of_them(code_on, eam_potential) -> None:
    from aiida.engine import run_get_node

    from aiida_nanoclusters.data.frames import FramesData
    from aiida_nanoclusters.workflows.labels.label import LabelWorkChain
    from tests.labellings import images

    code = code_on("false", "/bin/false")
    frames = FramesData(images(77)).store()
    builder = LabelWorkChain.get_builder_for_potential(code, frames, eam_potential)
    _, node = run_get_node(builder)
    shown = explain(node.uuid)
    assert "Failed processes" in shown.output
    assert re.search(r"EvaluateCalculation \[310\] LAMMPS wrote no log", shown.output)
    assert "its work chain recovered" not in shown.output


def test_pictures(labellings, tmp_path) -> None:
    frames = labellings[0].outputs.frames
    for name in ("origin.svg", "new/origin.html"):
        shown = explain(frames.uuid, "--graph", tmp_path / name)
        assert shown.exit_code == 0, shown.output
        assert str(tmp_path / name) in shown.output
    root = ElementTree.fromstring((tmp_path / "origin.svg").read_text())
    text = " ".join(root.itertext())
    for word in ("LabelWorkChain", "PotentialData", frames.uuid, labellings[0].uuid):
        assert word in text
    assert "<svg" in (tmp_path / "new/origin.html").read_text()


def test_full_picture_needs_graphviz_and_says_so(labellings, tmp_path, monkeypatch) -> None:
    import shutil

    frames = labellings[0].outputs.frames
    target = tmp_path / "all.svg"
    if shutil.which("dot"):
        shown = explain(frames.uuid, "--graph", target, "--full")
        assert shown.exit_code == 0, shown.output
        drawn = "".join(ElementTree.fromstring(target.read_text()).itertext())
        assert "EvaluateCalculation" in drawn and "take_known" not in drawn
        target.unlink()
    monkeypatch.setenv("PATH", str(tmp_path))
    shown = explain(frames.uuid, "--graph", target, "--full")
    assert shown.exit_code == 2 and "apt install graphviz" in shown.output
    assert not target.exists()
    assert explain(frames.uuid, "--graph", target).exit_code == 0  # stages need none


@pytest.mark.parametrize("archive", ARCHIVES)
def test_every_node_of_foreign_archives(aiida_profile_clean, shared_data, archive) -> None:
    path = shared_data / "aiida_archives" / f"{archive}.aiida"
    import_archive(path)
    nodes = QueryBuilder().append(Node, project=["uuid"]).all(flat=True)
    assert nodes
    for uuid in nodes:
        shown = explain(uuid)
        assert shown.exit_code == 0, shown.output
        assert uuid in shown.output.splitlines()[0]
        assert "None" not in shown.output.splitlines()[1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("ffffffff",), "no node `ffffffff`"),
        (("not-a-uuid",), "no node `not-a-uuid`"),
        (("999999999",), "no node `999999999`"),
        (("{int}", "--graph", "x.png"), "neither .svg nor .html"),
        (("{int}", "--full"), "name its file by --graph"),
        (("{int}", "--graph", "x.svg"), "has no provenance to draw: no process created it"),
        (("{int}", "--profile", "nobody"), "no AiiDA profile `nobody`"),
    ],
)
def test_wrong_calls_are_one_line_with_a_fix(
    aiida_profile, tmp_path, monkeypatch, arguments, message
) -> None:
    monkeypatch.chdir(tmp_path)
    number = Int(1).store()
    before = QueryBuilder().append(Node).count()
    shown = explain(*(a.format(int=number.uuid) for a in arguments))
    assert shown.exit_code == 2, shown.output
    assert message in shown.output and len(shown.output.strip().splitlines()) == 1
    assert QueryBuilder().append(Node).count() == before
    assert not list(tmp_path.iterdir())


def test_boxes_do_not_overlap_and_arrows_go_down() -> None:
    """Many steps and data, a circle among them: a picture all the same."""
    steps = {n: Step(n, f"uuid-{n}", f"Step{n}", "finished", 0, frozenset({n})) for n in range(9)}
    materials = tuple(
        Material("FramesData", (f"d{n}",), (f"data-{n}",), n if n else None, ((n + 1) % 9, 8))
        for n in range(9)
    )
    root = ElementTree.fromstring(draw(StepGraph(steps, materials), "<all>"))
    name = "{http://www.w3.org/2000/svg}"
    boxes = [
        tuple(float(box.get(key)) for key in ("x", "y", "width", "height"))
        for box in root.iter(f"{name}rect")
    ]
    assert len(boxes) == 18
    for i, (x, y, w, h) in enumerate(boxes):
        for x2, y2, w2, h2 in boxes[:i]:
            assert x + w <= x2 or x2 + w2 <= x or y + h <= y2 or y2 + h2 <= y
    assert draw(StepGraph({}, ()), "nothing") == ""


@pytest.mark.parametrize(
    "text", ["<<TABLE HREF='javascript:alert(1)'><TR><TD>x</TD></TR></TABLE>>", "a>", "b\x1b[2J"]
)
def test_labels_of_others_are_no_html_of_graphviz(aiida_profile, text) -> None:
    shown = module._sublabel(Str(text).store())
    assert not set("<>\x1b") & set(shown)
    linked = '<g><a xlink:href="javascript:alert(1)" xlink:title="t"><text>x</text></a></g>'
    assert module._LINK.sub("", linked) == '<g><a xlink:title="t"><text>x</text></a></g>'
