"""The site: `uv run --locked --group docs sphinx-build -W -c docs . build/site`.

Sphinx reads the whole repository, so the notebooks and the README are shown from where they are, and
their links lead where they lead on GitHub.
"""

import inspect
import re
from importlib.util import find_spec
from pathlib import Path

from docutils import nodes
from sphinx.addnodes import desc_annotation, desc_content, download_reference, pending_xref
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform
from sphinx.transforms.post_transforms import SphinxPostTransform

import mnist_nn

PACKAGE = Path(mnist_nn.__file__).parent
project = "mnist-nn"
author = "The mnist-nn authors"
root_doc = "docs/index"
include_patterns = ["docs/*.md", "notebooks/*.ipynb", "data/README.md", "*.md"]
exclude_patterns = ["README.md", ".*", "build", "benchmarks", "models", "tests"]
nitpicky = True  # a name that leads nowhere is a warning

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "numpydoc",
    "sphinx.ext.mathjax",
    "sphinx.ext.viewcode",
    "sphinx_codeautolink",
    "sphinx_copybutton",
]

# The notebooks are committed executed.
nb_execution_mode = "off"
nb_merge_streams = True
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
# It resolves the names in code cells by the imports of the cells before.
codeautolink_concat_default = True
copybutton_selector = "div.cell_input pre, div.highlight-sh pre, div.highlight-python pre"

# Types are in the docstrings, with shapes.
autodoc_typehints = "none"
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True}
default_role = "py:obj"
numpydoc_show_class_members = False
add_module_names = False
toc_object_entries_show_parents = "hide"

html_theme = "furo"
html_title = "mnist-nn"
html_static_path = ["style.css"]
html_css_files = ["style.css"]
html_show_copyright = False
html_show_sourcelink = False
html_copy_source = False
templates_path = ["."]
html_additional_pages = {"index": "redirect.html"}

# One file, so that equations are rendered without a network.
(_package,) = find_spec("sphinx-mathjax-offline").submodule_search_locations
html_static_path.append(f"{_package}/static/mathjax/tex-svg.js")
mathjax_path = "tex-svg.js"


class Paths(SphinxTransform):
    """Lead each link to a file of the repository to the page about it, or else to the file.

    Paths are relative to the file that has the link, README.md included. A folder without a page
    leaves only the link's text.
    """

    default_priority = 400

    def apply(self) -> None:
        kinds = pending_xref | download_reference
        for link in [*self.document.findall(lambda node: isinstance(node, kinds))]:
            if link["reftype"] != "myst" or link["refdomain"] == "doc":
                continue
            path = (Path(link.source).parent / link["reftarget"]).resolve()
            page = self.env.path2doc(path / "README.md" if path.is_dir() else path)
            if path.parent == PACKAGE and path.suffix == ".py":
                target = {"refdomain": "py", "reftype": "mod", "reftarget": f"mnist_nn.{path.stem}"}
            elif page in self.env.found_docs:
                target = {"refdomain": "std", "reftype": "doc", "reftarget": f"/{page}"}
            elif path.is_file():
                target = {"reftarget": f"/{path.relative_to(self.env.srcdir).as_posix()}"}
            elif path.is_dir():
                link.replace_self(link.children)
                continue
            else:
                continue  # Sphinx warns
            kind = pending_xref if "refdomain" in target else download_reference
            about = {"refexplicit": True, "refdoc": self.env.docname}
            new = kind(**about, **target)
            new.extend(link.children)
            link.replace_self(new)


class Names(SphinxPostTransform):
    """Link a name in the text, such as `train` or `deform(X, rng=0)`, to its description."""

    default_priority = 5  # before references are resolved

    def run(self) -> None:
        objects = self.env.domains.python_domain.objects
        kinds = {"class", "data", "exception", "function"}
        full = {name.rpartition(".")[2]: name for name in objects if objects[name].objtype in kinds}
        for xref in self.document.findall(pending_xref):
            if xref["refdomain"] == "py":
                xref["reftarget"] = full.get(xref["reftarget"], xref["reftarget"])
        for literal in [*self.document.findall(nodes.literal)]:
            name = re.fullmatch(r"(\w+)(\(.*\))?", literal.astext(), re.DOTALL)
            if name and name[1] in full and not within_link(literal):
                target = {"refdomain": "py", "reftype": "obj", "reftarget": full[name[1]]}
                link = pending_xref("", literal.deepcopy(), refdoc=self.env.docname, **target)
                literal.replace_self(link)


def within_link(node: nodes.Node) -> bool:
    while node := node.parent:
        if isinstance(node, nodes.reference | pending_xref | download_reference):
            return True
    return False


def is_field(_app: Sphinx, _kind: str, name: str, member: object, *_: object) -> bool | None:
    """Skip the fields of named tuples and dataclasses: the class's own docstring describes them."""
    of_tuple = inspect.isdatadescriptor(member) and not isinstance(member, property)
    is_default = inspect.isfunction(member) and member.__name__ != name.rpartition(".")[2]
    return of_tuple or is_default or None


def hide_value(_app: Sphinx, _domain: str, kind: str, content: desc_content) -> None:
    """Leave out the value of a constant: it may be a path of the machine that builds the site."""
    if kind == "data":
        for value in [*content.parent.findall(desc_annotation)]:
            value.parent.remove(value)


def setup(app: Sphinx) -> None:
    app.connect("autodoc-skip-member", is_field)
    app.connect("object-description-transform", hide_value)
    app.add_transform(Paths)
    app.add_post_transform(Names)
