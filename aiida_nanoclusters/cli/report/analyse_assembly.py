"""aiida-nanoclusters analyse-assembly: which clusters met when, and what became of them."""

from __future__ import annotations

import webbrowser
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from aiida_nanoclusters.cli.terminal import Fixable, echo, open_profile, profile_option

if TYPE_CHECKING:
    from aiida.orm import ProcessNode

    from aiida_nanoclusters.cli.report.assembly import AssemblyPart
    from aiida_nanoclusters.science.nucleation.assembly_settings import AssemblySettings

#: Outputs and inputs of a process that are trajectories, in order of preference.
_TRAJECTORIES = ("trajectory", "frames", "structures")
#: Rows of a list that are printed: of a longer one the first and the last.
_MOST_ROWS = 16


#: Settings that are options, and how their values are written.
_OPTIONS: dict[str, tuple[type, str]] = {
    "metal": (str, "SYMBOL"),
    "metal_distance": (float, "Å"),
    "lasting": (int, "FRAMES"),
    "octahedron": (float, "Å"),
    "step": (float, "NEIGHBOURS"),
}


class _Command(click.Command):
    """The command with an option for each setting; these are read where they are needed only."""

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Return the parameters; the help of a setting says quantity, unit and default."""
        from aiida_nanoclusters.science.nucleation.assembly_settings import AssemblySettings

        options: list[click.Parameter] = [
            click.Option(
                [f"--{name.replace('_', '-')}"],
                type=kind,
                metavar=metavar,
                help=str(AssemblySettings.setting_at([name])),
            )
            for name, (kind, metavar) in _OPTIONS.items()
        ]
        first, *others = super().get_params(ctx)
        return [first, *options, *others]


@click.command("analyse-assembly", cls=_Command)
@click.argument("frames")
@profile_option
@click.option(
    "--bridge",
    "bridges",
    multiple=True,
    metavar="S=2.9",
    help="Element that links the metal atoms it binds, and the distance (Å) up to which it binds; "
    "repeatable, `none` for no such element. Default: S=2.9 and N=2.6.",
)
@click.option(
    "--interval",
    type=click.FloatRange(min=0, min_open=True),
    metavar="PS",
    help="Time between two frames (ps). Default: the `time` of the frames, where they tell it.",
)
@click.option(
    "--structure",
    type=click.IntRange(min=0),
    metavar="NUMBER",
    help="Of a run of several structures: which one, from 0. Default: the only one.",
)
@click.option(
    "--types",
    metavar="Ag,S,N",
    default="",
    help="Elements of the atom types 1, 2, ... of a LAMMPS dump. Default: its column `element`.",
)
@click.option("--record", is_flag=True, help="Import a file, and record the analysis, in AiiDA.")
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="HTML file to write, with pictures, events and nuclei. Default: none.",
)
@click.option("--open", "open_it", is_flag=True, help="Open that file in the browser.")
def analyse_assembly(frames: str, out: Path | None, open_it: bool, **given: Any) -> None:
    """Follow the metal clusters of a trajectory: which met when, and which became octahedra.

    FRAMES is a file (extended XYZ, a LAMMPS dump, or another format that ASE reads; it may be
    larger than memory), or the UUID (or pk) of FramesData, of a TrajectoryData, or of a process
    with a trajectory. The analysis of a UUID is recorded with its provenance, that of a file is
    not.

    \b
    aiida-nanoclusters analyse-assembly trajectory.extxyz --out assembly.html
    aiida-nanoclusters analyse-assembly dump.lammpstrj --types Ag,S,N,C,H,O --interval 0.5
    """  # noqa: D301 (click marks paragraphs by \\b)
    settings = _settings(given)
    if Path(frames).is_file() and not given["record"]:
        part, process = _of_file(Path(frames), settings, given), None
    else:
        part, process = _of_node(frames, settings, given)
    for line in lines(part):
        echo(line)
    for hint in hints(part):
        echo(hint, err=True)
    if out is not None or open_it:
        out = out or Path("assembly.html")
        written = _write(part, process, Path(frames).name, out)
        echo(f"{written}")
        if open_it:
            webbrowser.open(written.as_uri())
    if process is not None:
        echo(f"assembly {part.uuids['assembly']}")
        if out is None:
            echo(f"Next: aiida-nanoclusters report {process.uuid} --out assembly.html")


def _settings(given: dict[str, Any]) -> AssemblySettings:
    from aiida_nanoclusters.science.nucleation.assembly_settings import AssemblySettings

    values = {name: given[name] for name in _OPTIONS if given[name] is not None}
    if given["bridges"]:
        values["bridges"] = (
            dict(map(_bridge, given["bridges"])) if given["bridges"] != ("none",) else {}
        )
    try:
        return AssemblySettings.from_values(**values)
    except ValueError as error:
        raise Fixable(str(error)) from error


def _bridge(text: str) -> tuple[str, float]:
    from ase.data import atomic_numbers

    symbol, _, value = text.partition("=")
    try:
        length = float(value)
    except ValueError as error:
        raise Fixable(f"--bridge {text}: write it as S=2.9 (Å), or `none` alone") from error
    if atomic_numbers.get(symbol, 0) < 1:
        raise Fixable(f"--bridge {text}: `{symbol}` is no element, write it as S=2.9 (Å)")
    return symbol, length


def _of_file(path: Path, settings: AssemblySettings, given: dict[str, Any]) -> AssemblyPart:
    """Analyse a file, frame by frame; nothing is stored."""
    from aiida_nanoclusters.cli.report.assembly import AssemblyPart
    from aiida_nanoclusters.formats.trajectory import iterate_frames
    from aiida_nanoclusters.science.nucleation.assembly_report import report_assembly

    types = [symbol.strip() for symbol in given["types"].split(",") if symbol.strip()]
    try:
        found = report_assembly(
            iterate_frames(path, types),
            settings,
            interval=given["interval"],
            structure=given["structure"],
        )
    except ValueError as error:
        raise Fixable(_with_options(str(error))) from error
    return AssemblyPart(found.report, found.series, found.nuclei, {})


def _of_node(
    frames: str, settings: AssemblySettings, given: dict[str, Any]
) -> tuple[AssemblyPart, ProcessNode]:
    """Analyse frames of the database, and record it."""
    open_profile(given["profile_name"])
    from aiida.orm import Dict, Float, Int

    from aiida_nanoclusters.calculations.nucleation.assembly import analyse_assembly
    from aiida_nanoclusters.cli.find.analyse import frames_of
    from aiida_nanoclusters.cli.report.assembly import collect_assembly

    if given["types"]:
        raise Fixable("--types belongs to a file that is not recorded: leave out --record")
    node = frames_of(frames, _TRAJECTORIES)
    if settings.metal not in node.elements:
        problem = f"no {settings.metal} in the frames, which hold {', '.join(node.elements)}"
        raise Fixable(_with_options(f"{problem}: give the element of the core (`metal`)"))
    inputs: dict[str, Any] = {"frames": node, "settings": Dict(settings.model_dump())}
    if given["interval"] is not None:
        inputs["interval"] = Float(given["interval"])
    if given["structure"] is not None:
        inputs["structure"] = Int(given["structure"])
    _, process = analyse_assembly.run_get_node(**inputs)
    if not process.is_finished_ok:
        raise Fixable(_with_options(str(process.exit_message)))
    part = collect_assembly(process)
    assert part is not None
    return part, process


def _with_options(message: str) -> str:
    """Name the options where a message names settings."""
    for words, option in (
        ("(`metal`)", "(--metal)"),
        ("number of one `structure`", "number of one by --structure"),
        ("time between two of them", "time between two of them by --interval"),
        ("or dump the column", "by --types Ag,S,..., or dump the column"),
    ):
        message = message.replace(words, option)
    return message


def _write(part: AssemblyPart, process: ProcessNode | None, name: str, out: Path) -> Path:
    from aiida_nanoclusters.cli.report.command import render, write_page, write_report
    from aiida_nanoclusters.cli.report.content import StudyReport

    if process is not None:
        return write_report(process, out)
    report = StudyReport(
        uuid="", kind="analyse_assembly", label=name, description="", element=part.metal,
        state="finished", exit_status=0, message="", created=datetime.now(timezone.utc),
        duration=timedelta(0), assembly=part,
    )  # fmt: skip
    return write_page(render(report), out)


# -- what is printed -----------------------------------------------------------------------


def lines(part: AssemblyPart) -> list[str]:
    """Return the analysis as lines of text."""
    from aiida_nanoclusters.cli.report import assembly as words

    report, metal = part.report, part.metal
    formed, detail = words.answer(part)
    told = [f"{formed}. {detail}", words.assembly_words(part)]
    rows = [
        f"{words.when(row):>12}  {words.population(part, row['sizes'])}" for row in report["sizes"]
    ]
    told += ["", "Clusters", *_shortened(rows)]
    rows = [f"{words.when(event):>12}  {words.change(part, event)}" for event in report["events"]]
    told += ["", "Events", *_shortened(rows or ["none"])]
    told += ["", f"Mean {metal}-{metal} coordination", f"  {words.coordination_words(part)}"]
    told += ["", "Nuclei at the end", *_nuclei(part, part.final)]
    ended = [nucleus for nucleus in report["nuclei"] if nucleus["last"] is not None]
    if ended:
        number = len(ended) + report["nuclei_left_out"]
        told += ["", f"Nuclei that ended before: {number}", *_nuclei(part, ended)]
    return [*told, ""]


def _nuclei(part: AssemblyPart, nuclei: Sequence[Mapping[str, Any]]) -> list[str]:
    from aiida_nanoclusters.cli.report.assembly import nucleus_words

    rows = [f"  {part.named(n['cluster'])} {nucleus_words(part, n)}" for n in nuclei]
    return _shortened(rows or [f"  no cluster of six {part.metal} atoms or more"])


def _shortened(rows: Sequence[str]) -> list[str]:
    if len(rows) <= _MOST_ROWS:
        return list(rows)
    half = _MOST_ROWS // 2
    left_out = len(rows) - 2 * half
    return [*rows[:half], f"{'...':>12}  {left_out} more, all of them in --out FILE", *rows[-half:]]


def hints(part: AssemblyPart) -> list[str]:
    """Return what would make the analysis say more."""
    report = part.report
    found, lasting = [], report["settings"]["lasting"]
    if report["frames"] <= lasting:
        found.append(
            f"{report['frames']} frame{'s' if report['frames'] > 1 else ''}: an event needs more "
            f"than {lasting} (--lasting); give a trajectory"
        )
    elif report["time"] is None:
        found.append("The frames do not tell their time: give the time between two by --interval")
    if len(report["events"]) > 3 * report["metal_atoms"]:
        found.append(
            f"{len(report['events'])} events are many for {report['metal_atoms']} atoms: raise "
            "--lasting, so that links which come and go do not count"
        )
    return found
