"""aiida-nanoclusters: the commands around a study. AiiDA is imported only by what needs it."""

from __future__ import annotations

import click

from aiida_nanoclusters import __version__
from aiida_nanoclusters.cli.export.command import export
from aiida_nanoclusters.cli.find.analyse import analyse
from aiida_nanoclusters.cli.find.explain import explain
from aiida_nanoclusters.cli.find.find import find
from aiida_nanoclusters.cli.find.housekeeping import delete, disk
from aiida_nanoclusters.cli.imports.command import import_command, trust_command
from aiida_nanoclusters.cli.imports.labels_command import import_labels
from aiida_nanoclusters.cli.machine.doctor import doctor
from aiida_nanoclusters.cli.machine.setup import setup
from aiida_nanoclusters.cli.progress.status import status
from aiida_nanoclusters.cli.publish.command import publish
from aiida_nanoclusters.cli.report.analyse_assembly import analyse_assembly
from aiida_nanoclusters.cli.report.command import report
from aiida_nanoclusters.cli.reproduce.command import reproduce
from aiida_nanoclusters.cli.run.command import run
from aiida_nanoclusters.cli.run.compare import compare
from aiida_nanoclusters.cli.terminal import Commands, prepare_environment


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="aiida-nanoclusters")
def cli() -> None:
    """Find which cluster sizes are magic, and at what size a cluster becomes a crystal.

    Begin with `setup`; `doctor` says what is wrong and how to mend it; `run study` launches a
    study; `status` shows its progress and `report` its results.
    """
    prepare_environment()


commands = (
    *(setup, doctor, run, status, report),
    *(find, explain, reproduce, analyse, analyse_assembly, compare, disk, delete),
    *(export, publish, import_command, trust_command, import_labels),
)
for command in commands:
    cli.add_command(command)


if __name__ == "__main__":
    cli(prog_name="aiida-nanoclusters")
