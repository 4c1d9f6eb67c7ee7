"""Ports that several work chains of clusters declare alike."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from aiida.engine import ProcessBuilder, ProcessSpec
from aiida.engine.processes.ports import PortNamespace
from aiida.orm import Dict, Int, List, Str

from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.science.settings import Settings
from aiida_nanoclusters.workflows.parts.validators import (
    optional,
    settings_validator,
    validate_element,
    validate_sizes,
    validate_symbols,
)

#: Ports of :func:`elements_port`, of which one is given.
ELEMENTS = ("element", "elements")


def element_port(spec: ProcessSpec, *, required: bool = True) -> None:
    """Declare the chemical element."""
    spec.input(
        "element",
        valid_type=Str,
        required=required,
        validator=optional(validate_element),
        help="Chemical symbol.",
    )


def elements_port(spec: ProcessSpec) -> None:
    """Declare the elements of structures that may be alloys, and `element` as optional."""
    element_port(spec, required=False)
    spec.input(
        "elements",
        valid_type=List,
        required=False,
        validator=optional(validate_symbols),
        help="Chemical symbols of an alloy or a solution, in place of `element`.",
    )


def set_elements(builder: ProcessBuilder, element: str | Sequence[str]) -> None:
    """Set `element` of a builder, or `elements` where there are several."""
    if isinstance(element, str):
        builder.element = Str(element)
    else:
        builder.elements = List(sorted(element))


def elements_of(inputs: Mapping[str, Any]) -> list[str]:
    """Return the chemical symbols of inputs that :func:`elements_port` declares."""
    if "elements" in inputs:
        return [str(symbol) for symbol in inputs["elements"].get_list()]
    return [str(inputs["element"].value)] if "element" in inputs else []


def elements_problem(inputs: Mapping[str, Any], ports: PortNamespace | None) -> str | None:
    """Return what is wrong where not just one of `element` and `elements` is given, or None.

    Nothing where `ports`, those that are validated, have neither: a parent fills them in.
    """
    if ports is not None and "element" not in ports:
        return None
    if ("element" in inputs) == ("elements" in inputs):
        return "give either `element`, a chemical symbol, or `elements`, those of an alloy"
    return None


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
