"""The tables of the page of recipes, out of the models that check the entries."""

from collections.abc import Iterable, Iterator
from inspect import cleandoc

from aiida_nanoclusters.science.settings import Setting
from aiida_nanoclusters.science.structures.settings import ENTRIES, Entry


def recipe_tables() -> str:
    """Return the table of what all entries may have, and one for each kind (Markdown)."""
    return "\n".join(_lines())


def _lines() -> Iterator[str]:
    yield "\n## Entries of all kinds\n"
    yield from _table(row for row in Entry.tree() if row.name != "kind")
    for kind, model in ENTRIES.items():
        yield f"\n## `{kind}`\n"
        yield cleandoc(model.__doc__ or "") + "\n"
        own = [row for row in model.table() if row.name not in Entry.model_fields]
        if own:
            yield from _table(own)


def _table(rows: Iterable[Setting]) -> Iterator[str]:
    yield "| name | quantity | unit | default |"
    yield "|---|---|---|---|"
    for row in rows:
        default = "" if row.required else "null" if row.default is None else f"`{row.default}`"
        yield f"| `{row.name}` | {row.description} | {row.unit} | {default} |"
