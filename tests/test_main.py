"""The command that opens the canvas without Jupyter."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from playwright.sync_api import expect, sync_playwright
from test_browser import BROWSER, ONE, SEVEN, draw

from mnist_nn import DigitCanvas

MILLISECONDS = 300_000


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where the command says that the canvas is, run in another folder."""
    command = [sys.executable, "-m", "mnist_nn"]
    path = str(Path(__file__).resolve().parent.parent)
    environment = {**os.environ, "PYTHONPATH": path, "BROWSER": "true"}  # which does nothing
    folder = tmp_path_factory.mktemp("elsewhere")
    with subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True
    ) as server:
        said = re.fullmatch(
            r"Draw a digit at (http://127\.0\.0\.1:\d+) \(Ctrl-C ends it\)\n",
            server.stdout.readline(),
        )
        yield said[1]
        if os.name == "nt":  # where Ctrl-C is no signal to one process
            server.terminate()
        else:
            server.send_signal(signal.SIGINT)
            assert server.wait(60) == 0


def ask(address: str, **changes: Any) -> dict[str, Any]:
    with urlopen(address, json.dumps(changes).encode(), timeout=60) as answer:
        return json.loads(answer.read())


@pytest.mark.long
def test_it_answers_as_the_widget_does(address: str) -> None:
    canvas = DigitCanvas()
    canvas.strokes = [[[x, y] for x, y in stroke] for stroke in SEVEN]
    state = ask(address, strokes=SEVEN, changes=1)
    assert state["message"] == canvas.message == "The network reads a 7"
    assert bytes(state["seen"]) == canvas.seen
    assert state["probabilities"] == pytest.approx(canvas.probabilities)
    assert state["changes_read"] == 1
    refused = ask(address, strokes=[[[2, 0]]], changes=2)
    assert refused["message"].startswith("strokes must be numbers from 0 to 1")
    assert refused["strokes"] == state["strokes"]


@pytest.mark.long
def test_it_gives_nothing_but_its_page(address: str) -> None:
    for path in ("/__main__.py", "/../README.md", "/data/"):
        with pytest.raises(HTTPError, match="404"):
            urlopen(address + path, timeout=60)


@pytest.mark.browser
@pytest.mark.skipif(BROWSER is None, reason="there is no Chromium, chromium, on the PATH")
def test_a_digit_drawn_in_a_browser_is_read(address: str) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 390, "height": 844})
        page.set_default_timeout(MILLISECONDS)
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda entry: errors.append(entry.text) if entry.type == "error" else 0)
        page.goto(address)
        canvas = page.locator(".mnist-canvas")
        canvas.wait_for()
        for digit, strokes in ((1, ONE), (7, SEVEN)):
            if canvas.get_by_role("button", name="Clear").is_enabled():
                canvas.get_by_role("button", name="Clear").click()
            draw(page, canvas, strokes)
            expect(canvas.locator("output")).to_have_text(f"The network reads a {digit}")
        # Another tab, or this one loaded again, shows the same drawing.
        page.reload()
        expect(canvas.locator("output")).to_have_text("The network reads a 7")
        assert canvas.locator("polyline").count() == 1
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        browser.close()
    assert errors == []
