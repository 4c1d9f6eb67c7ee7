"""Body of `import-labels`: labels of finished calculations are read, checked and stored."""

from __future__ import annotations

import os
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import track
from rich.table import Table

from aiida_nanoclusters.cli.launch.options import parse_atom_energy
from aiida_nanoclusters.cli.terminal import Fixable, make_console, open_profile
from aiida_nanoclusters.formats.extxyz import write_extxyz
from aiida_nanoclusters.formats.label_files import Source, find_files, read_source
from aiida_nanoclusters.formats.label_keys import LabelKeys
from aiida_nanoclusters.science.frames import Frames
from aiida_nanoclusters.science.labels.merging import (
    UNKNOWN,
    compare_levels,
    find_other_zeros,
    unnamed,
)
from aiida_nanoclusters.science.labels.outliers import (
    Finding,
    find_duplicates,
    find_mixed_references,
    find_outliers,
)
from aiida_nanoclusters.science.labels.sanity import frame_problems
from aiida_nanoclusters.science.labels.work import find_wrong_work
from aiida_nanoclusters.science.words import counted

#: Number of lines of each list that are shown without --all.
_SHOWN = 20
#: Characters of the longest note in the table of files.
_LONGEST_NOTE = 70


def gather(
    paths: tuple[Path, ...],
    level: str | None,
    atom_energy: tuple[str, ...],
    gap: float,
    keys: LabelKeys,
    out: Path | None,
    store: bool,
    show_all: bool,
    profile_name: str | None,
) -> None:
    """Read, check, report and store labels; the arguments are the options of the command.

    Raises
    ------
    Fixable
        If there is no file with labels, or the labels cannot be held together.
    SystemExit
        With code 1, if there is no label.
    """
    console = make_console()
    energies = dict(parse_atom_energy(text) for text in atom_energy)
    sources = _read_all(console, paths, gap, keys)
    console.print(_table(sources))
    shown = None if show_all else _SHOWN
    _print_problems(console, sources)
    _print_left_out(console, sources, shown)
    _print_unused(console, sources, shown)
    images = [atoms for source in sources for atoms in source.frames]
    if not images:
        console.print("[red]no labels[/red]")
        raise SystemExit(1)
    levels = sorted({level or UNKNOWN for source in sources for level in source.levels})
    try:
        frames = Frames.from_atoms(
            images,
            level_of_theory=level
            or (levels[0] if len(levels) == 1 and levels[0] != UNKNOWN else ""),
            atom_energies=energies or None,
        )
    except ValueError as error:
        raise Fixable(str(error)) from error
    _print_findings(console, check_labels(sources, frames, levels), frames, shown)
    console.print(_summary(frames))
    _keep(console, frames, levels, out, store, profile_name)


def take_over(
    calculations: Sequence[str],
    level: str | None,
    atom_energy: Sequence[str],
    show_all: bool,
    profile_name: str | None,
) -> None:
    """Store the labels of calculations of other plugins; print what is left out or conspicuous.

    Raises
    ------
    Fixable
        If one is no calculation of this profile, or has no label.
    """
    open_profile(profile_name)
    from aiida.orm import CalcJobNode, Dict, WorkChainNode

    from aiida_nanoclusters.calculations.conversions import label_sources
    from aiida_nanoclusters.cli.launch.converted import labels_of_calculation
    from aiida_nanoclusters.cli.launch.nodes import get_node

    console, shown = make_console(), None if show_all else _SHOWN
    energies = dict(parse_atom_energy(text) for text in atom_energy)
    inputs = {"atom_energies": Dict(energies)} if energies else {}
    for uuid in calculations:
        process = get_node(uuid, CalcJobNode, WorkChainNode, what="calculation")
        node = labels_of_calculation(process, level or "", inputs)
        frames, sources = node.frames, label_sources(process.outputs.retrieved)
        _print_left_out(console, sources, shown)
        for source in sources:
            if source.problem:
                console.print(f"  {source.path}: {source.problem}", markup=False)
        _print_findings(console, check_labels(sources, frames, []), frames, shown)
        said = f"FramesData {node.uuid}: {_summary(frames)}, {frames.level_of_theory}"
        console.print(said, markup=False)


def _read_all(console: Console, paths: Sequence[Path], gap: float, keys: LabelKeys) -> list[Source]:
    files = list(find_files(paths))
    if not files:
        raise Fixable(
            "no vasprun.xml, OUTCAR, CP2K output, extended XYZ or trajectory of ASE found: name "
            "the files themselves"
        )
    quiet = not console.is_terminal
    return [
        read_source(path, kind, gap, keys)
        for path, kind in track(files, "reading", console=console, transient=True, disable=quiet)
    ]


def check_labels(sources: Sequence[Source], frames: Frames, levels: list[str]) -> list[Finding]:
    """Return all conspicuous labels; none is removed.

    The levels of theory are compared where the `levels` of the files are given.
    """
    findings = []
    if levels:
        names = [one or unnamed(s.path.name) for s in sources for one in s.levels]
        findings += compare_levels(frames, names)
    potcars = defaultdict(set)
    for source in sources:
        for title in source.potcars:
            parts = title.split()
            potcars[(parts[1] if len(parts) > 1 else title).split("_")[0]].add(title)
    for element, titles in sorted(potcars.items()):
        if len(titles) > 1:
            text = (
                f"{element} has the POTCARs {' and '.join(sorted(titles))}: different energy zeros"
            )
            findings.append(Finding("reference", (), text))
    findings += [Finding("geometry", (), text) for text in frame_problems(frames)]
    return [
        *findings,
        *find_mixed_references(frames),
        *find_other_zeros(frames),
        *find_duplicates(frames),
        *find_outliers(frames),
        *find_wrong_work(frames),
    ]


