"""The canvas as a person meets it: in JupyterLab, in a browser, with a pointer and with keys."""

import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import nbformat
import pytest
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright
from traitlets import TraitError

from mnist_nn import DigitCanvas, NetworkExplorer, init_params
from mnist_nn.canvas import DrawingsTrait

REPOSITORY = Path(__file__).resolve().parent.parent
PICTURES = REPOSITORY / "build"  # kept, for people to look at
BROWSER = next(
    filter(None, map(shutil.which, ["chromium", "chromium-browser", "google-chrome"])), None
)

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(BROWSER is None, reason="there is no Chromium, chromium, on the PATH"),
]

# What comes is waited for, on the busiest machine too; what never comes ends the wait.
MILLISECONDS = 60_000
expect.set_options(timeout=MILLISECONDS)

ONE = [[(0.5, 0.2), (0.5, 0.8)]]
SEVEN = [[(0.28, 0.25), (0.7, 0.25), (0.45, 0.82)]]
ZERO = [
    [
        (0.5, 0.2),
        (0.36, 0.3),
        (0.32, 0.5),
        (0.38, 0.7),
        (0.5, 0.8),
        (0.63, 0.7),
        (0.68, 0.5),
        (0.64, 0.3),
        (0.5, 0.2),
    ]
]


class Lab(NamedTuple):
    address: str
    folder: Path  # a copy of the repository
    settings: Path


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """JupyterLab on a copy of the repository, with settings of its own."""
    folder = tmp_path_factory.mktemp("lab")
    for name in ("mnist_nn", "notebooks", "data", "models"):
        shutil.copytree(REPOSITORY / name, folder / name)
    home = {
        "HOME": str(folder),
        "PYTHONPATH": str(folder),
        "JUPYTER_RUNTIME_DIR": str(folder / "run"),
        "JUPYTERLAB_SETTINGS_DIR": str(folder / "settings"),
    }
    command = [
        *(sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--port=0"),
        *("--ServerApp.token=", f"--ServerApp.root_dir={folder}", "--expose-app-in-browser"),
    ]
    with (folder / "log").open("w") as log:
        server = subprocess.Popen(command, env=os.environ | home, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 300
        while not (running := list((folder / "run").glob("jpserver-*.json"))):
            assert server.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < deadline, "JupyterLab has not started"
            time.sleep(0.2)
        yield Lab(json.loads(running[0].read_text())["url"], folder, folder / "settings")
    finally:
        server.terminate()
        try:
            server.wait(10)
        except subprocess.TimeoutExpired:  # at times, one of its threads does not end
            server.kill()
            server.wait()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield browser
        browser.close()


def run_all(browser: Browser, lab: Lab, notebook: str) -> Page:
    """Open a notebook in a tab of its own, and run all its cells."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.set_default_timeout(MILLISECONDS)
    page.goto(f"{lab.address}lab/tree/notebooks/{notebook}.ipynb?reset")
    page.wait_for_selector(".jp-Notebook .jp-Cell")
    page.wait_for_function("window.jupyterapp?.commands.hasCommand('notebook:run-all-cells')")
    page.get_by_text("Python 3 (ipykernel) | Idle").wait_for()
    page.evaluate("void window.jupyterapp.commands.execute('notebook:run-all-cells')")
    page.locator(".mnist-canvas").first.wait_for()
    return page


@pytest.fixture(scope="module")
def page(browser: Browser, lab: Lab) -> Page:
    """Notebook 06 in the browser, all its cells run or still to be run."""
    return run_all(browser, lab, "06_your_own_digits")


@pytest.fixture
def canvas(page: Page) -> Locator:
    """The canvas, with nothing on it."""
    canvas = page.locator(".mnist-canvas").first
    canvas.scroll_into_view_if_needed()
    if canvas.get_by_role("button", name="Clear").is_enabled():
        canvas.get_by_role("button", name="Clear").click()
    expect(canvas.locator("output")).to_have_text("Nothing drawn yet")
    return canvas


def draw(page: Page, canvas: Locator, strokes: Any) -> None:
    box = canvas.locator("svg").bounding_box()
    for stroke in strokes:
        at = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in stroke]
        page.mouse.move(*at[0])
        page.mouse.down()
        for x, y in at[1:]:
            page.mouse.move(x, y, steps=8)
        page.mouse.up()


def keep(canvas: Locator, name: str) -> None:
    PICTURES.mkdir(exist_ok=True)
    canvas.screenshot(path=PICTURES / f"canvas_{name}.png")


def says(canvas: Locator, text: str) -> None:
    expect(canvas.locator("output").first).to_have_text(text)


def strokes_of(canvas: Locator) -> int:
    return canvas.locator("polyline").count()


@pytest.mark.parametrize(("digit", "strokes"), [(1, ONE), (7, SEVEN), (0, ZERO)])
def test_a_drawn_digit_is_read(page: Page, canvas: Locator, digit: int, strokes: Any) -> None:
    draw(page, canvas, strokes)
    says(canvas, f"The network reads a {digit}")
    bars = canvas.get_by_role("img", name="Probabilities")
    assert re.search(rf"{digit}: (9\d|100\.0|99\.\d)%", bars.get_attribute("aria-label"))
    # What the network sees is there as well: ink in the middle, none in the corners.
    alpha = canvas.locator("canvas").evaluate(
        "canvas => [...canvas.getContext('2d').getImageData(0, 0, 28, 28).data]"
    )[3::4]
    assert max(alpha) > 200
    assert alpha[0] == alpha[27] == alpha[-28] == alpha[-1] == 0
    keep(canvas, str(digit))


def test_undo_and_clear(page: Page, canvas: Locator) -> None:
    undo, clear = (canvas.get_by_role("button", name=name) for name in ("Undo", "Clear"))
    expect(undo).to_be_disabled()
    expect(clear).to_be_disabled()
    draw(page, canvas, SEVEN)
    says(canvas, "The network reads a 7")
    draw(page, canvas, [[(0.1, 0.1), (0.9, 0.1), (0.9, 0.9)], [(0.1, 0.9), (0.9, 0.9)]])
    assert strokes_of(canvas) == 3
    says(canvas, "Not sure: this does not look like one digit")
    keep(canvas, "not_sure")
    undo.click()
    undo.click()
    assert strokes_of(canvas) == 1
    says(canvas, "The network reads a 7")
    clear.click()
    assert strokes_of(canvas) == 0
    says(canvas, "Nothing drawn yet")
    expect(clear).to_be_disabled()


def test_keys_draw_too(page: Page, canvas: Locator) -> None:
    cells = page.locator(".jp-Notebook .jp-Cell").count()
    paper = canvas.get_by_role("application", name="Paper")
    paper.focus()
    for key in [*["ArrowUp"] * 10, " ", *["ArrowDown"] * 20]:
        page.keyboard.press(key)
    keep(canvas, "keys")  # the pen can be seen
    page.keyboard.press(" ")
    says(canvas, "The network reads a 1")
    page.keyboard.press("Control+z")
    says(canvas, "Nothing drawn yet")
    page.keyboard.press(" ")
    page.keyboard.press(" ")
    assert strokes_of(canvas) == 1
    page.keyboard.press("a")  # a cell above, were this not the paper's
    page.keyboard.press("Escape")
    says(canvas, "Nothing drawn yet")
    assert page.locator(".jp-Notebook .jp-Cell").count() == cells
    # The buttons are reached with the tabulator.
    draw(page, canvas, ONE)
    says(canvas, "The network reads a 1")
    paper.focus()
    page.keyboard.press("Tab")
    expect(canvas.get_by_role("button", name="Undo")).to_be_focused()
    page.keyboard.press("Enter")
    says(canvas, "Nothing drawn yet")


def test_a_drawing_is_kept_with_its_true_label(page: Page, canvas: Locator) -> None:
    label, keep_it = canvas.get_by_label("That was"), canvas.get_by_role("button", name="Keep")
    status = canvas.locator("[role=status]")
    expect(keep_it).to_be_disabled()
    draw(page, canvas, SEVEN)
    expect(keep_it).to_be_disabled()  # as what?
    label.select_option("7")
    keep_it.click()
    expect(status).to_have_text("kept as 7, 1 in all")
    says(canvas, "Nothing drawn yet")
    expect(keep_it).to_be_disabled()
    # With keys alone: from the paper over Undo and Clear to the choice, and to the button.
    paper = canvas.get_by_role("application", name="Paper")
    expect(paper).to_be_focused()
    for key in [" ", *["ArrowDown"] * 10, " ", *["Tab"] * 3, "4", "Tab", "Enter"]:
        page.keyboard.press(key)
    expect(status).to_have_text("kept as 4, 2 in all")
    keep(canvas, "kept")
    says(canvas, "Nothing drawn yet")  # which Python answers: what it kept is in test_canvas.py


def test_what_is_drawn_at_once_is_read(browser: Browser, lab: Lab) -> None:
    # While the kernel still imports, trains and draws: never "Nothing drawn yet" over a drawing.
    # In a copy: in the notebook itself, the kernel may still be busy for another tab.
    notebooks = lab.folder / "notebooks"
    shutil.copy(notebooks / "06_your_own_digits.ipynb", notebooks / "at_once.ipynb")
    page = run_all(browser, lab, "at_once")
    canvas = page.locator(".mnist-canvas").first
    page.evaluate(
        """() => {
          const canvas = document.querySelector(".mnist-canvas");
          const [output, lines] = ["output", "g"].map((name) => canvas.querySelector(name));
          window.said = [];
          const note = () => lines.childElementCount && window.said.push(output.textContent);
          new MutationObserver(note).observe(canvas, { childList: true, subtree: true });
        }"""
    )
    while not strokes_of(canvas):  # the outputs of other cells may move the paper away
        canvas.scroll_into_view_if_needed()
        draw(page, canvas, SEVEN)
    says(canvas, "The network reads a 7")
    said = set(page.evaluate("window.said"))
    assert said == {"Reading …", "The network reads a 7"}
    page.close()


@pytest.fixture
def busy(browser: Browser, lab: Lab, request: pytest.FixtureRequest) -> Iterator[tuple[Page, Path]]:
    """A canvas above a cell that runs until a file is there: the page, and that file."""
    settings = lab.settings / "@jupyterlab" / "apputils-extension"
    settings.mkdir(parents=True, exist_ok=True)
    subshells = json.dumps({"commsOverSubshells": request.param})
    (settings / "kernels-settings.jupyterlab-settings").write_text(subshells)
    stop = lab.folder / "stop"
    stop.unlink(missing_ok=True)
    waiting = f"import os, time\nwhile not os.path.exists({str(stop)!r}):\n    time.sleep(0.01)"
    cells = ["from mnist_nn import DigitCanvas\ncanvas = DigitCanvas()\ncanvas", waiting]
    notebook = nbformat.v4.new_notebook(cells=[*map(nbformat.v4.new_code_cell, cells)])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3 (ipykernel)"}
    nbformat.write(notebook, lab.folder / "notebooks" / f"{request.param}.ipynb")
    page = run_all(browser, lab, request.param)
    # Not by the status bar: a message that is answered beside the cell makes it say "Idle".
    prompt = page.locator(".jp-InputArea-prompt").last
    expect(prompt).to_have_text("[*]:")
    yield page, stop
    if not stop.exists():
        expect(prompt).to_have_text("[*]:")
        stop.touch()
    expect(prompt).to_have_text("[2]:")
    page.close()


@pytest.mark.parametrize("busy", ["perCommTarget"], indirect=True)
def test_the_canvas_answers_while_cells_run(busy: tuple[Page, Path]) -> None:
    page, _ = busy
    canvas = page.locator(".mnist-canvas").first
    for digit, strokes in ((7, SEVEN), (1, ONE)):
        draw(page, canvas, strokes)
        says(canvas, f"The network reads a {digit}")
        canvas.get_by_role("button", name="Clear").click()
        says(canvas, "Nothing drawn yet")


@pytest.mark.parametrize("busy", ["disabled"], indirect=True)
def test_where_it_cannot_it_says_that_it_is_reading(busy: tuple[Page, Path]) -> None:
    page, stop = busy
    canvas = page.locator(".mnist-canvas").first
    draw(page, canvas, ONE)
    says(canvas, "Reading …")
    keep(canvas, "reading")
    canvas.get_by_role("button", name="Undo").click()
    says(canvas, "Nothing drawn yet")
    draw(page, canvas, SEVEN)
    says(canvas, "Reading …")
    stop.touch()
    says(canvas, "The network reads a 7")


def test_ink_and_paper_follow_the_theme(page: Page, canvas: Locator) -> None:
    def brightness(theme: str) -> tuple[float, float]:
        page.evaluate(
            "theme => window.jupyterapp.commands.execute('apputils:change-theme', {theme})", theme
        )
        page.locator("#jupyterlab-splash").wait_for(state="detached")
        keep(canvas, theme.split()[-1].lower())
        read = "(element, name) => getComputedStyle(element)[name].match(/\\d+/g).slice(0, 3)"
        ink = canvas.locator("polyline").evaluate(read, "stroke")
        paper = canvas.evaluate(read, "backgroundColor")
        return sum(map(int, ink)), sum(map(int, paper))

    draw(page, canvas, SEVEN)
    says(canvas, "The network reads a 7")
    dark_ink, dark_paper = brightness("JupyterLab Dark")
    light_ink, light_paper = brightness("JupyterLab Light")
    assert dark_ink - dark_paper > 300
    assert light_paper - light_ink > 300


def test_classes_have_their_names(browser: Browser) -> None:
    """Without Jupyter: the widget's own code, and a model that only answers."""
    page = browser.new_page()
    names = ["a rather long name", "<b>bold</b>", *"CDEFGHIJKLMNOPQRSTUVWXYZ"]
    values = {"names": names, "probabilities": [0.02] * 25 + [0.5], "strokes": [SEVEN[0]]}
    values |= {
        "drawings": [],
        "seen": None,
        "message": "The network reads Z",
        "changes": 0,
        "changes_read": 0,
    }
    code = (
        (REPOSITORY / "mnist_nn" / "canvas.js")
        .read_text()
        .replace("export default", "window.widget =")
    )
    page.set_content("<div id='there'></div>")
    page.evaluate(code)
    page.evaluate(
        """values => {
          values.seen = new DataView(new ArrayBuffer(784));
          const model = { get: (name) => values[name], on() {}, off() {} };
          window.widget.render({ model, el: document.getElementById("there") });
        }""",
        values,
    )
    canvas = page.locator(".mnist-canvas").first
    assert canvas.locator(".bars .name").all_inner_texts() == names
    assert canvas.locator(".bars .bar").count() == 26
    label = canvas.locator(".bars").get_attribute("aria-label")
    assert "a rather long name: 2%" in label
    assert "Z: 50%" in label
    keep(canvas, "names")
    page.close()


# The explorer


@pytest.fixture(scope="module")
def explorer_page(browser: Browser, lab: Lab) -> Iterator[Page]:
    """A notebook with an explorer of three snapshots, in a tab of its own."""
    code = (
        "from mnist_nn import NUMBER_RECOGNITION, NetworkExplorer, init_params, load_model\n"
        "first = init_params([784, 64, 32, 10], 'sigmoid', rng=0)\n"
        "explorer = NetworkExplorer({0: first, 332: load_model(NUMBER_RECOGNITION)})\n"
        "explorer"
    )
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3 (ipykernel)"}
    nbformat.write(notebook, lab.folder / "notebooks" / "explorer.ipynb")
    page = run_all(browser, lab, "explorer")
    page.set_viewport_size({"width": 1280, "height": 1500})  # room for all of it
    yield page
    page.close()


@pytest.fixture
def explorer(explorer_page: Page) -> Locator:
    """The explorer, with the network as it was and the first example."""
    explorer = explorer_page.locator(".mnist-explorer")
    explorer.scroll_into_view_if_needed()
    explorer.get_by_role("button", name="Reset").click()
    expect(explorer.locator(".accuracy")).to_have_text("97.4%")
    return explorer


def too_wide(explorer: Locator) -> list[str]:
    """List what sticks out at the right."""
    outside: list[str] = explorer.evaluate(
        """async (explorer) => {
          // The wires are drawn anew a frame after the width has changed.
          for (let i = 0; i < 3; i++) await new Promise(requestAnimationFrame);
          return [...explorer.querySelectorAll("*")].filter((element) =>
            element.getBoundingClientRect().right > explorer.getBoundingClientRect().right + 1
          ).map((element) => element.outerHTML.slice(0, 80));
        }"""
    )
    return outside


def lit(explorer: Locator) -> list[str]:
    """Say how bright the neurons of the first hidden layer are."""
    return (
        explorer.locator(".layer")
        .first.get_by_role("option")
        .evaluate_all("cells => cells.map((cell) => cell.style.getPropertyValue('--lit'))")
    )


def test_the_neurons_light_up_while_the_pen_is_down(explorer_page: Page, explorer: Locator) -> None:
    says(explorer, "The network reads a 7")  # an example, before anyone has drawn
    example = lit(explorer)
    box = explorer.locator("svg").first.bounding_box()
    at = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in ZERO[0]]
    explorer_page.mouse.move(*at[0])
    explorer_page.mouse.down()
    seen = [example]
    for third in (at[1:4], at[4:6], at[6:]):
        for x, y in third:
            explorer_page.mouse.move(x, y, steps=4)
        deadline = time.monotonic() + MILLISECONDS / 1000
        while lit(explorer) == seen[-1] and time.monotonic() < deadline:
            explorer_page.wait_for_timeout(20)
        seen.append(lit(explorer))
    says(explorer, "The network reads a 0")  # and the pen is still down
    assert len({tuple(one) for one in seen}) == 4
    explorer_page.mouse.up()
    expect(explorer.get_by_role("button", name="Undo")).to_be_enabled()
    keep(explorer, "explorer_drawn")
    explorer.get_by_role("button", name="Clear").click()
    says(explorer, "Nothing drawn yet")
    assert set(lit(explorer)) == {"0%"}
    explorer.get_by_role("button", name="Example digit").click()
    says(explorer, "The network reads a 7")
    assert lit(explorer) == example


def test_the_network_is_taken_apart_and_put_together(explorer: Locator) -> None:
    accuracy = explorer.locator(".accuracy")

    def changed() -> float:
        expect(accuracy).not_to_have_text("97.4%")
        percent = float(accuracy.inner_text().rstrip("%"))
        explorer.get_by_role("button", name="Reset").click()
        expect(accuracy).to_have_text("97.4%")
        return percent

    explorer.get_by_role("switch", name="hidden layer 1 on").click()
    expect(explorer.locator(".cell.off")).to_have_count(64)
    keep(explorer, "explorer_off")
    assert changed() < 20
    expect(explorer.locator(".cell.off")).to_have_count(0)
    explorer.get_by_role("switch", name="Biases").click()
    assert changed() < 97.4
    explorer.get_by_role("radio", name="ReLU").click()
    assert changed() < 60
    explorer.get_by_role("slider", name="Training").fill("0")
    expect(explorer.get_by_text("untrained")).to_be_visible()
    assert changed() < 25
    noise = explorer.get_by_role("slider", name="Noise on the weights")
    noise.focus()
    for _ in range(20):
        noise.press("ArrowRight")
    expect(noise).to_have_attribute("aria-valuetext", "100% of their spread")
    expect(accuracy).to_have_text(re.compile(r"^[1-5]\d\.\d%$"))  # and not that of a step before


def test_a_neuron_is_looked_at_with_the_pointer(explorer_page: Page, explorer: Locator) -> None:
    card = explorer.get_by_role("region", name="One neuron")
    first = explorer.locator(".layer").first.get_by_role("option")
    first.nth(20).hover()
    expect(card.get_by_role("heading")).to_have_text("Neuron 20 of hidden layer 1")
    expect(card.get_by_role("img")).to_have_count(2)  # the weights on both sides
    first.nth(20).click()
    expect(card.get_by_role("img")).to_have_count(2 + 8)  # and the digits
    first.nth(21).hover()
    expect(card.get_by_role("heading")).to_have_text("Neuron 21 of hidden layer 1")
    explorer_page.mouse.move(1, 1)
    expect(card.get_by_role("heading")).to_have_text("Neuron 20 of hidden layer 1")
    assert explorer.locator(".wires path").count() > 3
    card.get_by_role("button", name="Switch off").click()
    expect(first.nth(20)).to_have_attribute("aria-label", "neuron 20, off")
    expect(explorer.locator(".wires path")).to_have_count(0)  # nothing is passed on


def test_all_of_it_works_by_keyboard(explorer_page: Page, explorer: Locator) -> None:
    cells = explorer_page.locator(".jp-Notebook .jp-Cell").count()
    card = explorer.get_by_role("region", name="One neuron")
    first, second, _ = explorer.get_by_role("listbox").all()
    # From the paper on, the tabulator goes through the buttons and stops once in each layer.
    explorer.get_by_role("button", name="Example digit").focus()
    explorer_page.keyboard.press("Tab")
    expect(explorer.get_by_role("switch", name="hidden layer 1 on")).to_be_focused()
    explorer_page.keyboard.press("Tab")
    focused = first.locator(":focus")
    expect(focused).to_have_count(1)
    for key, number in {"Home": 0, "ArrowRight": 1, "ArrowDown": 9, "End": 63}.items():
        explorer_page.keyboard.press(key)
        expect(card.get_by_role("heading")).to_have_text(f"Neuron {number} of hidden layer 1")
    expect(first.locator("[tabindex='0']")).to_have_count(1)
    explorer_page.keyboard.press("Enter")
    expect(card.get_by_role("img")).to_have_count(2 + 8)
    expect(focused).to_have_attribute("aria-selected", "true")
    explorer_page.keyboard.press(" ")
    expect(focused).to_have_attribute("aria-label", "neuron 63, off")
    explorer_page.keyboard.press(" ")
    expect(focused).to_have_attribute("aria-label", re.compile("neuron 63, activation"))
    explorer_page.keyboard.press("a")  # a cell above, were this not the explorer's
    for _ in range(2):
        explorer_page.keyboard.press("Tab")
    expect(second.locator(":focus")).to_have_count(1)
    for output in explorer.locator("output").all():
        expect(output).to_have_attribute("aria-live", "polite")
    assert explorer_page.locator(".jp-Notebook .jp-Cell").count() == cells


def test_a_change_is_answered_at_once(explorer: Locator) -> None:
    """In the browser, from the click to the new accuracy: 0.2 s on a machine that is not busy."""
    took = explorer.evaluate(
        """async (explorer) => {
          const accuracy = explorer.querySelector(".accuracy");
          const biases = explorer.querySelector(".biases");
          const times = [];
          while (times.length < 10) {
            const start = performance.now(), before = accuracy.textContent;
            biases.click();
            while (accuracy.textContent === before && performance.now() < start + 10_000) {
              await new Promise(requestAnimationFrame);
            }
            times.push(performance.now() - start);
          }
          return times;
        }"""
    )
    print("milliseconds from a change to the accuracy:", *map(round, sorted(took)))
    # Others may be at work on this machine. Python's part is measured in test_explorer.py.
    assert statistics.median(took) < 2000


def test_the_explorer_in_both_themes_and_on_a_phone(explorer_page: Page, explorer: Locator) -> None:
    read = "(element, name) => getComputedStyle(element)[name].match(/\\d+/g).slice(0, 3)"
    theme = "theme => window.jupyterapp.commands.execute('apputils:change-theme', {theme})"
    for name, sign in (("JupyterLab Dark", 1), ("JupyterLab Light", -1)):
        explorer_page.evaluate(theme, name)
        explorer_page.locator("#jupyterlab-splash").wait_for(state="detached")
        keep(explorer, f"explorer_{name.split()[-1].lower()}")
        ink, paper = (
            sum(map(int, explorer.evaluate(read, which))) for which in ("color", "backgroundColor")
        )
        assert sign * (ink - paper) > 300
    narrow = "(explorer, width) => { explorer.style.width = width; }"
    explorer.evaluate(narrow, "344px")  # of 360, with a page's margins
    assert too_wide(explorer) == []
    keep(explorer, "explorer_phone")
    explorer.evaluate(narrow, "")


def shown_alone(browser: Browser, widget: DigitCanvas, width: int = 1000) -> Page:
    """Show a widget without Jupyter: Python answers each message in this very process."""

    def state() -> str:
        values = {name: getattr(widget, name) for name in widget.traits(sync=True)}
        return json.dumps(values, default=encoded)

    def encoded(value: object) -> dict[str, list[int]] | None:
        return {"bytes": [*value]} if isinstance(value, bytes) else None  # no widgets

    def answer(changes: dict[str, Any]) -> str:
        widget.set_state(changes)
        return state()

    page = browser.new_page(viewport={"width": width, "height": 1500})
    page.expose_function("answer", answer)
    page.set_content("<body style='margin: 8px'></body>")
    page.evaluate(
        """async ([script, start]) => {
          const url = URL.createObjectURL(new Blob([script], { type: "text/javascript" }));
          const { default: widget } = await import(url);
          const read = (text) => JSON.parse(text, (_, value) =>
            value?.bytes ? new DataView(new Uint8Array(value.bytes).buffer) : value);
          let state = {}, changed = {};
          const handlers = new Map();
          const update = (values) => {
            const names = Object.keys(values).filter(
              (name) => JSON.stringify(values[name]) !== JSON.stringify(state[name])
                || values[name] instanceof DataView);
            for (const name of names) state[name] = values[name];
            const called = names.flatMap((name) => handlers.get(`change:${name}`) ?? []);
            called.forEach((handler) => handler());
          };
          update(read(start));
          window.ask = async (changes) => update(read(await window.answer(changes)));
          const model = {
            get: (name) => state[name],
            set: (values) => { Object.assign(changed, values); update(values); },
            save_changes: async () => {
              const sent = changed;
              changed = {};
              await window.ask(sent);
            },
            on: (event, handler) => handlers.set(event, [...(handlers.get(event) ?? []), handler]),
            off() {},
          };
          widget.render({ model, el: document.body });
        }""",
        [str(widget._esm), state()],
    )
    return page


def test_kept_is_said_only_when_it_is(browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    canvas = DigitCanvas(init_params([784, 10], rng=0))
    canvas.strokes = [[[x, y] for x, y in SEVEN[0]]]
    page = shown_alone(browser, canvas)
    status = page.get_by_role("status").last
    page.get_by_label("That was").select_option("7")
    page.get_by_role("button", name="Keep").click()
    expect(status).to_have_text("kept as 7, 1 in all")

    def refuse(*_: object) -> None:
        raise TraitError("there is no room")

    monkeypatch.setattr(DrawingsTrait, "validate", refuse)
    canvas.strokes = [[[x, y] for x, y in SEVEN[0]]]
    page.evaluate("ask({})")
    page.get_by_label("That was").select_option("4")
    page.get_by_role("button", name="Keep").click()
    expect(status).to_have_text("not kept")
    expect(page.locator("output")).to_have_text("there is no room")
    page.close()


def test_the_pointer_reaches_the_button_of_the_neuron_it_was_on(browser: Browser) -> None:
    explorer = NetworkExplorer()
    page = shown_alone(browser, explorer)
    title = page.get_by_role("heading")
    first = page.locator(".layer").first.get_by_role("option")
    first.nth(20).click()
    first.nth(61).hover()
    expect(title).to_have_text("Neuron 61 of hidden layer 1")
    button = page.get_by_role("button", name="Switch off")
    node = button.element_handle()
    button.hover()
    page.wait_for_timeout(1000)  # longer than the pointer may take
    button.click()
    page.get_by_text("Off: it passes nothing on.").wait_for()
    assert explorer.off == [[61], []]
    expect(title).to_have_text("Neuron 61 of hidden layer 1")
    assert page.locator(".figures").get_by_role("img").count() == 1  # nothing that it passes on
    assert node.evaluate("button => button.isConnected")  # or a press on it could be lost
    page.mouse.move(1, 1)
    expect(title).to_have_text("Neuron 20 of hidden layer 1")
    explorer.neuron = [2, 3]  # from Python, it stays
    page.evaluate("ask({})")
    expect(page.locator(".digits").get_by_role("img")).to_have_count(8)
    first.nth(61).hover()
    expect(title).to_have_text("Neuron 61 of hidden layer 1")
    page.mouse.move(1, 1)
    expect(title).to_have_text("Neuron 3 of hidden layer 2")
    page.close()


@pytest.mark.parametrize("name", ["a name", "a rather long name, longer than there is room for"])
def test_bars_stand_in_line_and_within_the_widget(browser: Browser, name: str) -> None:
    names = ["o", name, *"23456789"]
    explorer = NetworkExplorer(class_names=names)
    page = shown_alone(browser, explorer)
    lefts = """() => [...document.querySelectorAll(".class .bar, .class .name")].map(
      (part) => part.getBoundingClientRect().left)"""
    seen = set()
    for example in (1, 2, 3):  # also with that name as the best, which is bold
        explorer.example = example
        page.evaluate("ask({})")
        expect(page.locator(".class.best .name")).to_have_text(names[explorer.prediction.digit])
        seen |= {*page.evaluate(lefts)}
    assert len(seen) == 2  # of the names, and of the bars
    assert too_wide(page.locator(".mnist-explorer")) == []
    keep(page.locator(".mnist-explorer"), "explorer_names")
    page.close()


@pytest.mark.parametrize("layers", [[784, 64, 32, 10], [784, 12, 10]])
def test_no_wire_runs_across_the_classes_on_a_phone(browser: Browser, layers: list[int]) -> None:
    explorer = NetworkExplorer(init_params(layers, rng=0))
    page = shown_alone(browser, explorer)
    expect(page.locator(".wires path")).not_to_have_count(0)
    page.set_viewport_size({"width": 360, "height": 1500})
    inside = """() => {
      const box = document.querySelector(".output .neurons").getBoundingClientRect();
      return [...document.querySelectorAll(".wires path")].filter((path) => {
        const { left, right, top, bottom } = path.getBoundingClientRect();
        const across = bottom > box.top && top < box.bottom && right > box.left + 1;
        return across || left < 0 || right > innerWidth;
      }).length;
    }"""
    for layer in range(1, len(layers)):
        explorer.neuron = [layer, 1]
        page.evaluate("ask({})")
        page.locator(f".neurons >> nth={layer - 1} >> [role=option].looked").wait_for()
        assert page.evaluate(inside) == 0
    page.close()


def test_only_the_cells_that_change_are_touched(browser: Browser) -> None:
    explorer = NetworkExplorer()
    page = shown_alone(browser, explorer)
    page.locator(".looked").wait_for()
    page.evaluate(
        """() => {
          window.touched = new Set();
          const cells = document.querySelector(".layer .neurons");
          new MutationObserver((changes) => changes.forEach(({ target }) => touched.add(target)))
            .observe(cells, { attributes: true, subtree: true });
        }"""
    )
    explorer.off = [[5], []]
    page.evaluate("ask({})")
    page.locator(".cell.off").wait_for()
    assert page.evaluate("touched.size") == 1
    page.close()
