"""The command that opens the canvas without Jupyter."""

import json
import os
import re
import subprocess
import sys
from _thread import interrupt_main
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from playwright.sync_api import expect, sync_playwright
from test_browser import BROWSER, MILLISECONDS, ONE, SEVEN, draw

from mnist_nn import DigitCanvas
from mnist_nn.__main__ import main


def ask(address: str, **changes: Any) -> dict[str, Any]:
    with urlopen(address, json.dumps(changes).encode(), timeout=60) as answer:
        return json.loads(answer.read())


def status(address: str) -> int:
    try:
        with urlopen(address, timeout=60) as answer:
            return answer.status
    except HTTPError as error:
        with error:
            return error.code


def test_it_answers_as_the_widget_does(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    came: dict[str, Any] = {}

    def visit(address: str) -> None:
        try:
            came["read"] = ask(address, strokes=SEVEN, changes=1)
            came["refused"] = ask(address, strokes=[[[2, 0]]], changes=2)
            came["status"] = [
                status(address + path)
                for path in ("/", "/canvas.js", "/canvas.py", "/../README.md", "/data/")
            ]
            came["address"] = address
        finally:
            interrupt_main()  # what Ctrl-C does

    def open_browser(address: str) -> None:
        Thread(target=visit, args=(address,)).start()

    monkeypatch.setattr("webbrowser.open", open_browser)
    main()
    assert capsys.readouterr().out == f"Draw a digit at {came['address']} (Ctrl-C ends it)\n\n"
    canvas = DigitCanvas()
    canvas.strokes = [[[x, y] for x, y in stroke] for stroke in SEVEN]
    assert came["read"]["message"] == canvas.message == "The network reads a 7"
    assert bytes(came["read"]["seen"]) == canvas.seen
    assert came["read"]["probabilities"] == pytest.approx(canvas.probabilities)
    assert came["read"]["changes_read"] == 1
    assert came["refused"]["message"].startswith("strokes must be numbers from 0 to 1")
    assert came["refused"]["strokes"] == came["read"]["strokes"]
    assert came["status"] == [200, 200, 404, 404, 404]


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """Where the command says that the canvas is, run in another folder."""
    command = [sys.executable, "-m", "mnist_nn"]
    path = str(Path(__file__).resolve().parent.parent)
    environment = {**os.environ, "PYTHONPATH": path, "BROWSER": "true"}  # which does nothing
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True
    ) as server:
        yield re.search(r"http://127\.0\.0\.1:\d+", server.stdout.readline())[0]
        server.terminate()


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
