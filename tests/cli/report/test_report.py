"""A report of made-up numbers: what must stand in it, and what must not."""

import base64
import re
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from html.parser import HTMLParser

import numpy as np
import pytest
from plotly.io import from_json

from aiida_nanoclusters.cli.report import data
from aiida_nanoclusters.cli.report.command import render
from aiida_nanoclusters.cli.report.figures import show
from aiida_nanoclusters.cli.report.tables import ranges
from aiida_nanoclusters.cli.report.words import answer_of, gap
from aiida_nanoclusters.queries.programs import Code, Version
from aiida_nanoclusters.science import magic
from aiida_nanoclusters.science.clusters import motif_family
from aiida_nanoclusters.science.crossing import Crossing
from aiida_nanoclusters.science.environments import coordination_numbers

SECTIONS = ("answer", "crossing", "sizes", "structures", "potentials", "dataset", "provenance")


def uuid(k):
    return f"{k:08x}-0000-4000-8000-{k:012x}"


def cluster(motif, size, k):
    atoms = motif_family(motif, size, size, shape="regular")[0].build("Cu", 2.55)
    return data.Structure(
        size=size,
        label=f"Cu{size}",
        positions=atoms.positions - atoms.positions.mean(axis=0),
        coordination=coordination_numbers(atoms),
        energy=-3.0 * size,
        motif=motif,
        uuid=uuid(k),
        point_group="Ih" if motif == "icosahedron" else "Oh",
        reason="as built",
        hits=1,
        runs=4,
    )


def search(size, low, high, shift, k):
    """A difference curve that is `shift` meV/atom at N = 1000 and rises 3 meV/atom per decade."""
    n = np.geomspace(55, 17885, 120)
    median = 3e-3 * np.log10(n / 1000) + shift / 1000
    crossing = Crossing(
        verdict="crossing",
        size=size,
        low=low,
        high=high,
        confidence=0.9,
        members=(size,),
        probability_beyond=0.0,
        n_min=55,
        n_max=17885,
        cluster=("icosahedron",),
        crystal=("truncated octahedron",),
        systematic_mev=2.2,
        atomic_volume=11.8,
    )
    sizes = {"icosahedron": [147, 309, 561, 923], "truncated octahedron": [201, 586, 1289, 2406]}
    terms = {"icosahedron": [-3.53, 2.9, 0.3, 0.1], "truncated octahedron": [-3.54, 3.0, 0.2, 0.1]}
    motifs = [m for m in sizes for _ in sizes[m]]
    ns = np.array([n for m in sizes for n in sizes[m]])
    energies = np.array(
        [np.cbrt(n) ** np.array([3, 2, 1, 0]) @ terms[m] for m, n in zip(motifs, ns, strict=True)]
    )
    return data.CrossoverPart(
        members=("seed_1", "seed_2"),
        crossing=crossing,
        answer={
            "reason": "interval is within 5 %",
            "atoms_relaxed": 12000,
            "clusters_relaxed": 8,
            "failed": ["icosahedron 2057"],
            "fits": {m: {"coefficients": terms[m], "sizes": sizes[m]} for m in sizes},
        },
        curve=data.Curve(n, median, median - 1e-3, median + 1e-3, uuid(k)),
        energies=data.ClusterEnergies(
            tuple(motifs),
            ns,
            -energies / ns,
            np.array([energies, energies + 0.1]),
            12 - 10 / np.cbrt(ns),
            uuid(k + 1),
        ),
        modes=data.Modes(
            np.array([79, 201, 459]),
            np.array([-0.03, -0.012, -0.004]),
            np.array([-0.5, -0.3, -0.2]),
            uuid(k + 2),
        ),
        bulk={
            "lattice_constant": 3.615,
            "energy": -3.54,
            "cohesive_energy": 3.54,
            "atomic_volume": 11.8,
            "surface_energies": {"111": 0.0774, "100": 0.0839},
        },
        structures=(
            cluster("icosahedron", 147, k + 3),
            cluster("truncated octahedron", 201, k + 3),
        ),
        too_large=(5083,),
        uuids={"answer": uuid(k + 4), "curves": uuid(k), "bulk": uuid(k + 5)},
    )


