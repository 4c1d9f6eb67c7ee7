"""aiida-nanoclusters report: a study as one HTML file that opens offline."""

from __future__ import annotations

import re
import webbrowser
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from aiida_nanoclusters.cli.terminal import Fixable, make_console, open_profile, profile_option
from aiida_nanoclusters.formats.output_files import write_text
from aiida_nanoclusters.formats.plain_text import printable, said_by

if TYPE_CHECKING:
    from aiida.orm import ProcessNode

    from aiida_nanoclusters.cli.report.content import Structure, StudyReport

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_BY_NEIGHBOURS = (
    "Atoms with 12 neighbours are cyan, atoms with fewer neighbours brown, darker for fewer."
)
_NUMBER = re.compile(r"[−+]?\d[\d.e−]*( %)?|–")


@click.command()
@click.argument("uuid")
@profile_option
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("study.html"),
    show_default=True,
    help="HTML file to write.",
)
@click.option(
    "--full-graph",
    is_flag=True,
    help="Add a picture of the complete provenance graph, all nodes (needs graphviz).",
)
@click.option("--open", "open_it", is_flag=True, help="Open the file in the browser.")
def report(uuid: str, profile_name: str | None, out: Path, full_graph: bool, open_it: bool) -> None:
    """Write one HTML file with the results of a study, pictures, structures and provenance.

    UUID (or pk) is that of a study, of a part of it (data set, training, size scan, crossover), of
    a melting, an active learning, a parallel tempering, metadynamics, a chart, frames in a chart,
    an assembly, a compatibility of cores and ligands, a ranking or edits of a core. It may still
    run or have failed: the report then shows the results so far. The file opens without network.
    """
    open_profile(profile_name)
    from aiida.common.exceptions import MultipleObjectsError, NotExistent
    from aiida.orm import ProcessNode, load_node

    try:
        node = load_node(uuid)
    except (NotExistent, MultipleObjectsError, ValueError) as error:
        raise Fixable(f"no process `{uuid}`: `verdi process list -a` shows all") from error
    if not isinstance(node, ProcessNode):
        raise Fixable(f"`{uuid}` is data, not a process: `verdi node show {uuid}` shows it")
    out = write_report(node, out, full_graph=full_graph)
    make_console().print(f"{out}  (of {node.uuid})", soft_wrap=True)
    if open_it:
        webbrowser.open(out.as_uri())


def write_report(node: ProcessNode, out: Path, *, full_graph: bool = False) -> Path:
    """Write the report of a process and return its path; `full_graph` draws every node.

    Raises
    ------
    Fixable
        If there is nothing to report on, or the file cannot be written.
    """
    from aiida_nanoclusters.cli.find.explain import full_picture
    from aiida_nanoclusters.cli.report.collect import collect

    try:
        found = collect(node)
    except ValueError as error:
        raise Fixable(str(error)) from error
    except Exception as error:  # of nodes whose content is not what their type says
        raise Fixable(_unreadable(node, error)) from error
    if full_graph:
        found = replace(found, full_picture=full_picture(node))
    try:
        page = render(found)
    except Exception as error:
        raise Fixable(_unreadable(node, error)) from error
    return write_page(page, out)


def write_page(page: str, out: Path) -> Path:
    """Write a page and return its path.

    Raises
    ------
    Fixable
        If it cannot be written.
    """
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        write_text(out, page)
    except OSError as error:
        raise Fixable(f"cannot write {out}: {error.strerror}; choose another --out") from error
    return out.resolve()


def _unreadable(node: ProcessNode, error: Exception) -> str:
    return (
        f"a result of {node.uuid} cannot be shown ({type(error).__name__}: {said_by(error)}): its "
        f"content is not what its type says; `aiida-nanoclusters explain {node.uuid}` lists them"
    )


