"""The site: it builds without a warning, no link is broken, and its pages fit on a phone."""

import importlib
import pkgutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import nbformat
import pytest
from playwright.sync_api import ViewportSize, sync_playwright
from test_browser import BROWSER

import mnist_nn

REPOSITORY = Path(__file__).resolve().parent.parent
NOTEBOOKS = sorted((REPOSITORY / "notebooks").glob("*.ipynb"))

pytestmark = pytest.mark.slow


class Page(HTMLParser):
    """What a page links to, and the anchors and pictures that it has."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.anchors = {"", "top"}
        self.figures = 0
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        for name, value in attributes:
            if name in ("href", "src"):
                self.links.append(value or "")
            elif name == "id":
                self.anchors.add(value or "")
        self.figures += tag == "img"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("sphinx", reason="add --group docs after uv run, as .ci/run does")
    folder = tmp_path_factory.mktemp("site")
    places = ["-d", str(folder / "doctrees"), "-c", "docs", ".", str(folder / "site")]
    command = [sys.executable, "-m", "sphinx", "-q", "-W", *places]
    built = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    assert not built.stderr
    return folder / "site"


def test_every_link_leads_somewhere(site: Path) -> None:
    pages = {path: Page(path) for path in site.rglob("*.html")}
    broken = []
    for path, page in pages.items():
        for link in page.links:
            url = urlsplit(link)
            if url.scheme or url.netloc:
                continue
            target = (path.parent / unquote(url.path)).resolve() if url.path else path
            anchor = unquote(url.fragment)
            if not target.is_file() or (target in pages and anchor not in pages[target].anchors):
                broken.append(f"{path.relative_to(site)}: {link}")
    assert len(pages) > 30
    assert not broken


def test_every_public_name_is_in_the_api_reference(site: Path) -> None:
    anchors = Page(site / "docs" / "api.html").anchors
    modules = [f"mnist_nn.{module.name}" for module in pkgutil.iter_modules(mnist_nn.__path__)]
    public = {
        f"{module}.{name}"
        for module in modules
        for name in getattr(importlib.import_module(module), "__all__", ())
    }
    assert len(public) > 50
    assert not public - anchors


def test_defaults_are_written_as_in_the_code(site: Path) -> None:
    assert "&lt;function" not in (site / "docs" / "api.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_figure_of_a_notebook_is_there(site: Path, path: Path) -> None:
    outputs = [
        output.get("data", {})
        for cell in nbformat.read(path, as_version=4).cells
        for output in cell.get("outputs", [])
    ]
    figures = sum(any(kind.startswith("image/") for kind in data) for data in outputs)
    assert Page(site / "notebooks" / f"{path.stem}.html").figures == figures


@pytest.mark.browser
@pytest.mark.skipif(BROWSER is None, reason="there is no Chromium, chromium, on the PATH")
@pytest.mark.parametrize("width", [390, 1280])
def test_pages_fit_and_show_their_equations(site: Path, width: int) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        page = browser.new_page(viewport=ViewportSize(width=width, height=844))
        page.context.set_offline(True)
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda entry: errors.append(entry.text) if entry.type == "error" else 0)
        for path in [*site.glob("docs/*.html"), *site.glob("notebooks/*.html")]:
            page.goto(path.as_uri())
            equations = page.locator(".math")
            if equations.count():
                page.wait_for_function("MathJax.startup && MathJax.startup.promise")
                assert page.locator(".math mjx-container svg").count() == equations.count()
                assert page.locator("[data-mml-node=merror]").count() == 0
            # Wide tables, code and equations scroll in boxes of their own, not with the page.
            wide = "e => Math.max(e.scrollWidth, e.getBoundingClientRect().right)"
            assert page.locator(".content").evaluate(wide) <= width, path.name
        browser.close()
    assert errors == []