def scan():
    rng = np.random.default_rng(1)
    sizes = np.array([*range(7, 81), *range(136, 154), *range(303, 316)])
    energies = -3.54 * sizes + 3.0 * np.cbrt(sizes) ** 2 + 0.05 * rng.standard_normal(len(sizes))
    for n, depth in ((13, 0.2), (55, 0.9), (147, 1.1), (309, 1.5)):
        energies[sizes == n] -= depth
    at, differences = magic.second_difference(sizes, energies)
    return data.ScanPart(
        sizes=sizes, energies=energies, binding_energies=magic.binding_energy(sizes, energies, 0.0),
        difference_sizes=at, differences=differences,
        spreads=np.abs(0.1 * rng.standard_normal(len(at))),
        magic=(
            data.Magic(34, 0.31, 0.12, 0.5), data.Magic(55, 1.871, 0.05, 1.0),
            data.Magic(147, 2.213, 0.07, 1.0), data.Magic(309, 3.018, 0.09, 1.0),
        ),
        electronic=(8, 18, 20, 34, 40, 58, 68, 70, 138), geometric=(13, 55, 147, 309),
        structures=(cluster("icosahedron", 13, 40), cluster("icosahedron", 55, 40)),
        uuids={"structures": uuid(40), "energies": uuid(41), "magic": uuid(42), "table": uuid(43)},
        asked=len(sizes) + 2,
    )  # fmt: skip


def training():
    rng = np.random.default_rng(2)
    epochs = np.arange(40.0)
    curves = tuple(
        data.LearningCurve(
            f"seed_{k}",
            {
                f"{part}_{what}_rmse": (epochs, start * np.exp(-epochs / 9) + floor + k)
                for part in ("val", "train")
                for what, start, floor in (("energy", 80, 3), ("forces", 400, 25))
            },
            uuid(60 + k),
        )
        for k in (1, 2)
    )
    energy, force = rng.uniform(-3.5, -1.5, 300), rng.normal(0, 1.2, 9000)
    parity = data.Parity(
        "test",
        "mean of the committee",
        (energy, energy + 0.004),
        (force, force + np.where(np.arange(9000) % 2, 0.026, -0.026)),
        tuple(["bulk", "cluster", "slab 111"] * 100),
        uuid(64),
    )
    row = data.ErrorRow
    return data.TrainingPart(
        potentials=(
            data.Potential("seed_1", "allegro", 5.5, "EAM/Mishin2001", uuid(65), uuid(66)),
        ),
        curves=curves,
        errors=(
            row("seed_1", "test", "all frames", 300, 5.25, 4.1, 0.5, 31.5, 22.0),
            row("committee", "test", "all frames", 300, 4.21, 2.93, -0.4, 26.04, 19.1),
            row("committee", "test", "bulk", 100, 1.11, 0.9, 0.1, 12.0, 9.0),
            row("committee", "motifs", "icosahedron", 3, 7.2, 7.2, -7.2, None, None),
        ),
        errors_uuid=uuid(67),
        deviations=(data.Deviation("test", 21.0, 113.0, 0.79),),
        parities=(parity,),
        motif_difference=data.MotifDifference({"seed_1": -2.4, "seed_2": -2.0}, uuid(67)),
    )


def dataset():
    return data.DatasetPart(
        "EAM/Mishin2001", {"Cu": -0.25},
        (
            data.FrameGroup("bulk", (4,), {"training": 80, "validation": 10, "test": 10}),
            data.FrameGroup("cluster", (12, 13, 14, 54, 55, 56), {"training": 160, "test": 20}),
        ),
        {"training": uuid(70), "validation": uuid(71), "test": uuid(72)},
        n_failed=3, report_uuid=uuid(73),
    )  # fmt: skip


