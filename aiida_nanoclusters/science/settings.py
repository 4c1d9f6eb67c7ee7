"""One model for the settings of a subject: what they are, their units, defaults and limits.

A room declares its settings once, in its own ``settings.py``, as a class of :class:`Settings`. From
it come the check of a protocol and of a port, the message that names the fix, the help of options
and the tables of the reference page.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from inspect import isclass
from typing import Any, ClassVar, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic.fields import FieldInfo
from typing_extensions import Self


def quantity(description: str, *, unit: str = "", default: Any = ..., **limits: Any) -> Any:
    """Return a field of :class:`Settings`.

    Parameters
    ----------
    description
        What the value is, one sentence without the unit and the default.
    unit
        As in `science/keys.py`, e.g. ``eV/Å``; empty for numbers and names.
    default
        Left out where a value must be given.
    limits
        As of `pydantic.Field`: ``ge``, ``gt``, ``le``, ``lt``, ``min_length``, ...
    """
    return Field(default, description=description, json_schema_extra={"unit": unit}, **limits)


@dataclass(frozen=True)
class Setting:
    """One row of a table of settings."""

    name: str
    description: str
    unit: str
    default: Any
    required: bool

    def __str__(self) -> str:
        """Return the sentence with its unit and its default, as the help of an option says it."""
        unit = f" ({self.unit})" if self.unit else ""
        default = "" if self.required else f" Default: {self.default}."
        return f"{self.description.rstrip('.')}{unit}.{default}"


class Settings(BaseModel):
    """Settings of one subject; unknown names and values of another kind are refused.

    A subclass gives its fields by :func:`quantity` and its rules between fields by pydantic's
    ``model_validator``, whose ``ValueError`` names the fix.

    Attributes
    ----------
    former_names
        Name of earlier versions: the name now. A value under a former name is understood, with a
        ``DeprecationWarning``, and replaces one under the present name: an override that was
        written for an earlier version lies over a protocol of this one.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
    former_names: ClassVar[Mapping[str, str]] = {}

    @model_validator(mode="before")
    @classmethod
    def _rename(cls, values: Any) -> Any:
        if not isinstance(values, Mapping):
            return values
        renamed = dict(values)
        for former, name in cls.former_names.items():
            if former in renamed:
                message = f"the setting `{former}` is called `{name}` now"
                warnings.warn(message, DeprecationWarning, stacklevel=2)
                renamed[name] = renamed.pop(former)
        return renamed

    @classmethod
    def from_values(cls, **values: Any) -> Self:
        """Return the settings.

        Raises
        ------
        ValueError
            A value that is missing or out of its limits; one line, which names the fix.
        """
        try:
            return cls(**values)
        except ValidationError as error:
            raise ValueError(cls.problem(values)) from error

    @classmethod
    def problem(cls, values: Mapping[str, Any]) -> str | None:
        """Return what is wrong with the values in one line that names the fix, or None."""
        try:
            cls.model_validate(dict(values))
        except ValidationError as error:
            return "; ".join(cls._line(row) for row in error.errors(include_url=False))
        return None

    @classmethod
    def table(cls) -> Iterator[Setting]:
        """Yield the settings in the order in which they are declared."""
        for name, field in cls.model_fields.items():
            yield Setting(
                name=field.alias or name,
                description=field.description or "",
                unit=_unit(field),
                default=field.get_default(call_default_factory=True),
                required=field.is_required(),
            )

    @classmethod
    def tree(cls) -> Iterator[Setting]:
        """Yield the settings, and below one that holds settings itself those, by dotted names.

        ``*`` stands for any key of a mapping and any place of a list.
        """
        for row, field in zip(cls.table(), cls.model_fields.values(), strict=True):
            inner = _inner(field.annotation)
            if inner is None:
                yield row
                continue
            yield replace(row, default=None, required=True)
            path = f"{row.name}.*" if get_origin(field.annotation) in (dict, list) else row.name
            yield from (replace(below, name=f"{path}.{below.name}") for below in inner.tree())

    @classmethod
    def setting_at(cls, path: Sequence[str]) -> Setting | None:
        """Return the setting at a path, for keys of a mapping the mapping; None if unknown."""
        model: type[Settings] | None = cls
        found = None
        for part in path:
            rows = {} if model is None else {row.name: row for row in model.table()}
            if part in rows and model is not None:
                found, model = rows[part], _inner(model._field(part).annotation)
        return found

    @classmethod
    def _line(cls, row: Mapping[str, Any]) -> str:
        path = [str(part) for part in row["loc"]]
        name = ".".join(path) or "settings"
        if row["type"] == "extra_forbidden":
            return f"unknown setting `{name}`: {_nearest(path[-1], cls._names_at(path[:-1]))}"
        setting = cls.setting_at(path)
        if row["type"] == "missing":
            return f"`{name}` is missing: give {_described(setting)}"
        message = row["msg"].removeprefix("Value error, ")
        if row["type"] == "value_error":
            return message if not path else f"`{name}`: {message}"
        unit = f" {setting.unit}" if setting and setting.unit and row["type"] in _LIMITS else ""
        return f"`{name}` is {_short(row['input'])}: {message[:1].lower()}{message[1:]}{unit}"

    @classmethod
    def _field(cls, name: str) -> FieldInfo:
        return next(f for key, f in cls.model_fields.items() if (f.alias or key) == name)

    @classmethod
    def _names_at(cls, path: Sequence[str]) -> list[str]:
        """Return the names that are known at a path; keys of mappings are passed over."""
        model: type[Settings] = cls
        for part in path:
            if part in [row.name for row in model.table()]:
                model = _inner(model._field(part).annotation) or model
        return [row.name for row in model.table()]


#: Kinds of faults whose message ends with a limit, which has the unit of the setting.
_LIMITS = ("greater_than", "greater_than_equal", "less_than", "less_than_equal")


def _unit(field: FieldInfo) -> str:
    extra = field.json_schema_extra
    return str(extra.get("unit", "")) if isinstance(extra, dict) else ""


def _inner(annotation: Any) -> type[Settings] | None:
    """Return the settings that a setting holds, itself or as the values of a mapping or a list."""
    if get_origin(annotation) is None and isclass(annotation) and issubclass(annotation, Settings):
        return annotation
    found = (_inner(argument) for argument in get_args(annotation))
    return next((model for model in found if model is not None), None)


def _described(setting: Setting | None) -> str:
    if setting is None or not setting.description:
        return "a value"
    return setting.description.rstrip(".") + (f" ({setting.unit})" if setting.unit else "")


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _nearest(name: str, known: Sequence[str]) -> str:
    nearest = get_close_matches(name, known, n=1)
    return f"did you mean `{nearest[0]}`?" if nearest else f"choose among {', '.join(known)}"
