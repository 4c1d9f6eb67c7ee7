"""Melting and coverage in a report: from nodes to a page that a browser draws."""

import re

import numpy as np
import pytest
from aiida import orm
from ase.build import bulk
from click.testing import CliRunner

from aiida_nanoclusters.calculations.learning.coverage import compare_environments
from aiida_nanoclusters.cli.main import cli
from aiida_nanoclusters.cli.report.collect import collect
from aiida_nanoclusters.cli.report.command import render
from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.science import keys
from aiida_nanoclusters.science.melting.melting import Point, curve_arrays, judge_melting
from aiida_nanoclusters.science.structures.motifs import mackay_icosahedron
from tests.cli.report.test_browser import browse, chromium  # noqa: F401  (fixture)
from tests.cli.report.test_collect import hand_on, process
from tests.cli.report.test_report import Page

pytestmark = pytest.mark.usefixtures("aiida_profile")


def melting_outputs(found=True):
    """As `find_melting` makes them, of a curve with or without a step at 700 K."""
    temperatures = np.arange(300.0, 1301.0, 100.0)
    surface = np.arange(13) > 0
    points = []
    for t in temperatures:
        liquid = found and t > 700
        index = 0.3 if liquid else 0.05
        points.append(
            Point(
                t, t, -3.3 + 1e-4 * t, -3.3 + 2.6e-4 * t + 0.1 * liquid, 1e-4, 2.6e-4, index, 0.002,
                index + 0.01, index - 0.01, np.full(13, index), np.full(4, index),
            )
        )  # fmt: skip
    arrays = curve_arrays(points, surface, 1357.77)
    curve = orm.ArrayData()
    for name, array in arrays.items():
        curve.set_array(name, array)
    answer = judge_melting(arrays, (0.10, 0.15), 1357.77)
    return {"curve": curve, "melting": orm.Dict({"cluster": "Cu13", **answer})}


@pytest.fixture(scope="module")
def sets(aiida_profile):
    rng = np.random.default_rng(0)
    images = []
    for start, kind, count in (
        (mackay_icosahedron("Cu", 1), "cluster", 6),
        (bulk("Cu") * 2, "bulk", 4),
    ):
        for _ in range(count):
            atoms = start.copy()
            atoms.rattle(0.05, rng=rng)
            atoms.info["config_type"] = kind
            images.append(atoms)
    return FramesData(images).store(), FramesData([mackay_icosahedron("Cu", 2)]).store()


@pytest.mark.parametrize("found", [True, False])
def test_a_melting_is_reported(found, tmp_path):
    node = process(orm.WorkChainNode, "MeltingWorkChain")
    outputs = melting_outputs(found)
    hand_on(node, outputs)
    out = tmp_path / "melting.html"
    done = CliRunner().invoke(cli, ["report", node.uuid, "--out", str(out)])
    assert done.exit_code == 0, done.output
    page = Page(out.read_text())
    assert {"answer", "melting", "caloric-curve"} <= set(page.ids)
    assert outputs["curve"].uuid in page.text and outputs["melting"].uuid in page.text
    if found:
        assert re.search(r"At what temperature does Cu13 melt\? 7\d\d ± \d+ K", page.text)
        assert "meV/atom of latent heat" in page.text
    else:
        assert "not seen from 300 to 1300 K" in page.text
        assert "still solid at the highest, go hotter" in page.text
    assert "step of the caloric curve" in page.text and "Lindemann index, core" in page.text


def test_a_melting_under_way_has_no_section(tmp_path):
    node = process(orm.WorkChainNode, "MeltingWorkChain", "waiting")
    page = Page(render(collect(node)))
    assert "melting" not in page.ids and "provenance" in page.ids


def test_coverage_stands_with_the_training_set_it_was_computed_of(sets):
    """Found from a data set and from a training by links alone; nothing where nothing was."""
    training, target = sets
    made = process(orm.WorkChainNode, "DatasetWorkChain")
    hand_on(made, {"training": training})
    learnt = process(orm.WorkChainNode, "TrainWorkChain", inputs={"training": training})
    assert collect(made).coverages == ()
    found = compare_environments(training, target, orm.Int(1))
    for node in (made, learnt):
        (part,) = collect(node).coverages
        assert part.target == "Cu55" and part.groups == ("cluster", "surface", "bulk")
        assert part.uuids["coverage"] == found["coverage"].uuid
        assert part.environments[keys.TARGET_DISTANCES].shape == (55,)
    page = Page(render(collect(made)))
    assert {"coverage", "coordination-1", "environments-1"} <= set(page.ids)
    assert "% of the atoms of Cu55" not in page.text
    assert "Of the atoms of Cu55" in page.text
    assert target.uuid in page.text


def test_the_command_compares_and_tells_nodes(sets):
    training, target = sets
    made = process(orm.WorkChainNode, "DatasetWorkChain")
    hand_on(made, {"training": training})
    done = CliRunner().invoke(cli, ["analyse", made.uuid, target.uuid, "--most", "50"])
    assert done.exit_code == 0, done.output
    assert re.search(r"coordination numbers: \d+\.\d % .*not seen: 8", done.output)
    uuid = re.search(r"coverage ([0-9a-f-]{36})", done.output)[1]
    assert orm.load_node(uuid)["n_target_environments"] == 50


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nothing", "{target}"), "no node `nothing`"),
        (("{training}", "{number}"), "is a Int, no FramesData"),
        (("{empty}", "{target}"), "has no training nor dataset.training"),
        (("{target}", "{training}"), "one frame"),
    ],
)
def test_bad_input_is_one_line(sets, arguments, message):
    names = {
        "{training}": sets[0].uuid,
        "{target}": sets[1].uuid,
        "{number}": orm.Int(1).store().uuid,
        "{empty}": process(orm.WorkChainNode, "DatasetWorkChain").uuid,
    }
    before = orm.QueryBuilder().append(orm.Node).count()
    done = CliRunner().invoke(cli, ["analyse", *(names.get(a, a) for a in arguments)])
    assert done.exit_code == 2
    assert orm.QueryBuilder().append(orm.Node).count() == before
    assert message in done.output and "Traceback" not in done.output


def test_a_browser_draws_both(chromium, sets, tmp_path):  # noqa: F811
    training, target = sets
    compare_environments(training, target, orm.Int(5))
    made = process(orm.WorkChainNode, "DatasetWorkChain")
    hand_on(made, {"training": training})
    melted = process(orm.WorkChainNode, "MeltingWorkChain")
    hand_on(melted, melting_outputs())
    for node, least in ((made, 2), (melted, 1)):
        (tmp_path / "study.html").write_text(render(collect(node)), encoding="utf-8")
        result = browse(chromium, tmp_path, "--dump-dom")
        console = [line for line in result.stderr.splitlines() if "CONSOLE" in line]
        assert not [x for x in console if re.search(r"error|refused|violat|failed", x, re.I)]
        assert result.stdout.count('class="plot js-plotly-plot"') >= least
