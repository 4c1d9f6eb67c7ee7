"""Ports that had another name in an earlier version keep working under it."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any, ClassVar

from aiida.engine import ProcessBuilder, WorkChain


class FormerPorts(WorkChain):
    """A work chain some of whose input ports were renamed.

    Inputs under a former name are taken for those under the present one, with a
    ``DeprecationWarning``: where the work chain is launched, where a builder is filled, and where a
    recorded run is computed again. Only present names are recorded.

    Attributes
    ----------
    FORMER_PORTS
        Former name: present name. Both are names at the top level of the work chain's own inputs.
    """

    FORMER_PORTS: ClassVar[Mapping[str, str]] = {}

    def __init__(self, inputs: Mapping[str, Any] | None = None, *args: Any, **kwargs: Any) -> None:
        super().__init__(self.with_present_names(inputs or {}), *args, **kwargs)

    @classmethod
    def with_present_names(cls, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """Return the inputs under their present names.

        Raises
        ------
        ValueError
            If an input is given under both of its names.
        """
        renamed = dict(inputs)
        for former in [name for name in cls.FORMER_PORTS if name in renamed]:
            name = cls.present_name(former)
            if name in renamed:
                raise ValueError(f"`{former}` is called `{name}` now, and both are given")
            renamed[name] = renamed.pop(former)
        return renamed

    @classmethod
    def present_name(cls, name: str) -> str:
        """Return what a port is called now, with a warning where `name` is a former one."""
        if name not in cls.FORMER_PORTS:
            return name
        present = cls.FORMER_PORTS[name]
        message = f"the input `{name}` of {cls.__name__} is called `{present}` now"
        warnings.warn(message, DeprecationWarning, stacklevel=3)
        return present

    @classmethod
    def get_builder(cls) -> ProcessBuilder:
        """Return a builder that understands the former names too."""
        return _Builder(cls)


class _Builder(ProcessBuilder):
    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self, self._present(name))

    def __setattr__(self, name: str, value: Any) -> None:
        if not name.startswith("_"):
            name = self._process_class.present_name(name)
        super().__setattr__(name, value)

    def __setitem__(self, name: str, value: Any) -> None:
        setattr(self, name, value)

    def __getitem__(self, name: str) -> Any:
        return super().__getitem__(self._process_class.present_name(name))

    def _present(self, name: str) -> str:
        present: str = self._process_class.present_name(name)
        if present == name:
            raise AttributeError(f"Unknown builder parameter: {name}")
        return present
