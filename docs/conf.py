"""The site: `uv run --locked --group docs sphinx-build -W -c docs . build/site`.

Sphinx reads the whole repository: the notebooks and the README are shown from where they are, and
their links lead where they lead on GitHub.
"""

import inspect
import os
import re
from importlib.util import find_spec
from pathlib import Path

from docutils import nodes
from sphinx.addnodes import desc_annotation, desc_content, download_reference, pending_xref
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform

project = "mnist-nn"
root_doc = "docs/index"
# README.md is shown in parts, by the pages of docs.
include_patterns = [
    "CHANGELOG.md",
    "SECURITY.md",
    "benchmarks/README.md",
    "data/README.md",
    "docs/*.md",
    "notebooks/*.ipynb",
]
exclude_patterns = [".*", "build"]
nitpicky = True  # a name that leads nowhere is a warning

extensions = [
    "myst_nb",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.mathjax",
    "sphinx.ext.viewcode",
    "sphinx_codeautolink",
    "sphinx_copybutton",
]

nb_execution_mode = "off"  # they are committed executed
nb_merge_streams = True
myst_enable_extensions = ["dollarmath", "substitution"]
myst_substitutions = {"clone": ""}
codeautolink_concat_default = True  # a cell knows what the cells before it imported
copybutton_selector = "div.cell_input pre, div.highlight-sh pre, div.highlight-python pre"

autodoc_default_options = {"members": True}
autodoc_member_order = "bysource"
autodoc_typehints = "none"  # the docstrings say more: the shapes
numpydoc_show_class_members = False
default_role = "py:obj"
add_module_names = False
toc_object_entries_show_parents = "hide"

html_theme = "furo"
html_title = "mnist-nn"
html_favicon = "favicon.png"
html_css_files = ["style.css"]
html_domain_indices = html_use_index = False  # there is a search
html_show_copyright = False
html_show_sourcelink = False
html_copy_source = False
templates_path = ["."]
html_additional_pages = {
    "index": "redirect.html",
    "notebooks/05_better_training": "redirect.html",  # it is in two parts now
}
if repository := os.environ.get("GITHUB_REPOSITORY"):  # in a workflow
    html_theme_options = {
        "source_repository": f"https://github.com/{repository}",
        "source_branch": "main",
        "source_directory": "",
    }
    myst_substitutions["clone"] = f"```sh\ngit clone https://github.com/{repository}\n```"

# MathJax in one file of the site, so that equations need no network.
(_package,) = find_spec("sphinx-mathjax-offline").submodule_search_locations
html_static_path = ["style.css", f"{_package}/static/mathjax/tex-svg.js"]
mathjax_path = "tex-svg.js"


def link_paths(app: Sphinx, document: nodes.document) -> None:
    """Lead a link to a file of the repository to the page about it, or else to the file.

    Paths are relative to the file that has the link, README.md included. Of a link to a folder
    without a README only the text stays.
    """
    for link in [*document.findall(pending_xref), *document.findall(download_reference)]:
        if link["reftype"] != "myst" or link["refdomain"] == "doc":
            continue
        path = (Path(link.source).parent / link["reftarget"]).resolve()
        page = app.env.path2doc(path / "README.md" if path.is_dir() else path)
        about = {"refexplicit": True, "refdoc": app.env.docname}
        if path.suffix == ".py" and path.parent == app.srcdir / "mnist_nn":
            module = f"mnist_nn.{path.stem}"
            new = pending_xref(refdomain="py", reftype="mod", reftarget=module, **about)
        elif page in app.env.found_docs:
            new = pending_xref(refdomain="std", reftype="doc", reftarget=f"/{page}", **about)
        elif path.is_file():
            file = f"/{path.relative_to(app.srcdir).as_posix()}"
            new = download_reference(reftarget=file, **about)
        elif path.is_dir():
            new = nodes.inline()
        else:
            continue  # Sphinx warns
        new.extend(link.children)
        link.replace_self(new)


class LinkNames(SphinxPostTransform):
    """Link a name in the text, such as `train` or `deform(X, rng=0)`, to its description."""

    default_priority = 5  # before references are resolved

    def run(self) -> None:
        """Make references of all literals that are the name of a function, class or constant."""
        objects = self.env.domains.python_domain.objects
        kinds = {"class", "data", "exception", "function"}
        full = {name.rpartition(".")[2]: name for name in objects if objects[name].objtype in kinds}
        for xref in self.document.findall(pending_xref):
            if xref["refdomain"] == "py":
                xref["reftarget"] = full.get(xref["reftarget"], xref["reftarget"])
        for literal in [*self.document.findall(nodes.literal)]:
            name = re.fullmatch(r"(\w+)(\(.*\))?", literal.astext(), re.DOTALL)
            if name and name[1] in full and not is_in_link(literal):
                target = {"refdomain": "py", "reftype": "obj", "reftarget": full[name[1]]}
                link = pending_xref("", literal.deepcopy(), refdoc=self.env.docname, **target)
                literal.replace_self(link)


def is_in_link(node: nodes.Node) -> bool:
    """Tell whether the node is part of a link's text."""
    links = nodes.reference | pending_xref | download_reference
    return node is not None and (isinstance(node, links) or is_in_link(node.parent))


def is_field(_app: Sphinx, _kind: str, name: str, member: object, *_: object) -> bool | None:
    """Skip the fields of named tuples and dataclasses: the class's own docstring describes them."""
    of_tuple = inspect.isdatadescriptor(member) and not isinstance(member, property)
    is_default = inspect.isfunction(member) and member.__name__ != name.rpartition(".")[2]
    return of_tuple or is_default or None


def name_default(
    _app: Sphinx, _kind: str, _name: str, _object: object, _options: object, *signature: str | None
) -> tuple[str, str | None] | None:
    """Write a default that is a function as its name alone, as in the code."""
    parameters, returned = signature
    return (re.sub(r"<function (\w+)>", r"\1", parameters), returned) if parameters else None


def hide_value(_app: Sphinx, _domain: str, kind: str, content: desc_content) -> None:
    """Leave out the value of a constant: it may be a path of the machine that builds the site."""
    if kind == "data":
        for value in [*content.parent.findall(desc_annotation)]:
            value.parent.remove(value)


def setup(app: Sphinx) -> None:
    """Add all these to Sphinx."""
    app.connect("doctree-read", link_paths, priority=400)  # before files to download are collected
    app.connect("autodoc-process-signature", name_default)
    app.connect("autodoc-skip-member", is_field)
    app.connect("object-description-transform", hide_value)
    app.add_post_transform(LinkNames)
