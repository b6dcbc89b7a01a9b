"""Draw a digit in the browser, without Jupyter: ``python -m mnist_nn``."""

import argparse
import json
import sys
import threading
import webbrowser
from collections.abc import Sequence
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mnist_nn import DigitCanvas

_STATE = "strokes", "seen", "probabilities", "names", "message", "changes", "changes_read"
_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark">
<link rel="icon" href="data:,">
<title>Draw a digit</title>
<style>body .mnist-canvas form { display: none; } /* what it keeps, only Python could use */</style>
<body style="margin: 3rem auto; width: fit-content; max-width: 100%"></body>
<script type="module">
  import widget from "/canvas.js";

  const state = {}, changed = {}, handlers = [];
  function update(values) {
    Object.assign(state, values);
    for (const [event, handler] of handlers) if (event.slice(7) in values) handler(); // "change:…"
  }
  async function ask() {
    const answer = await fetch("/", { method: "POST", body: JSON.stringify(changed) }).catch(() => {
      const message = "The command has ended: run python -m mnist_nn again";
      update({ message, changes_read: state.changes });
    });
    if (!answer) return;
    const values = await answer.json();
    values.seen = new DataView(new Uint8Array(values.seen).buffer);
    if ((state.changes ?? 0) <= values.changes) update(values); // or a newer answer will come
  }
  await ask();
  const model = { // the part of a Jupyter widget's model that the canvas uses
    get: (name) => state[name],
    set: (values) => { Object.assign(changed, values); update(values); },
    save_changes: ask,
    on: (...both) => handlers.push(both),
    off() {},
  };
  widget.render({ model, el: document.body });
</script>
</html>
"""


class _Handler(BaseHTTPRequestHandler):
    """Gives the page and the canvas's JavaScript, and answers to what is drawn."""

    canvas: "DigitCanvas"
    lock = threading.Lock()
    timeout = 60  # seconds, for a client that sends less than it announced

    def handle(self) -> None:
        with suppress(ConnectionError):  # the browser did not wait for the answer
            super().handle()

    def parse_request(self) -> bool:
        """Refuse what other websites ask, be it by a name of theirs that leads here."""
        if not super().parse_request():
            return False
        host, origin = self.headers["Host"] or "", self.headers["Origin"]
        is_own = host.split(":")[0] in ("127.0.0.1", "localhost")
        if not is_own or origin not in (None, f"http://{host}"):
            self.send_error(403)
            return False
        return True

    def do_GET(self) -> None:
        if self.path == "/":
            self._answer("text/html", _PAGE.encode())
        elif self.path == "/canvas.js":
            self._answer("text/javascript", Path(__file__).with_name("canvas.js").read_bytes())
        else:
            self.send_error(404)

    def do_POST(self) -> None:
        length = self.headers["Content-Length"] or ""
        if self.path != "/":
            self.send_error(404)
        elif not length.isdecimal():
            self.send_error(400)
        elif len(length) > 6:  # a megabyte or more; the longest drawing has a fifth
            self.send_error(413)
        else:
            self._draw(self.rfile.read(int(length)))

    def _draw(self, content: bytes) -> None:
        try:
            sent = json.loads(content)
        except (RecursionError, ValueError):
            sent = None
        if (
            not isinstance(sent, dict)
            or not sent.keys() <= {"strokes", "changes"}
            or type(sent.get("changes", 0)) is not int
        ):
            self.send_error(400)
            return
        with self.lock:
            self.canvas.set_state(sent)
            state = {name: getattr(self.canvas, name) for name in _STATE}
        self._answer("application/json", json.dumps(state, default=list).encode())

    def _answer(self, kind: str, content: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Say nothing about requests."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Open the canvas in a browser, and answer until Ctrl-C."""
    parser = argparse.ArgumentParser(
        "python -m mnist_nn", description="Draw a digit in the browser, and see what it is read as."
    )
    parser.add_argument("--port", type=int, default=0, help="default: any that is free")
    parser.add_argument("--no-browser", action="store_true", help="only print the address")
    options = parser.parse_args(arguments)
    try:
        from mnist_nn import DigitCanvas
    except ImportError as error:
        sys.exit(str(error))
    _Handler.canvas = DigitCanvas()
    try:
        server = ThreadingHTTPServer(("127.0.0.1", options.port), _Handler)
    except (OSError, OverflowError) as error:
        sys.exit(f"port {options.port} cannot be used: {error}; try another, or leave out --port")
    with server:
        address = f"http://127.0.0.1:{server.server_port}"
        try:
            print(f"Draw a digit at {address} (Ctrl-C ends it)", flush=True)
            if not options.no_browser:
                # In a thread, since a browser in the terminal returns only when it is closed.
                threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()
            server.serve_forever()
        except KeyboardInterrupt:
            print()


if __name__ == "__main__":
    main()
