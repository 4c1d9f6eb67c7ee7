"""The command `explain`: what is told of a node, and the picture of its stages."""

import json
import re
from xml.etree import ElementTree

import pytest
from aiida.orm import Int, Node, QueryBuilder
from aiida.tools.archive import import_archive
from click.testing import CliRunner

from aiida_nanoclusters import __version__
from aiida_nanoclusters.cli.main import cli
from aiida_nanoclusters.cli.stage_picture import draw
from aiida_nanoclusters.queries.stages import Material, Stage, StageGraph
from tests.queries.conftest import labellings, other_potential  # noqa: F401

#: Written by other plugins, some by old versions of AiiDA.
ARCHIVES = ("arithmetic.add", "dos_wc_Cu", "export_main_0001_simple", "scf_wc_Cu_simple")


def explain(*arguments: str):
    return CliRunner().invoke(cli, ["explain", *map(str, arguments)])


def test_labelled_frames(labellings, other_potential) -> None:  # noqa: F811
    run = labellings[1]
    frames = run.outputs.frames
    shown = explain(frames.uuid)
    assert shown.exit_code == 0, shown.output
    for text in (
        "3 frames of Cu with 2 to 13 atoms, all labelled by EAM/u3",
        f"as a part of LabelWorkChain, finished\n    {run.uuid}",
        "lmp on localhost, 1 job",
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
    assert "a person stored it" in upward.output


def test_a_process_tells_its_inputs_and_numbers(labellings) -> None:  # noqa: F811
    shown = explain(labellings[0].uuid)
    assert "frames: 3 frames of Cu with 2 to 13 atoms, unlabelled" in shown.output
    assert "potential.potential: a potential of the kind eam/alloy" in shown.output
    assert "batch_size (LabelWorkChain): 500" in shown.output


def test_failures_are_told_with_what_became_of_them(code_on, eam_potential) -> None:
    from aiida.engine import run_get_node

    from aiida_nanoclusters.data.frames import FramesData
    from aiida_nanoclusters.workflows.label import LabelWorkChain
    from tests.queries.conftest import images

    code = code_on("false", "/bin/false")
    frames = FramesData(images(77)).store()
    builder = LabelWorkChain.get_builder_for_potential(code, frames, eam_potential)
    _, node = run_get_node(builder)
    shown = explain(node.uuid)
    assert "Failed on the way" in shown.output
    assert re.search(r"EvaluateCalculation \[310\] LAMMPS wrote no log", shown.output)
    assert "its work chain dealt with it" not in shown.output


def test_pictures(labellings, tmp_path) -> None:  # noqa: F811
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


def test_full_picture_needs_graphviz_and_says_so(labellings, tmp_path, monkeypatch) -> None:  # noqa: F811
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
        (("{int}", "--full"), "name the file by --graph"),
        (("{int}", "--graph", "x.svg"), "nothing to draw"),
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
    """Many stages and data, a circle among them: a picture all the same."""
    stages = {
        n: Stage(n, f"uuid-{n}", f"Stage{n}", "finished", 0, frozenset({n})) for n in range(9)
    }
    materials = tuple(
        Material("FramesData", (f"d{n}",), (f"data-{n}",), n if n else None, ((n + 1) % 9, 8))
        for n in range(9)
    )
    root = ElementTree.fromstring(draw(StageGraph(stages, materials), "<all>"))
    name = "{http://www.w3.org/2000/svg}"
    boxes = [
        tuple(float(box.get(key)) for key in ("x", "y", "width", "height"))
        for box in root.iter(f"{name}rect")
    ]
    assert len(boxes) == 18
    for i, (x, y, w, h) in enumerate(boxes):
        for x2, y2, w2, h2 in boxes[:i]:
            assert x + w <= x2 or x2 + w2 <= x or y + h <= y2 or y2 + h2 <= y
    assert draw(StageGraph({}, ()), "nothing") == ""
