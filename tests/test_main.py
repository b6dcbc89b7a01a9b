"""The command that opens the canvas without Jupyter."""

import json
import os
import re
import socket
import subprocess
import sys
from _thread import interrupt_main
from collections.abc import Iterator, Sequence
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
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


# For each request, the answer: a path, headers and a body that no page of the command sends.
REFUSED = {
    ("/", (("Content-Length", "-1"),), ""): 400,
    ("/", (("Content-Length", "many"),), ""): 400,
    ("/", (), ""): 400,
    ("/", (), "{"): 400,
    ("/", (), "[" * 100_000): 400,
    ("/", (), "[]"): 400,
    ("/", (), '{"changes": "abc"}'): 400,
    ("/", (), '{"names": ["a"]}'): 400,
    ("/", (), '{"message": "a"}'): 400,
    ("/", (("Content-Length", "300000000"),), ""): 413,
    ("/elsewhere", (), "{}"): 404,
    ("/", (("Host", "example.org"),), "{}"): 403,
    ("/", (("Host", "127.0.0.1.example.org"),), "{}"): 403,
    ("/", (("Origin", "http://example.org"),), "{}"): 403,
    ("/", (("Host", "localhost"), ("Origin", "http://localhost")), "{}"): 200,
}


def answer_to(address: str, path: str, headers: Sequence[tuple[str, str]], body: str) -> int:
    """Return the status that a POST gets."""
    connection = HTTPConnection(address.removeprefix("http://"), timeout=60)
    with closing(connection):
        connection.putrequest("POST", path, skip_host="Host" in dict(headers))
        for header in headers:
            connection.putheader(*header)
        if body and "Content-Length" not in dict(headers):
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body.encode())
        return connection.getresponse().status


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
            came["refusals"] = [answer_to(address, *request) for request in REFUSED]
            came["address"] = address
        finally:
            interrupt_main()  # what Ctrl-C does

    monkeypatch.setattr("webbrowser.open", visit)  # a browser that returns when it is closed
    main([])
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
    assert came["refusals"] == list(REFUSED.values())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], 'anywidget must be installed, and is not; run pip install "mnist-nn[widgets]"'),
        (["--help"], None),
        (["--port", "http"], None),
    ],
)
def test_it_ends_before_it_serves(
    arguments: list[str], said: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mnist_nn.checks.find_spec", lambda _: None)  # there is no extra
    monkeypatch.setattr("mnist_nn.__main__.ThreadingHTTPServer", None)
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == said or (said is None and stopped.value.code in (0, 2))


def test_a_port_in_use_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SystemExit, match=f"port {port} cannot be used: .* leave out --port"):
            main(["--port", str(port), "--no-browser"])


@pytest.fixture
def command(tmp_path: Path) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Run the command in another folder; where it says that the canvas is, and its process."""
    path = str(Path(__file__).resolve().parent.parent)
    environment = {**os.environ, "PYTHONPATH": path, "BROWSER": "true"}  # which does nothing
    with subprocess.Popen(
        [sys.executable, "-m", "mnist_nn"],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        try:
            said = server.stdout.readline()
            found = re.search(r"http://127\.0\.0\.1:\d+", said)
            assert found, f"the command printed no address, but {said!r}"
            yield found[0], server
        finally:
            server.terminate()


@pytest.mark.browser
@pytest.mark.skipif(BROWSER is None, reason="there is no Chromium, chromium, on the PATH")
def test_a_digit_drawn_in_a_browser_is_read(
    command: tuple[str, subprocess.Popen[str]],
) -> None:
    address, server = command
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
        expect(canvas.get_by_role("button", name="Keep")).to_be_hidden()
        assert errors == []
        server.terminate()
        server.wait()
        canvas.get_by_role("button", name="Undo").click()
        expect(canvas.locator("output")).to_have_text(re.compile("^The command has ended"))
        browser.close()
    assert [error for error in errors if "ERR_CONNECTION_REFUSED" not in error] == []
