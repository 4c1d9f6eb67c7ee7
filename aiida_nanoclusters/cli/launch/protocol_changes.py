"""What `--set PATH=VALUE` changes of a protocol or of a level of theory."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from aiida_nanoclusters.cli.launch.messages import why_unreadable
from aiida_nanoclusters.cli.terminal import Fixable
from aiida_nanoclusters.formats.limits import load_yaml

#: Reference engines with levels of theory, each a protocol of the file of that name.
LEVELS = ("cp2k", "vasp")


@dataclass(frozen=True)
class Changes:
    """What `--set` changes.

    Attributes
    ----------
    own
        Overrides of the protocol itself.
    parts
        Overrides of the protocols that it names, by part: those of a study's crossover, say.
    """

    own: dict[str, Any] = field(default_factory=dict)
    parts: dict[str, dict[str, Any]] = field(default_factory=dict)


def changes(
    stem: str,
    protocol: str,
    assignments: Sequence[str],
    element: str | Sequence[str] | None = None,
    others: Mapping[str, Any] | None = None,
) -> Changes:
    """Return what ``PATH=VALUE`` of `--set` changes of a protocol.

    A path is that of the protocol, such as ``settings.width``. Its first part may be the name of
    the command or of a part that has a protocol of its own; ``settings`` may then be left out:
    ``crossover.width``. Values are YAML. `others` is what other options change, with which the
    values have to fit together.

    Raises
    ------
    Fixable
        If an assignment is written otherwise, a path is unknown (the nearest is named) or a value
        is of another kind or beyond its limits.
    """
    from aiida_nanoclusters.workflows.parts.protocol import load_protocol, merge

    found = Changes()
    try:
        known = load_protocol(stem, protocol, element=element)
    except ValueError as error:
        raise Fixable(str(error)) from error
    if not assignments:
        return found
    parts = named_parts(known)
    of_parts: dict[str, list[str]] = {}
    typed: dict[str, str] = {}
    for text in assignments:
        path, value = parse_assignment(text)
        path[0] = _underscored(path[0], (stem, *parts))
        if path[0] in parts and len(path) > 1:
            of_parts.setdefault(path[0], []).append(text)
            continue
        resolved = _resolve(stem, path, known)
        typed[".".join(resolved)] = text.partition("=")[0].strip()
        if stem in LEVELS:
            _check_kind(text, _value_at(known, resolved), value)
        nested: Any = value
        for key in reversed(resolved):
            nested = {key: nested}
        found.own.update(merge(found.own, nested))
    for part, texts in of_parts.items():
        found.parts[part] = changes(part, parts[part], texts, element).own
    _check_values(stem, merge(merge(known, others or {}), found.own), typed)
    return found


def split_assignments(
    engine: str | None, assignments: Sequence[str]
) -> tuple[list[str], list[str]]:
    """Divide what `--set` was given: for the protocol of a command, for the level of theory.

    Parameters
    ----------
    engine
        Reference engine of the command; None where it has none.
    assignments
        ``PATH=VALUE``; those of a level begin with the name of its engine: ``cp2k.vacuum=15``.

    Raises
    ------
    Fixable
        If one is for an engine that is not used.
    """
    own, level = [], []
    for text in assignments:
        name = text.partition("=")[0].strip().partition(".")[0]
        if name not in LEVELS or engine is None:
            own.append(text)
        elif name != engine:
            raise Fixable(f"--set {text}: the reference engine is {engine}; add --engine {name}")
        else:
            level.append(text)
    return own, level


def level_changes(engine: str, level: str | None, assignments: Sequence[str]) -> dict[str, Any]:
    """Return what `--set` changes of a level of theory.

    Parameters
    ----------
    engine
        Reference engine.
    level
        Name of a protocol of the engine; None for its default.
    assignments
        ``PATH=VALUE``; the path may begin with the name of the engine.

    Raises
    ------
    Fixable
        As :func:`changes`, or if a potential is the reference engine.
    """
    if not assignments:
        return {}
    return changes(engine, level_name(engine, level), assignments).own


def level_name(engine: str, level: str | None) -> str:
    """Return the name of the level of theory that an engine uses, by default its own.

    Raises
    ------
    Fixable
        If the engine has no levels of theory: it is a potential.
    """
    from aiida_nanoclusters.workflows.parts.protocol import default_protocol

    if engine not in LEVELS:
        raise Fixable(
            "a potential has no settings of a level of theory: choose --engine "
            f"{' or --engine '.join(LEVELS)}"
        )
    return level or default_protocol(engine)


def named_parts(values: Mapping[str, Any]) -> dict[str, str]:
    """Return the protocols that a protocol names, by the file in which they are."""
    from aiida_nanoclusters.workflows.parts.protocol import protocol_stems

    stems = protocol_stems()
    return {k: v for k, v in values.items() if k in stems and isinstance(v, str)}


def parse_assignment(text: str) -> tuple[list[str], Any]:
    """Read ``crossover.width=0.05``.

    Raises
    ------
    Fixable
        If it is written otherwise.
    """
    path, equals, value = text.partition("=")
    if not equals or not path.strip():
        raise Fixable(f"--set {text}: write it as crossover.width=0.05")
    try:
        return path.strip().split("."), load_yaml(value)
    except ValueError as error:
        raise Fixable(f"--set {text}: the value is no YAML: {why_unreadable(error)}") from error


def settings_models(stem: str) -> Mapping[str, Any]:
    """Return the models of the settings of a file of protocols by the path at which they hold."""
    from aiida_nanoclusters.workflows.parts import settings

    return settings.settings_models(stem)


def _resolve(stem: str, path: list[str], known: Mapping[str, Any]) -> list[str]:
    """Return the path in the protocol, or say which is nearest."""
    tries = [path]
    if path[0] == stem and len(path) > 1:
        tries += [path[1:], ["settings", *path[1:]]]
    for found in tries:
        if _holds(known, found):
            return found
    for found in tries:
        if _holds(known, found[:-1]) and _is_setting(stem, found):
            return found
    paths = list(_paths(known, []))
    wanted = ".".join(tries[-1])
    near = get_close_matches(wanted, paths, n=1, cutoff=0.4)
    fix = f"did you mean `{near[0]}`?" if near else "see --show-protocol"
    if stem in LEVELS and len(path) > 1 and _holds(known, tries[-1][:1]):
        fix += f" A new key is added by --set '{tries[-1][0]}={{...}}'"
    raise Fixable(f"--set: `{'.'.join(path)}` is no number of the protocol: {fix}")


def _holds(known: Any, path: Sequence[str]) -> bool:
    for key in path:
        if not isinstance(known, Mapping) or key not in known:
            return False
        known = known[key]
    return True


def _is_setting(stem: str, path: Sequence[str]) -> bool:
    """Whether it is a setting that the protocol leaves at its default."""
    for place, model in settings_models(stem).items():
        keys = [key for key in place.split(".") if key]
        setting = model.setting_at(path[len(keys) :]) if list(path[: len(keys)]) == keys else None
        if setting is not None and setting.name == path[-1]:
            return True
    return False


def _paths(known: Mapping[str, Any], path: list[str]) -> Iterator[str]:
    for key, value in known.items():
        yield ".".join([*path, str(key)])
        if isinstance(value, Mapping):
            yield from _paths(value, [*path, str(key)])


def _underscored(name: str, known: Sequence[str]) -> str:
    """Return the name of a command or part, which may be typed with dashes."""
    plain = name.replace("-", "_")
    return plain if plain in known else name


def _value_at(known: Any, path: Sequence[str]) -> Any:
    for key in path:
        known = known[key]
    return known


def _check_kind(text: str, known: Any, value: Any) -> None:
    """Refuse what is no number in place of one, deep in a section that no model describes."""
    numbers = (int, float)
    if type(known) in numbers and value is not None and type(value) not in numbers:
        raise Fixable(f"--set {text}: give a number, such as {known}")


def _check_values(stem: str, values: Mapping[str, Any], typed: Mapping[str, str]) -> None:
    """Refuse values that the models of a protocol refuse, under the paths that were typed."""
    for place, model in settings_models(stem).items():
        part: Any = values
        for key in filter(None, place.split(".")):
            part = part.get(key) if isinstance(part, Mapping) else None
        if not isinstance(part, Mapping):
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            problem = model.problem(part)
        if problem:
            raise Fixable(f"--set: {_as_typed(problem, place, typed)}")


def _as_typed(problem: str, place: str, typed: Mapping[str, str]) -> str:
    """Return a message with the paths that were typed in place of those within a model."""
    for path, words in sorted(typed.items(), key=lambda row: -len(row[0])):
        own = path.removeprefix(f"{place}.") if place else path
        problem = re.sub(rf"`{re.escape(own)}(?=[`.])", f"`{words}", problem)
    return problem
