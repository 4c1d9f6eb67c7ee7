"""Common parts of jobs of LAMMPS: potentials, atom types, command line and exit codes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from aiida.common import CalcInfo, CodeInfo
from aiida.common.folders import Folder
from aiida.engine import CalcJobProcessSpec
from aiida.orm import AbstractCode

from aiida_nanoclusters.calculations.faults import new_job, set_program_codes
from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.data.potential import PotentialData
from aiida_nanoclusters.data.schemas import attributes_problem
from aiida_nanoclusters.data.trust import trust_problem
from aiida_nanoclusters.formats import calculators
from aiida_nanoclusters.formats.calculators.calculator_server import VERSIONS_FILE
from aiida_nanoclusters.formats.calculators.description import SERVER_FILE
from aiida_nanoclusters.formats.input_text import InputTextError, finite, lammps_options, plain_name
from aiida_nanoclusters.formats.lammps.input import INPUT_FILE, LOG_FILE
from aiida_nanoclusters.formats.lammps.potential_files import check_potential_file
from aiida_nanoclusters.science.labels.settings import LammpsSettings

#: Standard error of the process that holds a calculator.
MESSAGES_FILE = "calculator.err"
#: Kind, elements and cutoff, and key of the content in the repository, of files that were checked.
_SOUND: set[tuple[object, ...]] = set()


class NamesModel:
    """A job whose results name the model that computed them, as their level of theory.

    Those of earlier versions named the level of its training set: AiiDA's cache must not return
    them beside new ones, with which they could not be joined. Jobs of potentials that are no
    models have changed nothing and are taken from it as before.
    """

    inputs: Any

    @property
    def CACHE_VERSION(self) -> int | None:
        """Number that is part of the hash; None where no potential is a model."""
        given = self.inputs.get("potentials", {})
        potentials = [*given.values(), *([p] if (p := self.inputs.get("potential")) else [])]
        return 1 if any(potential.architecture for potential in potentials) else None


def validate_potential(value: PotentialData, _: Any) -> str | None:
    """Refuse potentials that LAMMPS cannot run, and code of sources that are not trusted.

    An imported one was made by no function of this package: its elements, its numbers and its file
    are checked before any of it becomes part of an input.
    """
    if not value.runs_in_lammps:
        return (
            "the potential is an Allegro package, which LAMMPS cannot run: compile it first "
            f"(`aiida-nanoclusters run compile {value.uuid}`)"
        )
    return trust_problem(value) or content_problem(value)


def content_problem(potential: PotentialData) -> str | None:
    """Return what in a potential must not become part of an input of LAMMPS, or None."""
    problem = attributes_problem(potential.node_type, potential.base.attributes.all)
    if problem:  # AiiDA's own import does not look at attributes
        return f"the potential {potential.uuid} cannot be used: {problem}"
    try:
        finite(potential.cutoff, "its cutoff")
        potential.interaction.lammps_lines(potential.elements)
        problem = potential.file_problem  # also reads the description of a calculator
        if problem is None:
            _check_file(potential)
    except (ValueError, TypeError, OSError) as error:  # also attributes of another type
        return f"the potential {potential.uuid} cannot be used: {error}"
    return f"the potential {potential.uuid} cannot be used: {problem}" if problem else None


def _check_file(potential: PotentialData) -> None:
    """Refuse an EAM file of more than a header and numbers, or of other elements than said."""
    interaction, repository = potential.interaction, potential.base.repository
    if not interaction.kind.startswith("eam") or interaction.filename is None:
        return
    said = (interaction.kind, interaction.elements, interaction.cutoff)
    key = (*said, str(repository.get_object(interaction.filename).key))
    if key in _SOUND:
        return
    with TemporaryDirectory() as folder:
        path = Path(folder) / interaction.filename
        path.write_bytes(repository.get_object_content(interaction.filename, mode="rb"))
        check_potential_file(path, interaction)
    _SOUND.add(key)


def potential_copy(potential: PotentialData, name: str = "") -> list[tuple[str, str, str]]:
    """Return, for `local_copy_list`, the files of a potential; empty where it has none.

    Parameters
    ----------
    potential
        The potential; an EAM file is checked.
    name
        Name of the file in the job. Default: that in the node.

    Raises
    ------
    ValueError
        If the file holds more than a header and numbers, or its name is none.
    """
    names = potential.file_names
    if not names:
        return []
    _check_file(potential)
    target = plain_name(name or names[0], "the name of the potential file")
    # The name of a checkpoint holds the hash of its content, so that those of a committee differ.
    return [(potential.uuid, n, target if n == names[0] else n) for n in names]


def server_script() -> str:
    """Return the script that holds a calculator in a job."""
    return (files(calculators) / SERVER_FILE).read_text("utf-8")


def write_server(folder: Folder, potentials: Iterable[PotentialData]) -> list[str]:
    """Write the script that holds the calculator, if there is one; return what to retrieve of it.

    Parameters
    ----------
    folder
        Of the job.
    potentials
        Of the job.
    """
    if not any(potential.kind == "calculator" for potential in potentials):
        return []
    with folder.open(SERVER_FILE, "w", encoding="utf-8") as handle:
        handle.write(server_script())
    return [VERSIONS_FILE, MESSAGES_FILE]


def cmdline_problem(values: Mapping[str, Any]) -> str | None:
    """Return which option of `cmdline` in valid settings is none for an accelerator, or None."""
    try:
        lammps_options(values.get("cmdline", []))
    except InputTextError as error:
        return str(error)
    return None


def elements_problem(frames: FramesData, potential: PotentialData) -> str | None:
    """Return which elements of the frames the potential does not cover, and the fix, or None."""
    missing = [e for e in frames.elements if e not in potential.elements]
    if missing:
        return (
            f"the potential covers {', '.join(potential.elements)} but not {', '.join(missing)}: "
            "choose a potential of these elements"
        )
    return None


def used_symbols(frames: FramesData, potential: PotentialData) -> list[str]:
    """Return the elements of the frames in the order of the potential: the atom types."""
    return [e for e in potential.elements if e in frames.elements]


def set_exit_codes(spec: CalcJobProcessSpec) -> None:
    """Declare the failures of all jobs of LAMMPS."""
    set_program_codes(spec, "LAMMPS", "log")
    spec.exit_code(340, "ERROR_LAMMPS", message="LAMMPS stopped: {message}")
    spec.exit_code(
        341,
        "ERROR_NO_PAIR_STYLE",
        message="LAMMPS stopped: {message}",
        invalidates_cache=True,
    )


def new_lammps_job(
    code: AbstractCode, settings: LammpsSettings, copies: Sequence[tuple[str, str, str]]
) -> CalcInfo:
    """Return a job of one run of LAMMPS.

    Parameters
    ----------
    code
        LAMMPS.
    settings
        Settings of the job, of which `cmdline` is used.
    copies
        Files of potentials: UUID of the node, name in the node, name in the job.
    """
    run = CodeInfo()
    run.code_uuid = code.uuid
    run.cmdline_params = ["-in", INPUT_FILE, "-log", LOG_FILE, "-screen", "none", "-nocite"]
    run.cmdline_params += lammps_options(settings.cmdline)
    info = new_job()
    info.codes_info = [run]
    info.local_copy_list = list(copies)
    return info
