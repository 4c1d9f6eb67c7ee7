"""A report of made-up numbers: what must stand in it, and what must not."""

import base64
import os
import re
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from html.parser import HTMLParser

import numpy as np
import pytest
from plotly.io import from_json

from aiida_nanoclusters.cli.progress.counts import JobTotal
from aiida_nanoclusters.cli.report import content
from aiida_nanoclusters.cli.report.command import render, write_report
from aiida_nanoclusters.cli.report.figures import show
from aiida_nanoclusters.cli.report.sentences import answer_of, gap, magic_probability, scan_sentence
from aiida_nanoclusters.cli.report.tables import ranges
from aiida_nanoclusters.cli.report.viewer import describe
from aiida_nanoclusters.cli.terminal import Fixable
from aiida_nanoclusters.queries.programs import Code, Version
from tests.cli.report.built_study import cluster, dataset, scan, search, training, uuid

SECTIONS = ("answer", "crossing", "sizes", "structures", "potentials", "dataset", "provenance")


@pytest.fixture(scope="module")
def study():
    begun = datetime(2026, 1, 2, 3, 4, tzinfo=timezone.utc)

    def step(label, depth, k, cached=False):
        process = content.ProcessRow(
            label, depth, uuid(k), "finished", 0, "", begun, timedelta(minutes=3), cached
        )
        took = JobTotal(timedelta(minutes=2), depth > 0)
        return content.StepRow(label, depth, 1, 0, 0, int(cached), took, (process,))

    return content.StudyReport(
        uuid=uuid(1), kind="StudyWorkChain", label="copper", description="", element="Cu",
        state="finished", exit_status=0, message="", created=begun, duration=timedelta(hours=5),
        dataset=dataset(), training=training(), scan=scan(),
        crossover=search(2400.0, 1500.0, 4100.0, -1.1406, 10),
        reference=search(1003.0, 960.0, 1050.0, 0.0, 20),
        steps=(step("StudyWorkChain", 0, 1), step("TrainWorkChain", 1, 2, cached=True)),
        codes=(Code("lammps", "localhost", "/opt/bin/lmp", 12, uuid(80)),),
        versions=(Version("torch", "2.13.0", "recorded by the jobs"),),
    )  # fmt: skip


class Page(HTMLParser):
    """What a page holds: text, headings, tables, loads from elsewhere, balanced elements."""

    VOID = ("meta", "br", "link", "img", "input", "hr", "col")

    def __init__(self, html):
        super().__init__()
        self.open, self.ids, self.loads, self.labels, self.words = [], [], [], [], []
        self.feed(html)
        self.close()
        assert not self.open
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag, attrs):
        if tag not in self.VOID:
            self.open.append(tag)
        given = dict(attrs)
        self.ids += [given["id"]] if "id" in given else []
        drawn = given.get("role") == "img" and tag != "svg"  # that has a title inside
        self.labels += [given["aria-label"]] if drawn else []
        self.loads += [given[k] for k in ("src", "href", "srcset", "data") if given.get(k)]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, text):
        if not {"script", "style"} & set(self.open):
            self.words.append(text)


@pytest.fixture(scope="module")
def html(study):
    return render(study)


@pytest.fixture(scope="module")
def page(html):
    return Page(html)


def test_answers_stand_at_the_top_with_their_nodes(page):
    assert "34, 55, 147, 309" in page.text
    assert "N = 2400 (1500 to 4100), 3.8 nm" in page.text
    assert "N = 1003 (960 to 1050), 2.8 nm" in page.text
    top = page.text[: page.text.index("From cluster to crystal Below")]
    for node in (uuid(1), uuid(42), uuid(14), uuid(24)):
        assert node in top


def test_learnt_answer_is_never_shown_without_its_distance_from_the_reference(page):
    assert "the trained crossing is 1400 atoms (139 %) higher" in page.text
    assert "does not contain the crossing of the reference" in page.text
    # the reference rises 3 meV/atom a decade from zero at 1000: 3 log10(2.4) at N = 2400
    assert (
        "At N = 2400, where the trained curve is zero, the reference curve is at +1.1" in page.text
    )
    assert "icosahedra 1.1 meV/atom too low relative to crystals" in page.text
    assert "changes by only 0.9 meV/atom when the size doubles" in page.text
    assert "truncated octahedron of −2.2 meV/atom (members −2.4 to −2.0)" in page.text


