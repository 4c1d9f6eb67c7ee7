"""The report on ligands: what its page holds, and that a browser draws all of it."""

import re
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest

from aiida_nanoclusters.cli.report import content
from aiida_nanoclusters.cli.report.command import render
from tests.cli.report.built_ligands import compatibility, ranking
from tests.cli.report.built_study import uuid
from tests.cli.report.test_browser import browse, chromium  # noqa: F401  (fixture)
from tests.cli.report.test_report import Page


def page_of(compatible=None, ranked=None, kind="MatchLigandsWorkChain"):
    begun = datetime(2026, 1, 2, 3, 4, tzinfo=timezone.utc)
    row = content.ProcessRow(
        kind, 0, uuid(1), "finished", 0, "", begun, timedelta(minutes=3), False
    )
    return render(
        content.StudyReport(
            uuid=uuid(1), kind=kind, label="", description="", element="", state="finished",
            exit_status=0, message="", created=begun, duration=timedelta(hours=5),
            compatibility=compatible, ranking=ranked,
            steps=(content.StepRow(kind, 0, 1, 0, 0, 0, None, (row,)),),
        )
    )  # fmt: skip


@pytest.fixture(scope="module")
def html():
    return page_of(compatibility(), ranking(edited=True), "EditCoreWorkChain")


def test_sections_tables_and_nodes_stand_in_the_page(html):
    page = Page(html)
    for section in ("answer", "ranking", "edits", "compatibility", "structures", "provenance"):
        assert section in page.ids
    for text in (
        "Which edit has the most probable ligands?", "add Au at 4.6 Å in a hollow of Au3", "PET",
        "Reliability", "Features of the pairs: t-SNE", "Binary cross entropy",
        "mean absolute error 0.08 eV/atom", "of the composition alone 0.31 eV/atom",
        "Nobody has tried the negatives", "families of cores", "no metal cluster",
        "Few ligands.", "by one property alone, on all pairs: core 0.80.", "open circles",
        "Davies-Bouldin index", uuid(410), uuid(411), uuid(421),
    ):  # fmt: skip
        assert text in page.text, text
    assert len(page.ids) == len(set(page.ids))
    assert not page.loads or all(link.startswith("#") for link in page.loads)


def test_absent_parts_have_no_sections():
    ids = Page(page_of(ranked=ranking())).ids
    assert "ranking" in ids and not {"compatibility", "edits"} & set(ids)
    bare = replace(
        compatibility(), methods={}, leaks={}, maps={}, curves={}, pretraining={}, left_out=(),
        negatives={},
    )  # fmt: skip
    page = Page(page_of(bare, kind="CompatibilityWorkChain"))
    assert "compatibility" in page.ids and "ranking" not in page.ids
    assert "were not measured on held-out pairs" in page.text


def test_few_pairs_are_called_noise(html):
    assert "an AUC is noise" in Page(html).text
    assert "Models trained alike have an AUC of" in Page(html).text


def test_a_browser_draws_all_of_it(chromium, html, tmp_path):  # noqa: F811
    (tmp_path / "study.html").write_text(html, encoding="utf-8")
    result = browse(chromium, tmp_path, "--dump-dom")
    console = [line for line in result.stderr.splitlines() if "CONSOLE" in line]
    assert not [line for line in console if re.search(r"error|refused|violat|failed", line, re.I)]
    # methods, reliability, two maps, training, and the rankings of the core and the best edits
    assert result.stdout.count('class="plot js-plotly-plot"') == 8
    assert re.search(r'id="viewer"[^>]*js-plotly-plot', result.stdout)
