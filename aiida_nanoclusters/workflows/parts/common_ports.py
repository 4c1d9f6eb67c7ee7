"""Ports that several work chains of clusters declare alike."""

from __future__ import annotations

from collections.abc import Iterable

from aiida.engine import ProcessSpec
from aiida.orm import Dict, Int, List, Str

from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.science.settings import Settings
from aiida_nanoclusters.workflows.parts.validators import (
    optional,
    settings_validator,
    validate_element,
    validate_sizes,
)


def element_port(spec: ProcessSpec, *, required: bool = True) -> None:
    """Declare the chemical element."""
    spec.input(
        "element",
        valid_type=Str,
        required=required,
        validator=optional(validate_element),
        help="Chemical symbol.",
    )


def sizes_port(spec: ProcessSpec, *, required: bool = True) -> None:
    """Declare the sizes of the clusters."""
    spec.input(
        "sizes",
        valid_type=List,
        required=required,
        validator=optional(validate_sizes),
        help="Sizes of the clusters (atoms), each once.",
    )


def compositions_port(spec: ProcessSpec) -> None:
    """Declare the compositions of clusters of several elements."""
    spec.input(
        "compositions",
        valid_type=List,
        required=False,
        help="Formulas of the clusters, such as `Ag13Cu42`, in place of `element` and `sizes`.",
    )


def settings_port(spec: ProcessSpec, model: type[Settings], content: str) -> None:
    """Declare the settings, held to their model; `content` says what is in them."""
    file = model.__module__.removeprefix("aiida_nanoclusters.").replace(".", "/")
    spec.input(
        "settings",
        valid_type=Dict,
        validator=settings_validator(model),
        help=f"{content}: the fields of `{model.__name__}` in `{file}.py`.",
    )


def seed_port(spec: ProcessSpec) -> None:
    """Declare the random seed."""
    spec.input("seed", valid_type=Int, default=lambda: Int(1), help="Random seed. Default: 1.")


def frames_output(spec: ProcessSpec, name: str, text: str, *, required: bool = True) -> None:
    """Declare an output that holds frames."""
    spec.output(name, valid_type=FramesData, required=required, help=text)


def list_missing(wanted: Iterable[int], found: Iterable[int]) -> str:
    """Return the sizes (atoms) that were not found, ascending and separated by commas."""
    return ", ".join(str(size) for size in sorted({*wanted} - {int(n) for n in found}))
