"""The site of the documentation: Sphinx reads the pages where they lie in the repository.

Links between pages and files are those of a code host. The source folder is the root, so that they
work on the site as they stand.
"""

import re
import shutil
from pathlib import Path

import ally_fast

ROOT = Path(__file__).parents[1]

project = "ally_fast"
author = copyright = "ally_fast contributors"
version = release = ally_fast.__version__

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.viewcode",
]
root_doc = "README"
include_patterns = ["*.md", "docs/*.md", "docs/api/*.rst", "benchmarks/README.md"]
exclude_patterns = [".*", "build", "dist", "demo_output"]
templates_path = [str(ROOT / "docs/templates")]
default_role = "py:obj"  # `name` in a docstring is a link where the site has that name
highlight_language = "none"
myst_heading_anchors = 4

autosummary_generate = True
autosummary_ignore_module_all = False
autosummary_imported_members = True  # the names of __all__, wherever they are defined
# Names of `ally_fast` itself, which have their page there.
autosummary_context = {"again": ["ally_fast.pools.ById", "ally_fast.pools.open_pool"]}
autodoc_default_options = {"members": True}
autodoc_typehints = "none"  # the sections of docstrings say types, with shapes
# Imported by modules of ours when they are; nothing of them is documented.
autodoc_mock_imports = ["datasets", "modAL", "skactiveml", "sklearn", "small_text", "torch"]
numpydoc_show_class_members = False

# The pages below the front page; below the guide, those that it links to, by its headings.
TOP = ["docs/README", "docs/api", "CHANGELOG", "CONTRIBUTING", "SECURITY", "CODE_OF_CONDUCT"]
GUIDE = "docs/README"

html_theme = "pydata_sphinx_theme"
html_title = "ally_fast"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_sidebars = {page: [] for page in TOP if page.isupper()}  # there are no pages below them
html_theme_options = {
    "logo": {"text": "ally_fast"},
    "navbar_end": ["theme-switcher"],
    "header_links_before_dropdown": 4,
    "show_toc_level": 2,
    "navigation_with_keys": False,
    "footer_start": ["copyright"],
    "footer_end": [],
}


def contents(pages, caption=""):
    """Return a table of contents that only the site's navigation shows."""
    options = [":hidden:", *([f":caption: {caption}"] if caption else [])]
    return "\n".join(["", "", "```{toctree}", *options, "", *pages, "```", ""])


def add_contents(app, docname, source):
    """Tell Sphinx which pages are below this one."""
    if docname == root_doc:
        source[0] += contents(f"/{page}" for page in TOP)
    if docname == GUIDE:
        for section in re.split(r"^## ", source[0], flags=re.M)[1:]:
            pages = re.findall(r"^- \[.+?\]\((.+?)\.md\)", section, re.M)
            source[0] += contents(pages, section.partition("\n")[0])


def add_index(app, error):
    """Let the front page answer to the name that web servers look for."""
    if error is None and app.builder.name == "html":
        shutil.copy(Path(app.outdir, f"{root_doc}.html"), Path(app.outdir, "index.html"))


def setup(app):
    """Connect the hooks."""
    app.connect("source-read", add_contents)
    app.connect("build-finished", add_index)