def test_accuracy_is_in_the_units_of_the_field(page):
    assert "an RMSE of 4.21 meV/atom in the energy (MAE 2.93)" in page.text
    assert "26 meV/Å in the force components (MAE 19.1)" in page.text


def test_magic_sizes_know_their_shells(page):
    assert "34 at electronic shell closings; 55, 147, 309 at closed icosahedral shells" in page.text
    assert "Preliminary: 105 of 107 sizes are done." in page.text
    assert "34 (50 %), 55 (100 %)" in page.text


def test_hits_of_annealing_are_told_apart_from_those_of_a_search():
    annealed, searched = (cluster("icosahedron", size, 1) for size in (55, 147))
    searched = replace(searched, runs=None)
    text = scan_sentence(replace(scan(), structures=(annealed, searched)))
    assert "At 55 atoms the lowest structure was found in one run only" in text
    assert "At 147 atoms the lowest structure was found in one way only" in text
    assert "found in 1 of 4 runs" in describe(annealed)
    assert "found in 1 independent way." in describe(searched)


def test_every_section_is_there_and_linked(page):
    assert set(SECTIONS) <= set(page.ids)
    anchors = [load[1:] for load in page.loads]
    assert set(SECTIONS) <= set(anchors) <= set(page.ids)
    assert len(page.ids) == len(set(page.ids))


@pytest.mark.parametrize(
    ("part", "section"),
    [("scan", "sizes"), ("training", "potentials"), ("dataset", "dataset")],
)
def test_a_section_is_there_only_with_its_data(study, part, section):
    page = Page(render(replace(study, **{part: None})))
    assert section not in page.ids
    assert set(SECTIONS) - {section} <= set(page.ids)


def test_steps_show_the_time_of_their_jobs(page):
    assert "“Job time” is the wall time of all jobs of a row together" in page.text
    at = page.text.index("job time first process")
    first, second = page.text.index("2 min 00 s", at), page.text.index("~2 min 00 s", at)
    assert first < second, "the first is reported by the scheduler, the second estimated"


