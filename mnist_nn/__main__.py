"""Draw a digit in the browser, without Jupyter: ``python -m mnist_nn``."""

import json
import threading
import webbrowser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from mnist_nn import DigitCanvas

_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark">
<link rel="icon" href="data:,">
<title>Draw a digit</title>
<body style="margin: 3rem auto; width: fit-content; max-width: 100%"></body>
<script type="module">
  import widget from "/canvas.js";

  const state = {}, changed = {}, handlers = [];
  function update(values) {
    Object.assign(state, values);
    for (const [event, handler] of handlers) if (event.slice(7) in values) handler(); // "change:…"
  }
  async function ask() {
    const answer = await fetch("/", { method: "POST", body: JSON.stringify(changed) });
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

    canvas: DigitCanvas
    lock = threading.Lock()

    def do_GET(self) -> None:
        if self.path == "/":
            self._answer("text/html", _PAGE.encode())
        elif self.path == "/canvas.js":
            self._answer("text/javascript", Path(__file__).with_name("canvas.js").read_bytes())
        else:
            self.send_error(404)

    def do_POST(self) -> None:
        changes = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.lock:
            self.canvas.set_state(changes)
            names = DigitCanvas.class_own_traits(sync=True)
            state = {name: getattr(self.canvas, name) for name in names}
        self._answer("application/json", json.dumps(state, default=list).encode())

    def _answer(self, kind: str, content: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Say nothing about requests."""


def main() -> None:
    """Open the canvas in a browser, and answer until Ctrl-C."""
    _Handler.canvas = DigitCanvas()
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        address = f"http://127.0.0.1:{server.server_port}"
        print(f"Draw a digit at {address} (Ctrl-C ends it)", flush=True)
        webbrowser.open(address)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print()


if __name__ == "__main__":
    main()