def _table(sources: Sequence[Source]) -> Table:
    folders = [str(source.path.absolute().parent) for source in sources]
    common = Path(os.path.commonpath(folders))
    table = Table(box=None, pad_edge=False)
    for name in ("file", "program", "level"):
        table.add_column(name, overflow="fold")
    for name in ("labels", "left out", "atoms"):
        table.add_column(name, justify="right")
    table.add_column("note", overflow="fold")
    for source in sources:
        sizes = sorted({len(atoms) for atoms in source.frames})
        span = str(sizes[0]) if len(sizes) == 1 else f"{sizes[0]}-{sizes[-1]}" if sizes else ""
        problem = (source.problem or "").removeprefix(f"{source.path.name} ")
        if len(problem) > _LONGEST_NOTE:  # it has a line of its own below
            problem = "see below"
        notes = [f"[yellow]{escape(problem)}[/yellow]"] if problem else []
        note = "; ".join([*notes, *map(escape, source.notes)])
        name = str(source.path.absolute().relative_to(common))
        counts = (str(len(source.frames)), str(len(source.left_out)), span)
        table.add_row(escape(name), source.program, escape(source.level), *counts, note)
    return table


def _print_left_out(console: Console, sources: Sequence[Source], shown: int | None) -> None:
    lines = [f"  {source.path}, {left_out}" for source in sources for left_out in source.left_out]
    if lines:
        console.print(f"[yellow]{len(lines)} steps are not labels and are left out[/yellow]")
        _print_lines(console, lines, shown)


def _print_problems(console: Console, sources: Sequence[Source]) -> None:
    for source in sources:
        if len(source.problem or "") > _LONGEST_NOTE:
            console.print(f"{source.path}: {source.problem}", markup=False, soft_wrap=True)


def _print_unused(console: Console, sources: Sequence[Source], shown: int | None) -> None:
    lines = [
        f"  {source.path}, {name}: {reason}" for source in sources for name, reason in source.unused
    ]
    if lines:
        console.print("not used")
        _print_lines(console, lines, shown)


def _print_findings(
    console: Console, findings: Sequence[Finding], frames: Frames, shown: int | None
) -> None:
    if not findings:
        return
    found = counted(len(findings), "conspicuous label")
    console.print(f"[yellow]{found}; none was removed[/yellow]")
    kinds = defaultdict(list)
    for finding in findings:
        places = [_place(frames, index) for index in finding.frames[:3]]
        if len(finding.frames) > 3:
            places.append(f"and {len(finding.frames) - 3} more")
        where = f"{', '.join(places)}: " if places else ""
        kinds[finding.kind].append(f"  {finding.kind}: {where}{finding.text}")
    for lines in kinds.values():
        _print_lines(console, lines, shown)


def _print_lines(console: Console, lines: Sequence[str], shown: int | None) -> None:
    for line in lines[:shown]:
        console.print(line, markup=False, soft_wrap=True)
    if shown is not None and len(lines) > shown:
        console.print(f"  and {len(lines) - shown} more: --all lists them")


def _place(frames: Frames, index: int) -> str:
    info = frames[index].info
    return f"{info['source']} step {info['step']}"


def _summary(frames: Frames) -> str:
    low, high = int(frames.sizes.min()), int(frames.sizes.max())
    sizes = str(low) if low == high else f"{low}-{high}"
    return f"{len(frames)} labels of {', '.join(frames.elements)}, sizes {sizes}"


def _keep(
    console: Console,
    frames: Frames,
    levels: Sequence[str],
    out: Path | None,
    store: bool,
    profile_name: str | None,
) -> None:
    if (out or store) and not frames.level_of_theory:
        if len(levels) > 1:
            raise Fixable(
                f"levels of theory: {', '.join(levels)}: import the files of each level "
                "separately, or give --level"
            )
        raise Fixable("the files do not say their level of theory: give it, such as --level PBE")
    if out:
        try:
            write_extxyz(frames, out)
        except OSError as error:
            reason = f"cannot write {out}: {error.strerror}; choose another --out"
            raise Fixable(reason) from error
        console.print(f"written to {out}", markup=False)
    if store:
        open_profile(profile_name)
        console.print(_store(frames))


def _store(frames: Frames) -> str:
    """Store the labels in AiiDA with the file they were collected in; return the line to print."""
    from aiida.orm import Dict, SinglefileData, Str

    from aiida_nanoclusters.calculations.frames import import_frames

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "labels.extxyz"
        write_extxyz(frames, path)
        file = SinglefileData(path)
    inputs: dict[str, Any] = {"file": file, "level_of_theory": Str(frames.level_of_theory)}
    if frames.atom_energies:
        inputs["atom_energies"] = Dict(dict(frames.atom_energies))
    try:
        node = import_frames(**inputs)
    except ValueError as error:
        raise Fixable(f"not stored: {error}") from error
    return f"FramesData {node.uuid}"
