"""How the site is built: ``sphinx-build -W --keep-going tutorials build/site``, after the tutorials have been run."""

from __future__ import annotations

import sys
from pathlib import Path

import disolyte

sys.path.insert(0, str(Path(__file__).parent / "_site"))

project = "disolyte"
author = copyright = "The disolyte developers"  # noqa: A001
version = release = disolyte.__version__

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "numpydoc",
    "sphinx_copybutton",
    "mathml",
    "entries",
    "reference",
    "tutorials",
]
exclude_patterns = ["README.md", "conf.py", "_site/**", "figures/**", "paper_scale/**"]
source_suffix = {".rst": "restructuredtext", ".md": "myst-nb", ".py": "myst-nb"}

nb_custom_formats = {".py": "tutorials.read_tutorial"}
nb_execution_mode = "off"  # tutorials/_site/tutorials.py runs them, once
nb_merge_streams = True
nb_code_prompt_show = "Show imports and helpers"
nb_code_prompt_hide = "Hide imports and helpers"
nb_output_stderr = "remove"  # other packages warn about themselves
myst_enable_extensions = ["colon_fence", "deflist", "dollarmath", "fieldlist"]
myst_heading_anchors = 3

autodoc_typehints = "signature"
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_typehints_format = "short"
python_maximum_signature_line_length = 88
numpydoc_show_class_members = False
numpydoc_xref_param_type = False

nitpicky = True
nitpick_ignore_regex = [
    # Types of other packages: their inventories would need a network.
    (r"py:.*", r"(?!disolyte\.).*"),
    # Private names and type variables have no entry of their own.
    (r"py:.*", r"disolyte\..*\._\w+"),
    (r"py:class", r"disolyte\.(enumeration\.arguments\.Choice|results\.query\.Doc|systems\.files\.SystemT)"),
    (r"py:class", r"disolyte\.workers\.routing\.FlowOrJob"),
]
linkcheck_retries = 2
linkcheck_timeout = 20

html_math_renderer = "mathml"
html_theme = "pydata_sphinx_theme"
html_title = "disolyte"
html_static_path = ["_site/static"]
html_css_files = ["disolyte.css"]
html_show_sourcelink = False
# No list of pages at the side where there are none, or where lines of code need the room.
html_sidebars = {"glossary": [], "index": [], "[0-9]*": []}
html_theme_options = {
    "show_toc_level": 2,
    "navigation_with_keys": False,
    "header_links_before_dropdown": 6,
    "footer_start": ["copyright"],
    "footer_end": [],
    "secondary_sidebar_items": ["page-toc"],
}
