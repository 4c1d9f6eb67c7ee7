"""Options that name the labels in a file of frames."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from aiida_nanoclusters.formats.label_keys import LabelKeys

Command = Callable[..., Any]


def label_key_options(command: Command) -> Command:
    """Options for the names of energy, forces and stress; the command gets `keys`."""

    @wraps(command)
    def with_keys(
        *args: Any,
        energy_key: str | None,
        force_key: str | None,
        stress_key: str | None,
        **given: Any,
    ) -> Any:
        from aiida_nanoclusters.formats.label_keys import LabelKeys

        return command(*args, keys=LabelKeys(energy_key, force_key, stress_key), **given)

    options = (
        ("--stress-key", "REF_virial", "stress (eV/Å^3), or virial (eV) if its name says so,"),
        ("--force-key", "REF_forces", "forces (eV/Å)"),
        ("--energy-key", "REF_energy", "energy (eV)"),
    )
    with_options: Command = with_keys
    for option, example, what in options:
        text = f"Name of the {what} in extended XYZ and files of ASE. Default: one that is known."
        with_options = click.option(option, metavar=example, help=text)(with_options)
    return with_options


def reading(keys: LabelKeys) -> dict[str, Any]:
    """Return how the labels of a data set are read: as `import-labels` does, by these names."""
    from aiida_nanoclusters.formats.label_files import GAP

    return {"gap": GAP, **{name: value for name, value in vars(keys).items() if value}}
