"""aiida-nanoclusters run lammps-script: an input of one's own, by aiida-lammps."""

from pathlib import Path

import click

from aiida_nanoclusters.cli.launch import options as cli
from aiida_nanoclusters.cli.terminal import echo
from aiida_nanoclusters.formats.lammps.own_script import INCLUDE_FILE, read_own_script

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command("lammps-script", cls=cli.LaunchCommand)
@click.argument("script", type=FILE)
@click.option(
    "--file",
    "beside",
    multiple=True,
    type=FILE,
    help="File that the script reads, such as a data file or an input of PLUMED; repeatable.",
)
@click.option(
    "--retrieve",
    multiple=True,
    metavar="NAME",
    help="File that the job writes and brings back, or a pattern such as *.dump; repeatable. "
    "Default: the log alone.",
)
@click.option(
    "--types",
    metavar="Cu,Au",
    help="Chemical symbols of the atom types 1, 2, ... of the script. Default: the elements of "
    "the potential.",
)
@cli.potential_options
@cli.lammps_option
@cli.options_option
@cli.here_option
def main(script, beside, retrieve, types, potential, lammps, options, here):
    """Run SCRIPT, an input of LAMMPS of your own, as a `lammps.raw` calculation of aiida-lammps.

    The line `include potential.lmp` in it takes the potential of --potential, --potential-file or
    --calculator, whichever of its kinds that is.

    \b
    aiida-nanoclusters run lammps-script in.metad --file start.lmp --file plumed.dat \\
        --retrieve COLVAR --retrieve HILLS --potential UUID
    """
    from importlib.util import find_spec

    from aiida.orm import Dict, List
    from aiida.plugins import CalculationFactory

    from aiida_nanoclusters.calculations.conversions import potential_to_files
    from aiida_nanoclusters.calculations.lammps_job import MESSAGES_FILE, VERSIONS_FILE
    from aiida_nanoclusters.cli.launch.converted import convert
    from aiida_nanoclusters.cli.launch.preflight import check_launch
    from aiida_nanoclusters.workflows.parts.job_inputs import job

    _check(script, beside, potential.is_given)
    if find_spec("aiida_lammps") is None:
        raise cli.Fixable('aiida-lammps is not installed: pip install "aiida-nanoclusters[lammps]"')
    code = cli.get_code(lammps, "lammps")
    builder = CalculationFactory("lammps.raw").get_builder()
    builder.code = code
    builder.script = _file(script)
    given, back = {f"own_{k}": _file(path) for k, path in enumerate(beside)}, ["log.lammps"]
    if potential.is_given:
        one = potential.one()
        check_launch({"code": code, "potential": one}, cli.make_console())
        symbols = [part.strip() for part in types.split(",")] if types else list(one.elements)
        given |= convert(one.uuid, potential_to_files, potential=one, elements=List(symbols))
        back += [VERSIONS_FILE, MESSAGES_FILE] if one.kind == "calculator" else []
    builder.files = given
    builder.settings = Dict({"additional_retrieve_list": [*back, *retrieve]})
    builder.metadata = job(code, cli.options_of(code, options))["metadata"]
    node = cli.launch(builder, here=here)
    cli.finish(node, [f"verdi calcjob outputcat {node.uuid}", f"verdi node show {node.uuid}"])


def _check(script, beside, with_potential):
    """Refuse what would only fail, or count otherwise than meant, in the job."""
    names = [path.name for path in beside]
    reserved = {"input.in", "lammps.out", "log.lammps", INCLUDE_FILE if with_potential else ""}
    for name in names:
        if name in reserved or names.count(name) > 1:
            raise cli.Fixable(f"--file {name}: the job has a file of that name: rename it")
    paths = {path.name: path for path in (*beside, script)}

    def read(name):
        return paths[name].read_text("utf-8", "replace") if name in paths else None

    found = read_own_script(script.name, read)
    includes = INCLUDE_FILE in found.included
    if with_potential and not includes:
        raise cli.Fixable(f"{script.name} has no line `include {INCLUDE_FILE}`: add it")
    if includes and not with_potential and INCLUDE_FILE not in names:
        raise cli.Fixable(f"{script.name} includes {INCLUDE_FILE}: give a potential")
    if with_potential:
        _check_units(script.name, found)
    _say_what_is_not_looked_into(script.name, found)


def _check_units(name, found):
    """Refuse other units than those of the potentials, which would be read as other numbers."""
    unknown = found.unseen != [INCLUDE_FILE] or found.elsewhere
    units = found.units or ([] if unknown else ["lj"])  # lj: LAMMPS's own default
    other = [unit for unit in units if unit != "metal"]
    if other:
        raise cli.Fixable(f"{name} has {other[0]} units: these potentials need `units metal`")
    if not units:
        echo(f"{name} sets no units itself: these potentials need `units metal`", err=True)


def _say_what_is_not_looked_into(name, found):
    rest = [f"include {file} (no --file)" for file in found.unseen if file != INCLUDE_FILE]
    if rest or found.elsewhere:
        said = ", ".join([*rest, *found.elsewhere])
        echo(f"not looked into for units and boundaries: {said}", err=True)
    elif not found.boundaries:
        echo(f"{name} has no `boundary`: all directions are periodic, LAMMPS's default", err=True)


def _file(path):
    """The file under the name it was given by, also where that is a link."""
    from aiida.orm import SinglefileData

    return SinglefileData(path.absolute(), filename=path.name)
