"""The site: Sphinx reads this file.  `make -C docs html` builds it; docs/README.md says what it needs."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from pathlib import Path

DOCS = Path(__file__).parent
ROOT = DOCS.parent
sys.path[:0] = [str(DOCS / "_sphinx"), str(ROOT / "examples"), str(ROOT)]  # this checkout, and what its pages import
os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])  # of lectures

import recorded  # noqa: E402  (docs/_sphinx)
import reference  # noqa: E402

from numpy_diffusion import __version__  # noqa: E402

project = "numpy_diffusion"
author = "the authors of numpy_diffusion"
project_copyright = "the authors of numpy_diffusion, BSD 3-clause licence"
release = version = __version__

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.linkcode",
    "sphinx.ext.mathjax",
    "sphinx_gallery.gen_gallery",
    "numpydoc",
    "docstrings",  # this and the next are in docs/_sphinx
    "source_pages",
    "recorded",
]
# The course stands among the examples, where users look; Sphinx reads no file outside its own folder.
shutil.rmtree(DOCS / "course", ignore_errors=True)
shutil.copytree(ROOT / "examples" / "course", DOCS / "course", ignore=shutil.ignore_patterns("__pycache__"))

exclude_patterns = ["_build", "README.md", "course/solutions", "auto_examples/*.ipynb"]
source_suffix = {".rst": "restructuredtext", ".md": "myst-nb"}

# Pages and lectures: MyST, whose code cells are run once and kept until they change

myst_enable_extensions = ["dollarmath", "amsmath", "colon_fence", "deflist"]
myst_heading_anchors = 3
nb_execution_mode = "cache"
nb_execution_timeout = 120
nb_execution_raise_on_error = True
nb_execution_in_temp = True
nb_merge_streams = True
nb_output_stderr = "remove"
suppress_warnings = ["myst.mathjax"]  # MyST tells MathJax where to look

# Mathematics: MathJax from the site itself, in one file and without fonts of its own

_found = importlib.util.find_spec("sphinx-mathjax-offline")
if _found is None or _found.origin is None:
    raise ImportError("sphinx-mathjax-offline is not installed: python -m pip install '.[docs]'")
html_static_path = ["_static", str(Path(_found.origin).parent / "static" / "mathjax" / "tex-svg.js")]
mathjax_path = "tex-svg.js"
mathjax3_config = {"options": {"enableMenu": False}}

# Reference: a page for each public name

reference.write(DOCS / "api")

autosummary_generate = True
default_role = "py:obj"
smartquotes = False  # ... and ' are code more often than not
autodoc_typehints = "none"  # the docstrings say what an array holds
autodoc_member_order = "bysource"
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False
templates_path = ["_templates"]

# Examples: those that take seconds are run, the others are shown with the picture that they made

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    "filename_pattern": recorded.RUN,
    "ignore_pattern": r"(^|[\\/])_",
    "nested_sections": False,
    "reset_argv": "recorded.arguments",
    "image_scrapers": ("recorded.written",),
    "reset_modules": (),
    "download_all_examples": False,
    "show_signature": False,
    "show_memory": False,
    "write_computation_times": False,  # whose page asks others for its scripts
    "remove_config_comments": True,
    "within_subsection_order": "recorded.in_order",
    "default_thumb_file": str(ROOT / "examples" / "gallery" / "spiral.png"),
}

# Look

html_context = {"default_mode": "auto"}
html_theme = "pydata_sphinx_theme"
html_title = "numpy_diffusion"
html_css_files = ["site.css"]
html_favicon = "_static/favicon.svg"
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "logo": {"text": "numpy_diffusion"},
    "navbar_align": "left",
    "header_links_before_dropdown": 7,
    "show_prev_next": True,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
    "pygments_light_style": "tango",
    "pygments_dark_style": "monokai",
    "back_to_top_button": False,
}
html_sidebars = {page: [] for page in ("index", "explorable", "notation", "glossary")}
html_extra_path = [str(path) for path in [DOCS / "_build" / "explorable"] if path.exists()]  # the Makefile makes them


def linkcode_resolve(domain: str, info: dict[str, str]) -> str | None:
    """Where the source of an object of the reference stands; those pages are all one folder deep."""
    import source_pages

    return source_pages.of_object(info["module"], info["fullname"]) if domain == "py" else None
