"""How Sphinx builds these pages: `python -m sphinx -W -b html docs build/docs`."""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from recipe_tables import recipe_tables
from settings_tables import tables

from aiida_nanoclusters import __version__
from aiida_nanoclusters.science.columns import column_table

project = "aiida-nanoclusters"
author = "The aiida-nanoclusters developers"
release = version = __version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.doctest",
    "sphinx.ext.intersphinx",
    "sphinx.ext.napoleon",
]
exclude_patterns = ["published", "images"]
# Two attributes of one line ("sizes, energies") are looked up as a type.
suppress_warnings = ["ref.python"]
html_theme = "furo"
html_title = project
myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_default_options = {"members": True, "show-inheritance": True}
napoleon_numpy_docstring = True
napoleon_google_docstring = False
napoleon_use_ivar = True
# Written out, `numpy.str_` would be a reference of reStructuredText.
napoleon_attr_annotations = False

# References to other projects are links where their inventories can be had; a machine without
# network builds the same pages without these links.
intersphinx_mapping = (
    {
        "python": ("https://docs.python.org/3", None),
        "numpy": ("https://numpy.org/doc/stable", None),
        "ase": ("https://wiki.fysik.dtu.dk/ase", None),
        "aiida": ("https://aiida.readthedocs.io/projects/aiida-core/en/stable", None),
    }
    if os.environ.get("READTHEDOCS") or os.environ.get("NANOCLUSTERS_DOCS_ONLINE")
    else {}
)


def setup(app):
    """Append the tables of the models of settings to their pages, each time they are built."""
    made = {
        "reference/columns": column_table,
        "reference/recipes": recipe_tables,
        "reference/settings": tables,
    }

    def append(_, page, source):
        if page in made:
            source[0] += made[page]()

    app.connect("source-read", append)
