"""How the documentation is built: python -m sphinx -W --keep-going -n docs docs/_build/html."""

import sys
from importlib.util import find_spec
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE / "_ext"), str(HERE.parent)]

from tinycnn import __version__  # noqa: E402

project = "tinycnn"
author = "The tinycnn authors"
copyright = "The tinycnn authors"
release = version = __version__
language = "en"

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "filled_in",
    "kernel_table",
    "known_names",
]
exclude_patterns = ["_build"]

# Notebooks are executed before they come here, and their pages to step through stand in outputs of their own.
nb_execution_mode = "off"
nb_merge_streams = True
myst_enable_extensions = ["attrs_block", "attrs_inline", "deflist", "dollarmath"]
myst_heading_anchors = 3

default_role = "py:obj"
autodoc_typehints = "none"  # the docstrings tell shapes and dtypes, which types cannot
autodoc_member_order = "bysource"
autosummary_generate = False
numpydoc_show_class_members = False
toc_object_entries_show_parents = "hide"

html_theme = "pydata_sphinx_theme"
html_title = "tinycnn"
html_favicon = "_static/icon.svg"
html_copy_source = False
html_show_sourcelink = False
html_extra_path = ["trace.schema.json"]
html_css_files = ["tinycnn.css"]
html_theme_options = {
    "navbar_end": ["theme-switcher"],
    "footer_start": ["copyright"],
    "footer_end": [],
    "secondary_sidebar_items": ["page-toc"],
    "show_toc_level": 2,
    "navigation_with_keys": False,
    "search_bar_text": "Search",
}
html_context = {"default_mode": "auto"}  # as the system has it, light or dark
html_sidebars = {"index": []}

# Formulae are set by MathJax's one file for SVG, which holds its fonts as outlines and asks the network for nothing.
_mathjax = Path(find_spec("sphinx-mathjax-offline").origin).parent / "static" / "mathjax"
html_static_path = ["_static", str(_mathjax / "tex-svg-full.js")]
extensions.append("sphinx.ext.mathjax")
mathjax_path = "tex-svg-full.js"
mathjax3_config = {"svg": {"fontCache": "local"}, "options": {"menuOptions": {"settings": {"explorer": False}}}}
