"""Fault 32: the page's server outlives silent, slow and hostile clients."""

import os
import socket
import ssl
import subprocess
import threading
import time

import border_toys
import pytest

SERVE = border_toys.EXPORT / "web" / "serve.py"


@pytest.fixture(scope="module")
def web():
    return border_toys.load(SERVE)


@pytest.fixture
def folder(tmp_path):
    site = tmp_path / "site"
    (site / "bundle").mkdir(parents=True)
    for name in ("index.html", "sw.js", "bundle/a.js", ".hidden"):
        (site / name).write_text(name)
    (tmp_path / "secret.txt").write_text("secret")
    return site


@pytest.fixture
def start(web, folder, monkeypatch):
    """Starts a server whose time-out is a second; returns its port."""
    running = []

    def run(context=None, timeout_sec=1.0, most=20):
        monkeypatch.setattr(web, "TIMEOUT_SEC", timeout_sec)
        monkeypatch.setattr(web.Handler, "timeout", timeout_sec)
        monkeypatch.setattr(web, "MAX_CONNECTIONS", most)
        server = web.server(folder, port=0, names=("phone.test",),
                            context=context)  # fmt: skip
        threading.Thread(
            target=server.serve_forever, args=(0.05,), daemon=True
        ).start()
        running.append(server)
        return server

    yield run
    for server in running:
        server.shutdown()
        server.server_close()


def ask(server, path="/", host="localhost", method="GET", wrap=None):
    """The answer to a request that is sent byte for byte."""
    with socket.create_connection(server.server_address, timeout=20) as plain:
        file = wrap(plain) if wrap else plain
        file.sendall(f"{method} {path} HTTP/1.1\r\n".encode("latin-1"))
        lines = f"Host: {host}\r\n" if host is not None else ""
        file.sendall(f"{lines}\r\n".encode())
        answer = b""
        while part := file.recv(65536):
            answer += part
    return answer.decode("latin-1")


def status(answer: str) -> int:
    return int(answer.split(" ", 2)[1])


def test_files_come_with_headers_that_browsers_heed(start):
    server = start()
    for path in ("/", "/index.html", "/bundle/a.js?x=1", "/none", "/bundle"):
        answer = ask(server, path)
        assert status(answer) == (404 if path in ("/none", "/bundle") else 200)
        for header in (
            "X-Content-Type-Options: nosniff",
            "Content-Security-Policy: default-src 'self'",
            "frame-ancestors 'none'", "Referrer-Policy: no-referrer",
            "Cross-Origin-Opener-Policy: same-origin",
        ):  # fmt: skip
            assert header in answer
        assert "Python" not in answer
    assert "text/javascript" in ask(server, "/bundle/a.js")


@pytest.mark.parametrize(
    "path",
    [
        "/bundle/", "/../secret.txt", "/bundle/../../secret.txt",
        "/%2e%2e/secret.txt", "/..%2fsecret.txt", "/bundle%00", "/\0",
        "/index.html%00.js", "/link.txt", "/linked/secret.txt", "/.hidden",
        "//etc/passwd", "/bundle//a.js", "/bundle\\a.js", "/pipe", "/%ff",
        "/%0d%0aX:1", "http://elsewhere.test/", "*", "secret.txt",
        "/" + "a" * 5000,
    ],
)  # fmt: skip
def test_no_listing_no_link_and_nothing_outside(start, folder, path):
    (folder / "link.txt").symlink_to(folder.parent / "secret.txt")
    (folder / "linked").symlink_to(folder.parent)
    os.mkfifo(folder / "pipe")
    answer = ask(start(), path)
    assert status(answer) in (400, 404, 414)
    assert "secret" not in answer.partition("\r\n\r\n")[2]