def render(report: StudyReport) -> str:
    """Return a report as one HTML page with everything in it, plotly's library included.

    A section is there only where the report has something to say in it.
    """
    import plotly.offline
    from jinja2 import Environment, PackageLoader, StrictUndefined

    from aiida_nanoclusters import __version__
    from aiida_nanoclusters.cli.progress.live_table import duration
    from aiida_nanoclusters.cli.report.coverage import coverage_rows
    from aiida_nanoclusters.cli.report.figures import show
    from aiida_nanoclusters.cli.report.melting import sign_rows
    from aiida_nanoclusters.cli.report.rounds import COLUMNS, round_rows
    from aiida_nanoclusters.cli.report.sentences import bulk_rows, search_sentence
    from aiida_nanoclusters.cli.report.tables import tables

    environment = Environment(
        loader=PackageLoader("aiida_nanoclusters.cli.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        show=show,
        duration=duration,
        search=search_sentence,
        bulk=bulk_rows,
        numeric_columns=_numeric_columns,
        coverage_rows=coverage_rows,
        sign_rows=sign_rows,
        round_rows=round_rows,
    )
    environment.tests["uuid"] = lambda cell: isinstance(cell, str) and bool(_UUID.fullmatch(cell))
    context = {
        **sections(report),
        **_texts(report),
        **_structures(report),
        **tables(report),
        "round_columns": COLUMNS,
        "css": _source(environment, "report.css"),
        "script": _source(environment, "report.js"),
        "chart_css": _source(environment, "chart.css"),
        "chart_script": _source(environment, "chart.js"),
        "plotly": plotly.offline.get_plotlyjs(),
        "version": __version__,
        "written": datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
    }
    context["contents"] = _contents(context)
    return printable(environment.get_template("report.html.j2").render(context))


def sections(report: StudyReport) -> dict[str, Any]:
    """Return what the sections of a report say and draw; its pictures are somewhere in it."""
    from aiida_nanoclusters.cli.report.assembly_pictures import assembly_context
    from aiida_nanoclusters.cli.report.chart import chart_context
    from aiida_nanoclusters.cli.report.ligands import ligand_context

    return {
        **_pictures(report),
        **chart_context(report.chart, report.temperings),
        **_metadynamics(report),
        **_solutions(report),
        **assembly_context(report.assembly),
        **ligand_context(report.compatibility, report.ranking),
    }


def _source(environment: Any, name: str) -> str:
    return str(environment.loader.get_source(environment, name)[0])


def _numeric_columns(rows: Sequence[Sequence[Any]]) -> list[bool]:
    """Whether each column of a table holds numbers only, and is set to the right."""

    def numeric(cell: Any) -> bool:
        return isinstance(cell, int | float | None) or bool(_NUMBER.fullmatch(cell))

    return [all(map(numeric, column)) for column in zip(*rows, strict=True)]


def _pictures(report: StudyReport) -> dict[str, Any]:
    from aiida_nanoclusters.cli.report import coverage, crossing, figures, melting, rounds, sizes

    training, scan = report.training, report.scan
    crossovers = []
    sides = crossing.sides(report.crossover, report.reference)
    both = len(sides) == 2
    for who, part in sides:
        whose = f" ({who})" if both else ""
        binding = crossing.binding_by_motif(part, who=whose, name=f"motifs-{who}")
        modes = None
        if part.modes is not None:
            modes = crossing.modes(part.modes, who=whose, name=f"modes-{who}")
        label = {"trained": "trained potentials"}.get(who, who)
        words = crossing.shells_words(part)
        pictures = {"binding": binding, "modes": modes, "shells": words}
        crossovers.append((label if both else "", part, pictures))
    return {
        "difference": crossing.difference(report.crossover, report.reference),
        "crossovers": crossovers,
        "second": sizes.second_differences(scan) if scan else None,
        "binding": sizes.binding_energies(scan) if scan else None,
        "curves": figures.learning_curves(training.curves) if training else None,
        "parities": figures.parity(training) if training else [],
        "sets": figures.SETS.items(),
        "growth": rounds.growth(report.rounds) if report.rounds else None,
        "caloric": melting.caloric_curve(report.melting) if report.melting else None,
        "coverages": [
            (part, coverage.words(part), coverage.pictures(part, number))
            for number, part in enumerate(report.coverages, start=1)
        ],
    }


def _metadynamics(report: StudyReport) -> dict[str, Any]:
    from aiida_nanoclusters.cli.report import basin_pictures, metadynamics

    part = report.metadynamics
    if part is None:
        return {"bias_words": "", "surface": None, "variables": None}
    return {
        "path_profile": basin_pictures.path_profile(part.basins),
        "basin_difference": basin_pictures.difference_in_time(part.basins),
        "bias_words": metadynamics.metadynamics_words(part),
        "surface": metadynamics.surface(part),
        "variables": metadynamics.variables_in_time(part),
    }


def _solutions(report: StudyReport) -> dict[str, Any]:
    from aiida_nanoclusters.cli.report import solution

    return {
        "maxima_columns": solution.MAXIMA,
        "doubt": solution.doubt(report.rounds) if report.metadynamics else "",
        "solutions": [
            (
                part,
                solution.solution_words(part),
                solution.distributions_picture(part),
                solution.solvent_picture(part),
                solution.maxima_rows(part),
            )
            for part in report.solutions
        ],
    }


def _texts(report: StudyReport) -> dict[str, Any]:
    from aiida_nanoclusters.cli.report import searches, sentences

    topic = {
        "StudyWorkChain": "from cluster to crystal",
        "DatasetWorkChain": "data set",
        "TrainWorkChain": "trained potentials",
        "SizeScanWorkChain": "magic sizes",
        "CrossoverWorkChain": "from cluster to crystal",
        "MeltingWorkChain": "melting",
        "ActiveLearningWorkChain": "active learning",
        "ParallelTemperingWorkChain": "parallel tempering",
        "MetadynamicsWorkChain": "metadynamics",
        "ChartWorkChain": "structural chart",
        "ClassifyWorkChain": "frames in a chart",
        "CompatibilityWorkChain": "compatibility of cores and ligands",
        "MatchLigandsWorkChain": "ligands for a core",
        "EditCoreWorkChain": "edits of a core",
        "NucleateWorkChain": "nucleation in solution",
        "analyse_assembly": "assembly of clusters",
    }[report.kind]
    exit_status = f", exit status {report.exit_status}" if report.exit_status else ""
    return {
        "report": report,
        "title": f"{report.element}: {topic}" if report.element else topic.capitalize(),
        "state": report.state + exit_status,
        "cards": sentences.headlines(report),
        "gap": sentences.gap(report),
        "accuracy": sentences.accuracy(report.training) if report.training else "",
        "scan_words": sentences.scan_sentence(report.scan) if report.scan else "",
        "found_words": searches.found_sentence(report.scan) if report.scan else "",
        "magic_words": sentences.magic_probability(report.scan) if report.scan else "",
    }


def _structures(report: StudyReport) -> dict[str, Any]:
    from aiida_nanoclusters.cli.report import viewer
    from aiida_nanoclusters.cli.report.assembly import structures_of

    groups: list[tuple[str, list[tuple[int, Structure]]]] = []
    members: list[Structure] = []
    for name, part in (
        ("Lowest of each size", report.scan),
        ("Closed shells", report.crossover),
        ("Closed shells by the reference", report.reference),
    ):
        own = list(part.structures) if part is not None else []
        if own:
            groups.append((name, list(enumerate(own, start=len(members)))))
            members += own
    bare = list(members)
    if report.assembly is not None and (nuclei := structures_of(report.assembly)):
        groups.append(("Nuclei", list(enumerate(nuclei, start=len(members)))))
        members += nuclei
    if report.ranking is not None and (cores := list(report.ranking.structures)):
        groups.append(("Cores", list(enumerate(cores, start=len(members)))))
        members += cores
    too_large = sorted(
        {n for p in (report.scan, report.crossover, report.reference) if p for n in p.too_large}
    )
    return {
        "structures": members,
        "structure_groups": groups,
        "structure_rows": [
            (s.label, s.size, s.energy, s.point_group, s.motif, viewer.histogram(s), s.uuid)
            for s in bare
        ],
        "structure_words": " ".join(
            text
            for text, there in (
                ("The lowest structure found of each size.", report.scan),
                ("Closed shells, relaxed.", report.crossover or report.reference),
                (_BY_NEIGHBOURS, bare),
                ("Nuclei with the ligands that they bind, by element.", report.assembly),
                ("Cores without ligands, by element.", report.ranking),
            )
            if there
        ),
        "packed": viewer.pack(members),
        "too_large": too_large,
    }


def _contents(context: dict[str, Any]) -> list[tuple[str, str]]:
    """Sections that there are, in their order: anchor and name."""
    report = context["report"]
    both = len(context["crossovers"]) > 1
    return [
        entry
        for present, entry in (
            (context["cards"], ("answer", "Answer")),
            (context["difference"], ("crossing", "From cluster to crystal")),
            *(
                (True, (f"closed-shells-{k}", f"Closed shells{', ' + who if both else ''}"))
                for k, (who, _, _) in enumerate(context["crossovers"], start=1)
            ),
            *(
                (True, (f"tempering-{k}", f"Parallel tempering of {part.composition}"))
                for k, part in enumerate(report.temperings, start=1)
            ),
            (report.metadynamics, ("metadynamics", "Metadynamics")),
            *(
                (True, (f"solution-{k}", f"Structure in solution, {part.run.replace('_', ' ')}"))
                for k, part in enumerate(report.solutions, start=1)
            ),
            (report.assembly, ("assembly", "Assembly")),
            *(
                (report.chart is not None and present(report.chart), entry)
                for present, entry in (
                    (lambda chart: True, ("chart", "Chart")),
                    (lambda chart: chart.populations, ("populations", "Populations")),
                    (lambda chart: chart.free_energy, ("path", "Lowest path")),
                    (lambda chart: chart.transitions, ("transitions", "Transitions")),
                )
            ),
            (report.ranking, ("ranking", "Ligands for cores")),
            (report.compatibility, ("compatibility", "Compatibility")),
            (report.melting, ("melting", "Melting")),
            (report.rounds, ("rounds", "Growth of the training set")),
            (report.scan, ("sizes", "Magic sizes")),
            (context["structures"], ("structures", "Structures")),
            (report.training, ("potentials", "Trained potentials")),
            (report.dataset, ("dataset", "Data set")),
            (report.coverages, ("coverage", "Coverage of the training set")),
            (report.uuid, ("provenance", "Provenance")),
        )
        if present
    ]