def test_an_interrupted_write_leaves_the_former_report(tmp_path, monkeypatch, study):
    monkeypatch.setattr("aiida_nanoclusters.cli.report.collect.collect", lambda node: study)
    out = tmp_path / "new" / "study.html"
    assert write_report(None, out) == out
    former = out.read_text()
    assert former.startswith("<!DOCTYPE html>")

    def full(descriptor):
        """The disk is found full when half of the page is on it."""
        os.ftruncate(descriptor, os.fstat(descriptor).st_size // 2)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("aiida_nanoclusters.formats.output_files.os.fsync", full)
    with pytest.raises(Fixable, match="No space left on device; choose another --out"):
        write_report(None, out)
    assert out.read_text() == former
    assert list(out.parent.iterdir()) == [out]


def test_a_study_that_has_hardly_begun_says_so(study):
    report = replace(
        study, state="waiting", exit_status=None, dataset=None, training=None, scan=None,
        crossover=None, reference=None, steps=study.steps[:1], codes=(), versions=(),
    )  # fmt: skip
    page = Page(render(report))
    assert set(page.ids) & set(SECTIONS) == {"provenance"}
    assert "Waiting." in page.text and "The results so far follow." in page.text


def test_a_scan_with_error_bars_is_not_said_to_have_none():
    """A committee may find no size magic."""
    sizes = scan().difference_sizes
    known, unknown = (
        replace(scan(), magic=(), spreads=np.full(len(sizes), spread)) for spread in (0.1, np.nan)
    )
    assert not magic_probability(known)
    assert "no error bars" in magic_probability(unknown)


def test_a_search_without_answer_is_no_answer(study):
    part = content.CrossoverPart(
        members={"seed_1": "Allegro 1a2b3c4d (PBE)"},
        bulk=study.crossover.bulk,
        uuids={"bulk": uuid(9)},
    )
    page = Page(render(replace(study, crossover=part, reference=None, scan=None)))
    assert "The search has no result yet." in page.text
    assert "Potentials: seed_1, Allegro 1a2b3c4d (PBE)." in page.text
    assert "crossing" not in page.ids and "answer" not in page.ids


def test_without_reference_the_text_warns(study):
    (text,) = gap(replace(study, reference=None))
    assert "There is no curve of the reference itself" in text and "−2.2 meV/atom" in text


def test_a_classical_potential_alone_is_not_called_learnt(study):
    own = replace(study.crossover, learnt=False)
    report = replace(study, kind="CrossoverWorkChain", crossover=own, reference=None,
                     training=None, dataset=None, scan=None)  # fmt: skip
    (text,) = gap(report)
    assert "potential itself, without training" in text
    page = Page(render(report))
    assert "trained potentials" not in page.text and "reference" not in page.text
    assert not [name for name in page.ids if "trained" in name]
    assert "Closed shells, relaxed." in page.text


def test_open_interval_and_no_crossing_are_told(study):
    crossing = study.crossover.crossing
    assert answer_of(replace(crossing, high=None)) == "N = 2400 (1500 to > 17885), 3.8 nm"
    never = replace(crossing, verdict="no crossing below n_max", size=None, low=None, high=None)
    learnt = replace(study.crossover, crossing=never)
    first, why, _ = gap(replace(study, crossover=learnt))
    assert "no crossing below n_max" in first and "N = 1003" in first
    # the learnt curve at the reference's crossing: 3 log10(1.003) - 1.1406 meV/atom
    assert "At N = 1003, where the reference curve is zero, the trained curve is at −1.1" in why
    assert "From cluster to crystal" in Page(render(replace(study, crossover=learnt))).text


def test_every_picture_has_words_and_a_table(html, page):
    plots = html.count('class="plot"')
    assert plots == html.count("data-figure=") == 9
    assert len(page.labels) == plots + 1 and all(len(label) > 40 for label in page.labels)
    assert html.count("<figure") == plots
    assert len(re.findall(r"<figure.*?<details>.*?<table>.*?</figure>", html, re.S)) == plots


def values(array):
    """Array of a figure, which plotly packs as base64 where it is one of numpy's."""
    if isinstance(array, dict):
        return np.frombuffer(base64.b64decode(array["bdata"]), array["dtype"])
    return array


def test_pictures_are_valid_figures(html):
    found = re.findall(r'<script type="application/json" id="data-([\w-]+)">(.*?)</script>', html)
    figures = {name: from_json(text) for name, text in found}
    assert len(figures) == 9
    rings = [t for t in figures["second-differences"].data if t.legendgroup == "geometric"]
    assert sorted(int(n) for t in rings for n in values(t.x)) == [13, 55, 147, 309]
    names = [t.name for t in figures["difference"].data if t.name]
    assert names == ["trained potentials", "reference"]
    texts = [a.text for a in figures["parity-test"].layout.annotations]
    assert texts == ["RMSE 4.0 meV/atom<br>MAE 4.0 meV/atom", "RMSE 26.0 meV/Å<br>MAE 26.0 meV/Å"]


def test_nothing_is_loaded_from_elsewhere(html, page):
    assert all(load.startswith("#") for load in page.loads)
    own = re.sub(r"<script>/\*\*.*?plotly\.js.*?</script>", "", html, count=1, flags=re.S)
    assert len(own) < len(html) - 1_000_000, "plotly's library is in the file"
    assert "http://" not in own and "https://" not in own
    assert not re.search(r"@import|url\(", own)
    assert "default-src 'none'" in html
    assert len(html.encode()) < 8_000_000


def test_names_cannot_break_out_of_the_page(study):
    bad = "</script><img src=x onerror=alert(1)>"
    html = render(replace(study, label=bad, scan=replace(study.scan, structures=(
        replace(study.scan.structures[0], label=bad, reason=bad),))))  # fmt: skip
    assert bad not in html
    Page(html)
    assert "<img" not in html.split("<script>")[0]


def test_numbers_are_written_plainly():
    assert [show(x) for x in (None, float("nan"), -2.25, 12345.6, 0.0001234, 7, "Ih")] == [
        "–", "–", "−2.25", "12346", "0.0001234", "7", "Ih",
    ]  # fmt: skip
    assert ranges((3, 5, 6, 7, 8, 54, 55)) == "3, 5–8, 54, 55"