@pytest.mark.parametrize(
    "host, found",
    [
        ("localhost:8000", 200), ("127.0.0.1", 200), ("[::1]:8000", 200),
        ("192.168.1.7:8000", 200), ("phone.test", 200),
        (f"{socket.gethostname()}:1", 200), ("evil.test", 421),
        ("localhost.evil.test", 421), ("127.0.0.1.evil.test", 421),
        ("", 421), (None, 421), ("a b", 421), ("[", 421), ("user@", 421),
    ],
)  # fmt: skip
def test_a_foreign_host_is_refused(start, host, found):
    assert status(ask(start(), host=host)) == found


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "X"])
def test_nothing_but_reading(start, method):
    assert status(ask(start(), method=method)) == 501


def test_two_hundred_half_requests_stop_nobody(start):
    server = start(timeout_sec=30)
    half = []
    for number in range(200):
        one = socket.create_connection(server.server_address, timeout=20)
        one.sendall(b"GET / HTTP/1.1\r\nHost: local"[: number % 28])
        half.append(one)
        if number % 40 == 0:
            assert status(ask(server)) == 200
    assert status(ask(server)) == 200
    assert len(server.since) <= 20
    for one in half:
        one.close()


@pytest.mark.parametrize("drip", [b"", b"G"])
def test_who_says_nothing_is_cut_off(start, drip):
    """Also who sends a byte now and then."""
    server = start(timeout_sec=0.4)
    with socket.create_connection(server.server_address, timeout=20) as one:
        one.settimeout(0.1)
        for _ in range(100):
            with_error = False
            try:
                one.sendall(drip)
                if one.recv(100) == b"":
                    break
            except TimeoutError:
                continue
            except OSError:
                with_error = True
            if with_error:
                break
        else:
            pytest.fail("it is still served")


@pytest.fixture
def context(tmp_path):
    """A certificate of its own, if there is a program to make one."""
    place = tmp_path / "c.pem", tmp_path / "k.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes",
               "-subj", "/CN=localhost", "-out", place[0],
               "-keyout", place[1]]  # fmt: skip
    try:
        subprocess.run(command, check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("needs openssl")
    found = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    found.load_cert_chain(*place)
    return found


def test_a_silent_tls_client_stops_nobody(start, context):
    trusting = ssl.create_default_context()
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    server = start(context, timeout_sec=30)
    silent = [socket.create_connection(server.server_address, timeout=20)
              for _ in range(5)]  # fmt: skip
    silent[0].sendall(b"GET / HTTP/1.1\r\n\r\n")
    silent[1].sendall(b"\x16\x03\x01")
    assert status(ask(server, wrap=trusting.wrap_socket)) == 200
    for one in silent:
        one.close()
    # All that is left is what is cut off: none takes a place for good.
    for _ in range(100):
        if not server.since:
            break
        time.sleep(0.05)
    assert not server.since


@pytest.mark.parametrize(
    "options, message",
    [
        (["none"], "a page that build.py made"),
        (["."], "a page that build.py made"),
        (["SITE", "--port", "99999"], "port"),
        (["SITE", "--host", "no such host.test"], "error: "),
        (["SITE", "--certificate", "none.pem"], "No such file"),
    ],
)
def test_what_cannot_be_served_is_one_message(
    web, folder, monkeypatch, capsys, options, message
):
    given = [str(folder) if o == "SITE" else o for o in options]
    monkeypatch.chdir(folder.parent)
    monkeypatch.setattr("sys.argv", ["serve.py", *given])
    assert web.main() == 2
    out, error = capsys.readouterr()
    assert out == "" and error.count("\n") == 1 and message in error


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "::1"])
def test_the_address_that_is_printed_can_be_opened(web, folder, host):
    try:
        server = web.server(folder, host, port=0)
    except OSError:
        pytest.skip(f"needs {host}")
    address = web.address_of(server, "http")
    server.server_close()
    assert address.startswith("http://") and "0.0.0.0" not in address
    assert address.endswith(f":{server.server_port}/")
    assert host != "::1" or "[::1]" in address
