"""The server: this machine only, nothing but the site, and a new release without a restart."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from dashboards.server import HOST, NO_RELEASE, find_file, make_server

Answer = tuple[int, dict[str, str], str]


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """Two releases, and a link to the first."""
    for name in ("one", "two"):
        site = tmp_path / "releases" / name / "site"
        (site / "data").mkdir(parents=True)
        (site / "index.html").write_text(f"<h1>{name}</h1>", encoding="utf-8")
        (site / "data" / "clinics.csv").write_text("a\n", encoding="utf-8")
        (site / ".secret.html").write_text("hidden", encoding="utf-8")
        (site / "leaders.duckdb").write_text("data", encoding="utf-8")
    (tmp_path / "key.html").write_text("secret", encoding="utf-8")
    (tmp_path / "current").symlink_to(tmp_path / "releases" / "one")
    return tmp_path


@pytest.fixture
def port(workspace: Path) -> Iterator[int]:
    server = make_server(workspace / "current" / "site", 0)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


def ask(port: int, target: str, method: str = "GET", host: str | None = None) -> Answer:
    connection = http.client.HTTPConnection(HOST, port, timeout=5)
    connection.request(method, target, headers={"Host": host or f"{HOST}:{port}", "Connection": "close"})
    response = connection.getresponse()
    answer = response.status, dict(response.getheaders()), response.read().decode()
    connection.close()
    return answer


def test_pages_come_with_security_headers(port: int) -> None:
    status, headers, body = ask(port, "/")
    assert (status, body) == (200, "<h1>one</h1>")
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert "frame-ancestors 'none'" in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert "Python" not in headers["Server"]
    assert ask(port, "/data/clinics.csv")[1]["Content-Type"] == "text/csv; charset=utf-8"


@pytest.mark.parametrize(
    "target",
    [
        "/data/",
        "/data",
        "/../../key.html",
        "/%2e%2e/%2e%2e/%2e%2e/key.html",
        "/..%2f..%2f..%2fkey.html",
        "/.secret.html",
        "/leaders.duckdb",
        "/nothing.html",
        "/%00",
        "//etc/passwd",
        "/data/..%5c..%5ckey.html",
    ],
)
def test_nothing_but_the_site_is_served(port: int, target: str) -> None:
    status, headers, body = ask(port, target)
    assert status == 404
    assert body == "There is no such page."
    assert "Content-Security-Policy" in headers


def test_a_link_out_of_the_site_is_not_followed(workspace: Path) -> None:
    site = workspace / "releases" / "one" / "site"
    (site / "out.html").symlink_to(workspace / "key.html")
    assert find_file(site, "/out.html") is None
    assert find_file(site, "/index.html?x=1") == site / "index.html"


def test_a_new_release_appears_without_restart(port: int, workspace: Path) -> None:
    assert ask(port, "/index.html")[2] == "<h1>one</h1>"
    (workspace / "next").symlink_to(workspace / "releases" / "two")
    (workspace / "next").replace(workspace / "current")
    assert ask(port, "/index.html")[2] == "<h1>two</h1>"


def test_head_sends_no_body_and_writing_is_refused(port: int) -> None:
    status, headers, body = ask(port, "/", method="HEAD")
    assert (status, headers["Content-Length"], body) == (200, "12", "")
    assert ask(port, "/", method="POST")[0] == 501


def test_a_foreign_name_for_this_machine_is_refused(port: int) -> None:
    assert ask(port, "/", host="evil.example")[0] == 421


def test_without_a_release_it_says_what_to_do(port: int, workspace: Path) -> None:
    (workspace / "current").unlink()
    status, _, body = ask(port, "/")
    assert (status, body) == (503, NO_RELEASE)


def test_only_this_machine_is_listened_on(workspace: Path) -> None:
    with make_server(workspace / "current" / "site", 0) as server:
        assert server.server_address[0] == "127.0.0.1"
