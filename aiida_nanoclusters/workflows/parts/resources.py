"""Resources of jobs, by what they do and by the number of atoms; imports no AiiDA."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aiida_nanoclusters.workflows.parts.mappings import mapping_of

#: What jobs do. A code may have other options for each.
VERBS = ("label", "train", "compile", "evaluate", "relax", "anneal")


class JobOptions(dict[str, Any]):
    """`metadata.options` of a code's jobs, which may differ by verb and grow with the clusters.

    As a plain dictionary it has the options of every job of the code.

    Parameters
    ----------
    base
        `metadata.options` of any job.
    steps
        By verb, ``(atoms, options)`` in ascending order: options of jobs whose largest cluster has
        at least that many atoms. Later steps are merged into earlier ones.
    given
        By verb, or under ``""`` for all, options of the user, which override all others.
    """

    def __init__(
        self,
        base: Mapping[str, Any],
        steps: Mapping[str, Sequence[tuple[int, Mapping[str, Any]]]] | None = None,
        given: Mapping[str, Mapping[str, Any]] | None = None,
    ):
        super().__init__(overlay(base, (given or {}).get("", {})))
        self._base, self._steps, self._given = dict(base), dict(steps or {}), dict(given or {})

    @property
    def spelt_out(self) -> dict[str, Any]:
        """The arguments of the constructor, as plain values."""
        steps = {verb: [list(step) for step in found] for verb, found in self._steps.items()}
        return {"base": self._base, "steps": steps, "given": self._given}

    def at(self, verb: str, n_atoms: int | None = None) -> dict[str, Any]:
        """Return the options of jobs that do `verb`; `n_atoms` are those of the largest cluster."""
        if verb not in VERBS:
            raise ValueError(f"unknown verb `{verb}`: choose one of {', '.join(VERBS)}")
        steps = [options for atoms, options in self._steps.get(verb, ()) if (n_atoms or 0) >= atoms]
        return overlay(self._base, *steps, self._given.get("", {}), self._given.get(verb, {}))

    def steps(self, verb: str) -> list[int]:
        """Return the numbers of atoms at which the options of `at` change."""
        return [atoms for atoms, _ in self._steps.get(verb, ()) if atoms > 0]


def steps_of(options: Mapping[str, Any] | None, verb: str) -> list[int]:
    """Return the numbers of atoms at which the options of jobs that do `verb` change."""
    return options.steps(verb) if isinstance(options, JobOptions) else []


def options_at(
    options: Mapping[str, Any] | None, verb: str, n_atoms: int | None = None
) -> dict[str, Any]:
    """Return plain `metadata.options` for jobs that do `verb`; `options` may be plain already."""
    if isinstance(options, JobOptions):
        return options.at(verb, n_atoms)
    return plain_options(options)


def plain_options(options: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return `metadata.options` as a dict.

    Raises
    ------
    ValueError
        If they are none.
    """
    return mapping_of(options, "options", '{"max_wallclock_seconds": 3600}')


def overlay(*layers: Mapping[str, Any]) -> dict[str, Any]:
    """Merge options, later over earlier ones: `resources` key by key, all others as a whole."""
    merged: dict[str, Any] = {}
    for layer in layers:
        resources = {**merged.get("resources", {}), **layer.get("resources", {})}
        merged = {**merged, **layer}
        if resources:
            merged["resources"] = resources
    return merged
