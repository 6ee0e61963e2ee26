"""Serves the pages of the newest release on this machine only.

Nothing is made here: the files are those that `site.py` wrote.
"""

from __future__ import annotations

from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

HOST = "127.0.0.1"

CONTENT_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".csv": "text/csv; charset=utf-8",
}
"""Kinds of file that are served; any other is as if it were not there."""

SECURITY_HEADERS = {
    # Plotly writes style elements into the page, so inline styles are allowed; inline scripts are not.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-cache",
}

NO_RELEASE = "There is no release to show yet. Make one with: mend run"


def serve(folder: Path, port: int) -> None:
    """Serve a site's folder on 127.0.0.1 until interrupted (Ctrl-C).

    `folder` may lead through a link (as `current/site` does): it is followed anew at every request, so a new
    release
    appears without a restart. Raises OSError when the port is taken.
    """
    with make_server(folder, port) as server:
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            return


def make_server(folder: Path, port: int) -> ThreadingHTTPServer:
    """The server, bound to 127.0.0.1 and not yet running; port 0 takes a free one."""

    class Handler(_Handler):
        site = folder

    server = ThreadingHTTPServer((HOST, port), Handler)
    server.daemon_threads = True
    return server


def find_file(folder: Path, target: str) -> Path | None:
    """The file a request target names, or None: no listing, nothing outside, no hidden file."""
    path = unquote(urlsplit(target).path)
    if "\x00" in path or "\\" in path:
        return None
    parts = [part for part in path.split("/") if part]
    if any(part.startswith(".") for part in parts):
        return None
    root = folder.resolve()
    found = root.joinpath(*parts).resolve() if parts else root / "index.html"
    if not found.is_relative_to(root) or not found.is_file() or found.suffix not in CONTENT_TYPES:
        return None
    return found


class _Handler(BaseHTTPRequestHandler):
    """Answers GET and HEAD with files of the site."""

    site: Path
    protocol_version = "HTTP/1.1"
    timeout = 30

    def do_GET(self) -> None:
        """Send a file."""
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        """Send only what would come before the file."""
        self._answer(with_body=False)

    def _answer(self, with_body: bool) -> None:
        host = (self.headers.get("Host") or "").rsplit(":", 1)[0]
        if host not in (HOST, "localhost"):
            # A page elsewhere may point its own name at this machine; only our own names are answered.
            self._send(HTTPStatus.MISDIRECTED_REQUEST, "text/plain; charset=utf-8", b"Wrong host.", with_body)
            return
        if not (self.site / "index.html").is_file():
            self._send(HTTPStatus.SERVICE_UNAVAILABLE, "text/plain; charset=utf-8", NO_RELEASE.encode(), with_body)
            return
        try:
            found = find_file(self.site, self.path)
            body = None if found is None else found.read_bytes()
        except (OSError, ValueError):
            found, body = None, None
        if found is None or body is None:
            self._send(HTTPStatus.NOT_FOUND, "text/plain; charset=utf-8", b"There is no such page.", with_body)
            return
        self._send(HTTPStatus.OK, CONTENT_TYPES[found.suffix], body, with_body)

    def _send(self, status: HTTPStatus, content_type: str, body: bytes, with_body: bool) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if with_body:
            self.wfile.write(body)

    def end_headers(self) -> None:
        """Add the security headers to every answer, also to errors."""
        for name, value in SECURITY_HEADERS.items():
            self.send_header(name, value)
        super().end_headers()

    def version_string(self) -> str:
        """Say nothing about versions."""
        return "mend"

    def log_message(self, format: str, *args: object) -> None:
        """Keep no log: who looked at what is nobody's business here."""
