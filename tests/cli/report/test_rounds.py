"""An active learning in a report: from the state of its loop to a page that a browser draws."""

import re

import pytest
from aiida import orm
from click.testing import CliRunner

from aiida_nanoclusters.calculations.learning.active_learning import summarise_rounds
from aiida_nanoclusters.cli.main import cli
from aiida_nanoclusters.cli.report.collect import collect
from aiida_nanoclusters.cli.report.command import render
from aiida_nanoclusters.cli.report.rounds import collect_rounds, round_rows
from aiida_nanoclusters.science.keys import with_present_keys
from aiida_nanoclusters.science.learning.active_learning import ActiveLearning
from tests.cli.report.test_browser import browse, chromium  # noqa: F401  (fixture)
from tests.cli.report.test_collect import hand_on, process
from tests.cli.report.test_report import Page

pytestmark = pytest.mark.usefixtures("aiida_profile")


def row(forces, n_frames=3):
    return {"n_frames": n_frames, "energy_rmse": 0.1 * forces, "forces_rmse": forces}


def history():
    """Two rounds of labels and a last training; in the second one label fails."""
    loop = ActiveLearning(budget=20, accurate_below=0.1, failed_above=0.5, per_round=10)
    for failed in (0, 1):
        loop.update({"members": 4})
        loop.update({"frames": 100})
        by_size = {"147": {"accurate": 30, "candidate": 10}}
        report = {"selected": 10, "reasons": {}, "classes": {}, "convergence_test": by_size}
        loop.update(report)
        loop.update({"labelled": 10 - failed, "failed": failed})
    loop.update({"members": 3, "failed": {"seed_2": "lost"}})
    errors = {}
    for number, forces in enumerate((100.0, 60.0, 40.0), start=1):
        sizes = {"55": row(forces), "147": row(2 * forces)}
        sets = {"test": {"by_size": {}, "overall": row(forces / 2)},
                "extrapolation": {"by_size": sizes, "overall": row(forces)}}  # fmt: skip
        content = {"sets": {name: {"committee": table} for name, table in sets.items()}}
        errors[f"round_{number:03d}"] = orm.Dict(content)
    return summarise_rounds(orm.Dict(loop.state), **errors)


def test_rounds_are_summarised():
    found = history()
    assert [r["labels"] for r in found["rows"]] == [0, 10, 20]
    assert [r.get("labelled") for r in found["rows"]] == [10, 9, None]
    assert [r["members"] for r in found["rows"]] == [4, 4, 3]
    assert found["rows"][0]["uncertain"] == 0.25
    assert found["rows"][2]["errors"]["extrapolation"]["by_size"]["147"]["forces_rmse"] == 80.0
    assert found["reason"] == "budget: 20 labels requested, 19 obtained"
    assert not found["gave_up"]


def as_stored_earlier(node):
    """The same history by the keys of an earlier version."""
    former = {"extrapolation": "unseen", "accurate_below": "low", "uncertain": "doubtful"}
    return orm.Dict(with_present_keys(node.get_dict(), former)).store()


@pytest.mark.parametrize("is_earlier", [False, True])
def test_an_active_learning_is_reported(tmp_path, is_earlier):
    node = process(orm.WorkChainNode, "ActiveLearningWorkChain")
    found = as_stored_earlier(history()) if is_earlier else history()
    hand_on(node, {"history": found})
    out = tmp_path / "rounds.html"
    done = CliRunner().invoke(cli, ["report", node.uuid, "--out", str(out)])
    assert done.exit_code == 0, done.output
    page = Page(out.read_text())
    assert "rounds" in page.ids and found.uuid in page.text
    assert "The loop ended because: budget: 20 labels requested, 19 obtained." in page.text
    assert "147 atoms, never learnt" in out.read_text()
    rows = round_rows(collect_rounds({"history": found}))
    assert rows[0][3:5] == ("0.1", "25")


def test_a_loop_under_way_has_no_section():
    page = Page(render(collect(process(orm.WorkChainNode, "ActiveLearningWorkChain", "waiting"))))
    assert "rounds" not in page.ids and "provenance" in page.ids


def test_a_browser_draws_it(chromium, tmp_path):  # noqa: F811
    node = process(orm.WorkChainNode, "ActiveLearningWorkChain")
    hand_on(node, {"history": history()})
    (tmp_path / "study.html").write_text(render(collect(node)), encoding="utf-8")
    result = browse(chromium, tmp_path, "--dump-dom")
    console = [line for line in result.stderr.splitlines() if "CONSOLE" in line]
    assert not [x for x in console if re.search(r"error|refused|violat|failed", x, re.I)]
    assert 'class="plot js-plotly-plot"' in result.stdout
