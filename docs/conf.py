"""Sphinx configuration. `make docs` builds the site offline; every warning is an error."""

import sys
from importlib.metadata import version as installed_version
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "extensions"))
sys.path.insert(0, str(Path(__file__).parents[1] / "infra"))

project = "seewhy"
author = "The seewhy maintainers"
release = version = installed_version("seewhy")
extensions = ["myst_parser", "sphinx.ext.autodoc", "reference"]
exclude_patterns = ["extensions"]
nitpicky = True
nitpick_ignore_regex = [
    # Types of other libraries, whose inventories are online, and private names.
    ("py:.*", r"(?!seewhy).*"),
    ("py:.*", r"seewhy.*\._\w+"),
    # What the clients are made of; the reference has the clients.
    ("py:class", r"seewhy\.client\.(batches|origin|transport)\.\w+"),
]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
autodoc_member_order = "bysource"
autodoc_typehints = "description"
html_theme = "furo"
html_title = f"seewhy {release}"
html_copy_source = False
html_show_sourcelink = False
