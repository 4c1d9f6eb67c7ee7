"""The numbers of a protocol on the command line: which, what they are, and what is changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import click
from click.shell_completion import CompletionItem

from aiida_nanoclusters.cli.launch.messages import of_option, refused_by_port
from aiida_nanoclusters.cli.launch.protocol_changes import changes as changes
from aiida_nanoclusters.cli.launch.protocol_changes import level_changes as level_changes
from aiida_nanoclusters.cli.launch.protocol_changes import parse_assignment as parse_assignment
from aiida_nanoclusters.cli.launch.protocol_changes import split_assignments as split_assignments
from aiida_nanoclusters.cli.launch.protocol_lines import level_shown, shown
from aiida_nanoclusters.cli.terminal import Fixable, echo, open_profile

Command = Callable[..., Any]


def number_options(
    numbers: str, example: str, complete: Callable[..., list[Any]]
) -> tuple[Callable[..., Any], ...]:
    """Return the options that change and show numbers; `numbers` says which, in the help."""
    return (
        click.option(
            "--set",
            "assignments",
            multiple=True,
            metavar="PATH=VALUE",
            help=f"Change a number of {numbers}, e.g. --set {example}; repeatable. "
            "--show-protocol prints the paths.",
        ),
        click.option(
            "--show-protocol",
            is_flag=False,
            flag_value="",
            default=None,
            expose_value=False,
            metavar="[NAME]",
            shell_complete=complete,
            help=f"Print every number of {numbers}, with units, and exit.",
        ),
    )


def protocol_options(stem: str, default: str) -> Callable[[Command], Command]:
    """Options `--protocol`, `--show-protocol` and `--set` of a command.

    The command gets `protocol`, a name, and `assignments`, what `--set` was given:
    :func:`changes` makes overrides of them.

    Parameters
    ----------
    stem
        Name of the file of protocols, ``workflows/protocols/<stem>.yaml``.
    default
        Protocol where none is named.
    """

    def complete(*_: Any) -> list[CompletionItem]:
        from aiida_nanoclusters.workflows.parts.protocol import protocol_names

        typed = str(_[-1])
        names = protocol_names(stem).items()
        return [CompletionItem(k, help=v) for k, v in names if k.startswith(typed)]

    def add(command: Command) -> Command:
        for option in (
            *number_options("the protocol", _EXAMPLES[stem], complete),
            click.option(
                "--protocol",
                default=default,
                show_default=True,
                shell_complete=complete,
                help="Name of the set of numbers that is used.",
            ),
        ):
            command = option(command)
        return command

    return add


#: One change for the help of each command.
_EXAMPLES = {
    "active_learning": "settings.loop.budget=500",
    "anneal": "anneal.starts=10",
    "basin_hopping": "basin_hopping.steps=500",
    "chart": "chart.training.epochs=100",
    "compatibility": "matching.training.epochs=100",
    "crossover": "crossover.width=0.05",
    "dataset": "dataset.total=1000",
    "lowest_structures": "lowest_structures.rounds=40",
    "match_ligands": "ranking.most_ligands=2",
    "melting": "melting.blocks=8",
    "metadynamics": "metadynamics.duration=500",
    "nucleate": "solution.length=15",
    "parallel_tempering": "parallel_tempering.duration=500",
    "size_scan": "size_scan.anneal=tutorial",
    "study": "crossover.width=0.05",
    "train": "training.epochs=100",
}


_PROFILE = "aiida_nanoclusters.profile"


def _remember_profile(ctx: click.Context, _: click.Parameter, name: str | None) -> None:
    ctx.meta[_PROFILE] = name


def symbols_of_options(elements: str | None, element: str) -> str | list[str]:
    """Return the elements of the structures: those of `--elements`, or `--element`.

    Raises
    ------
    Fixable
        If they are no different chemical symbols.
    """
    from ase.data import atomic_numbers

    if not elements:
        return element
    found = [symbol.strip() for symbol in elements.split(",")]
    if len(set(found)) != len(found) or any(s not in atomic_numbers for s in found):
        raise Fixable(f"--elements {elements}: give different chemical symbols as Ag,Cu")
    return found if len(found) > 1 else found[0]


class LaunchCommand(click.Command):
    """A command that launches a work chain: it knows its protocols and former names of options.

    Parameters
    ----------
    stem
        Name of the file of protocols; None where the command has none.
    former
        Former name of an option: the name now.
    alloys
        Whether `--elements` names those of the structures.
    """

    def __init__(
        self,
        *args: Any,
        stem: str | None = None,
        former: Mapping[str, str] | None = None,
        alloys: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.stem, self.former, self.alloys = stem, dict(former or {}), alloys
        self.params.append(
            click.Option(
                ["-p", "--profile"],
                metavar="NAME",
                expose_value=False,
                callback=_remember_profile,
                help="AiiDA profile. Default: the one that is loaded, or the default profile.",
            )
        )

    def invoke(self, ctx: click.Context) -> Any:
        """Load the AiiDA profile, then launch.

        Raises
        ------
        Fixable
            If a port refuses an input; the message names the option.
        """
        open_profile(ctx.meta.get(_PROFILE))
        try:
            return super().invoke(ctx)
        except ValueError as error:
            if refused_by_port(error):  # by an input that was set outside of `fixable`
                raise Fixable(of_option(str(error))) from error
            raise

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Exchange former names; print the protocol instead where that is asked for."""
        args = [self._present_name(word) for word in args]
        asked = any(word.startswith("--show-protocol") for word in args)
        if asked and any(option.name == "show_protocol" for option in self.params):
            given, _, _ = self.make_parser(ctx).parse_args(list(args))
            if (name := given.get("show_protocol")) is not None:
                # Without a name the parser leaves a mark of its own there.
                lines = list(self._shown(name if isinstance(name, str) else "", given))
                for line in lines:
                    echo(line)
                ctx.exit()
        return super().parse_args(ctx, args)

    def _shown(self, name: str, given: Mapping[str, Any]) -> Iterator[str]:
        """Yield the lines of a protocol, and of the level of theory of the reference engine."""
        engine = given.get("engine") or self._default_of("engine")
        level = given.get("engine_protocol")
        assigned = given.get("assignments") or ()
        if self.stem is None:
            yield from level_shown(engine, name or level, assigned)
            return
        protocol = name or given.get("protocol") or self._default_of("protocol")
        element = self._element(given)
        if self.alloys:  # temperatures by the mean of their melting points
            element = symbols_of_options(given.get("elements"), element)
        own, of_level = split_assignments(engine, assigned)
        yield from shown(self.stem, protocol, element, own)
        if engine not in (None, "potential"):
            yield ""
            yield from level_shown(engine, level, of_level)

    def _element(self, given: Mapping[str, Any]) -> Any:
        """Return the element that is asked about, as a launch with these options takes it."""
        from aiida_nanoclusters.cli.launch.potentials import element_of_potential

        said = given.get("element")
        if not said and (given.get("potential_file") or given.get("potentials")):
            open_profile(given.get("profile"))
            said = element_of_potential(given)
        return said or self._default_of("element")

    def _present_name(self, word: str) -> str:
        name, equals, value = word.partition("=")
        if name not in self.former:
            return word
        echo(f"Warning: {name} is called {self.former[name]} now", err=True)
        return self.former[name] + equals + value

    def _default_of(self, name: str) -> Any:
        return next((p.default for p in self.params if p.name == name), None)
