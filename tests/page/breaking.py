"""A proxy before a server, which ends every stream before it is complete."""

from __future__ import annotations

import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

END = b"data: [DONE]"


@contextmanager
def breaking_off(url: str) -> Iterator[str]:
    """The address of a proxy before the server at `url`."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._pass_on(None)

        def do_POST(self) -> None:
            self._pass_on(self.rfile.read(int(self.headers["Content-Length"])))

        def _pass_on(self, body: bytes | None) -> None:
            headers = {"Content-Type": self.headers["Content-Type"]} if body else {}
            request = urllib.request.Request(url + self.path[1:], body, headers)
            with urllib.request.urlopen(request) as answer:
                content = answer.read().partition(END)[0]
                self.send_response(answer.status)
                self.send_header("Content-Type", answer.headers["Content-Type"])
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

        def log_message(self, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as proxy:
        Thread(target=proxy.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{proxy.server_port}/"
        finally:
            proxy.shutdown()