@pytest.fixture(scope="module")
def study():
    begun = datetime(2026, 1, 2, 3, 4, tzinfo=timezone.utc)

    def stage(label, depth, k, cached=False):
        process = data.ProcessRow(
            label, depth, uuid(k), "finished", 0, "", begun, timedelta(minutes=3), cached
        )
        return data.StageRow(label, depth, 1, 0, 0, int(cached), timedelta(minutes=3), (process,))

    return data.StudyReport(
        uuid=uuid(1), kind="StudyWorkChain", label="copper", description="", element="Cu",
        state="finished", exit_status=0, message="", created=begun, duration=timedelta(hours=5),
        dataset=dataset(), training=training(), scan=scan(),
        crossover=search(2400.0, 1500.0, 4100.0, -1.1406, 10),
        reference=search(1003.0, 960.0, 1050.0, 0.0, 20),
        stages=(stage("StudyWorkChain", 0, 1), stage("TrainWorkChain", 1, 2, cached=True)),
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
    assert "differs from the reference's by 1397 atoms" in page.text
    assert "(139 % higher)" in page.text
    assert "does not hold the reference's crossing" in page.text
    # the reference rises 3 meV/atom a decade from zero at 1000: 3 log10(2.4) at N = 2400
    assert (
        "At N = 2400, where the learnt curve is zero, the reference's stands at +1.1" in page.text
    )
    assert "icosahedra 1.1 meV/atom too low against crystals" in page.text
    assert "changes by only 0.9 meV/atom when the size doubles" in page.text
    assert "is off by −2.2 meV/atom (members −2.4 to −2.0)" in page.text


def test_accuracy_is_in_the_units_of_the_field(page):
    assert "off by 4.21 meV/atom in energy (RMSE; MAE 2.93)" in page.text
    assert "26 meV/Å in force components (RMSE; MAE 19.1)" in page.text


def test_magic_sizes_know_their_shells(page):
    assert "34 at electronic shell closings; 55, 147, 309 at closed icosahedral shells" in page.text
    assert "Preliminary: 105 of 107 sizes are done." in page.text
    assert "34 (50 %), 55 (100 %)" in page.text


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


def test_a_study_that_has_hardly_begun_says_so(study):
    report = replace(
        study, state="waiting", exit_status=None, dataset=None, training=None, scan=None,
        crossover=None, reference=None, stages=study.stages[:1], codes=(), versions=(),
    )  # fmt: skip
    page = Page(render(report))
    assert set(page.ids) & set(SECTIONS) == {"provenance"}
    assert "Waiting." in page.text and "what there is so far" in page.text


def test_a_search_without_answer_is_no_answer(study):
    part = data.CrossoverPart(
        members=("seed_1",), bulk=study.crossover.bulk, uuids={"bulk": uuid(9)}
    )
    page = Page(render(replace(study, crossover=part, reference=None, scan=None)))
    assert "not come to an answer yet" in page.text
    assert "crossing" not in page.ids and "answer" not in page.ids


def test_without_reference_the_text_warns(study):
    (text,) = gap(replace(study, reference=None))
    assert "No exact curve of the reference" in text and "−2.2 meV/atom" in text


def test_a_classical_potential_alone_is_not_called_learnt(study):
    own = replace(study.crossover, learnt=False)
    report = replace(study, kind="CrossoverWorkChain", crossover=own, reference=None,
                     training=None, dataset=None, scan=None)  # fmt: skip
    (text,) = gap(report)
    assert "Nothing was learnt" in text
    page = Page(render(report))
    assert "learnt potentials" not in page.text and "reference" not in page.text
    assert "Closed shells, relaxed." in page.text


def test_open_interval_and_no_crossing_are_told(study):
    crossing = study.crossover.crossing
    assert answer_of(replace(crossing, high=None)) == "N = 2400 (1500 to > 17885), 3.8 nm"
    never = replace(crossing, verdict="no crossing below n_max", size=None, low=None, high=None)
    learnt = replace(study.crossover, crossing=never)
    first, why, _ = gap(replace(study, crossover=learnt))
    assert "no crossing below n_max" in first and "N = 1003" in first
    # the learnt curve at the reference's crossing: 3 log10(1.003) - 1.1406 meV/atom
    assert "At N = 1003, where the reference's curve is zero, the learnt stands at −1.1" in why
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
    assert names == ["learnt potentials", "reference itself"]
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
