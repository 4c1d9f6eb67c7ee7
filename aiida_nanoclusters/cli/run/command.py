"""aiida-nanoclusters run: one command for each work chain, loaded when it is named."""

from __future__ import annotations

from importlib import import_module

import click

from aiida_nanoclusters.cli.terminal import Fixable

#: Name of a command: its sentence. The module has the same name with underscores.
COMMANDS = {
    "dataset": "Make the frames a potential learns from, or bring your own.",
    "label": "Compute energies and forces of given frames.",
    "stages": "Relax given structures, or sample their dynamics.",
    "train": "Train a committee of potentials, and measure its errors.",
    "compile": "Compile an Allegro package, also of others, for LAMMPS.",
    "active-learning": "Grow a training set until a committee knows enough.",
    "anneal": "Search the lowest structures of given sizes by annealing.",
    "lowest-structures": "Search the lowest structures of many sizes, motifs first.",
    "basin-hopping": "Search the minima of given sizes by basin hopping.",
    "parallel-tempering": "Sample clusters at a ladder of temperatures.",
    "chart": "Chart the structures of clusters, and find their families.",
    "classify": "Place structures, trajectories and files in a chart.",
    "compatibility": "Learn which ligands go with which core, from known clusters.",
    "match-ligands": "Rank sets of candidate ligands for a core.",
    "edit-core": "Edit single atoms of a core, and rank ligands for each result.",
    "metadynamics": "Drive a cluster between its structures; free energy along variables.",
    "nucleate": "How do molecules assemble in solution? Learn a potential, drive, free energy.",
    "melting": "Determine the melting point of a cluster.",
    "size-scan": "Find out which sizes are magic.",
    "crossover": "Find the size at which a cluster becomes a crystal.",
    "study": "All of it, from labels to the answers and a report.",
    "lammps-script": "Run an input of LAMMPS of your own, with any potential.",
    "reproduce": "Run a recorded process again and compare.",
}


class Launches(click.Group):
    """Commands by name; dashes and underscores are the same."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names, in the order of the road from labels to the answer."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """Load the command of that name."""
        name = name.replace("_", "-")
        if name not in COMMANDS:
            return None
        if name == "reproduce":
            from aiida_nanoclusters.cli.reproduce.command import reproduce

            return reproduce
        stem = name.replace("-", "_")
        found: click.Command = import_module(f"aiida_nanoclusters.cli.run.{stem}").main
        return found

    def invoke(self, ctx: click.Context) -> object:
        """Run a command; a wrong option ends in one line, without the usage before it.

        Raises
        ------
        Fixable
            Naming the option and the page that explains it.
        """
        try:
            return super().invoke(ctx)
        except click.exceptions.NoArgsIsHelpError:
            raise
        except click.UsageError as error:
            name = "" if error.ctx is None or error.ctx is ctx else f" {error.ctx.info_name}"
            told = error.format_message().rstrip(".")
            raise Fixable(f"{told}: see `aiida-nanoclusters run{name} --help`") from error

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without loading them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.command("run", cls=Launches)
def run() -> None:
    """Launch a work chain: `aiida-nanoclusters run NAME --help`.

    `--show-protocol` prints the numbers that would be used, also those of the level of theory of
    `--engine`; `--set PATH=VALUE` changes one.
    """
