"""Configuration of the documentation; `make docs` builds it without network."""

from __future__ import annotations

import armillary

project = "armillary"
author = "The armillary developers"
copyright = "2026, the armillary developers"
version = release = armillary.__version__

extensions = ["sphinx.ext.autodoc", "sphinx.ext.viewcode", "numpydoc"]
exclude_patterns = ["_build", "examples"]
highlight_language = "none"
nitpicky = False

autodoc_member_order = "bysource"
autodoc_typehints = "none"
numpydoc_show_class_members = False

html_theme = "alabaster"
html_title = f"armillary {release}"
html_theme_options = {
    "description": "The hot loops of survey astronomy behind one import",
    "fixed_sidebar": True,
    "page_width": "1080px",
    "sidebar_width": "230px",
    "font_family": "Georgia, 'Times New Roman', serif",
    "head_font_family": "system-ui, sans-serif",
    "code_font_family": "ui-monospace, Menlo, Consolas, monospace",
    "code_font_size": "0.85em",
    "show_relbars": True,
}
html_sidebars = {"**": ["about.html", "navigation.html", "searchbox.html"]}
html_copy_source = False
