"""Tables as data frames of pandas, and lists of rows that become one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, is_dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from aiida_nanoclusters.formats.publication.csv_tables import Table, table_of_rows, units_of

if TYPE_CHECKING:
    import pandas

Row = TypeVar("Row")
Asked = ParamSpec("Asked")


class Rows(list[Row]):
    """A list of rows (dataclasses or mappings) that also comes as a data frame."""

    def to_dataframe(self) -> pandas.DataFrame:
        """Return one row for each, with the columns of its class.

        See Also
        --------
        make_data_frame
        """
        return make_data_frame(table_of_rows([_plain(row) for row in self]))


def as_rows(find: Callable[Asked, list[Row]]) -> Callable[Asked, Rows[Row]]:
    """Let a query return :class:`Rows`."""

    @wraps(find)
    def found(*args: Asked.args, **kwargs: Asked.kwargs) -> Rows[Row]:
        return Rows(find(*args, **kwargs))

    return found


def make_data_frame(table: Table, units: Mapping[str, str] | None = None) -> pandas.DataFrame:
    """Return a table as a data frame; ``attrs["units"]`` has the unit of each column that has one.

    Parameters
    ----------
    table
        Columns by their name, as in :mod:`aiida_nanoclusters.science.columns`.
    units
        Of columns that tell their own.

    Raises
    ------
    ModuleNotFoundError
        If pandas is not installed; the message names the extra.
    """
    try:
        import pandas
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            'pandas is not installed: pip install "aiida-nanoclusters[study]"', name="pandas"
        ) from error
    frame = pandas.DataFrame(dict(table))
    found = units_of(table, units)
    frame.attrs["units"] = {name: unit for name, unit in found.items() if unit}
    return frame


def _plain(row: Any) -> Mapping[str, Any]:
    """Return a row as a mapping; rows within rows as they are."""
    if is_dataclass(row) and not isinstance(row, type):
        return {name: _inner(value) for name, value in vars(row).items()}
    return dict(row)


def _inner(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_inner(part) for part in value]
    return value
