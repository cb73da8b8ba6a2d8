"""Serves a page that build.py made, to this machine unless told otherwise.

    python export/web/serve.py OUT
    python export/web/serve.py OUT --host 0.0.0.0 --certificate C --key K

Phones open cameras and microphones only over https, or on their own
localhost: give a certificate that the phone trusts, or plug it in and forward
the port (`adb reverse tcp:8000 tcp:8000`).

A thread a connection, with limits: who says nothing is cut off, and gives way
to others. For the public, put a web server in its place.
"""

import argparse
import contextlib
import functools
import http.server
import ipaddress
import os
import socket
import ssl
import stat
import sys
import threading
import time
import urllib.parse
from pathlib import Path

# Of a connection: until it has asked, and for each part of an answer.
TIMEOUT_SEC = 10
MAX_CONNECTIONS = 64
HEADERS = {
    # What a runtime with threads would need.
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-cache",
    "Content-Security-Policy": (
        "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; "
        "img-src 'self' blob: data:; media-src 'self' blob:; "
        "object-src 'none'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    ),
    "Permissions-Policy": "camera=(self), microphone=(self), geolocation=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class Handler(http.server.SimpleHTTPRequestHandler):
    """Regular files of a folder, to those who ask for this machine."""

    extensions_map = {
        **http.server.SimpleHTTPRequestHandler.extensions_map,
        ".js": "text/javascript",
        ".mjs": "text/javascript",
        ".wasm": "application/wasm",
        ".webmanifest": "application/manifest+json",
    }
    server_version, sys_version = "mmkeras", ""
    timeout = TIMEOUT_SEC

    def send_head(self):
        self.server.has_asked(self.connection)
        host = self.headers.get("Host", "")
        if not is_here(host, self.server.names):
            self.send_error(421, "This machine has another name")
            return None
        parts = parts_of(self.path)
        if parts is None or not is_file(Path(self.directory), parts):
            self.send_error(404, "No such file")
            return None
        self.path = "/" + urllib.parse.quote("/".join(parts))
        return super().send_head()

    def end_headers(self):
        for name, value in HEADERS.items():
            self.send_header(name, value)
        super().end_headers()

    def log_message(self, *_):
        """Says nothing: a page asks for dozens of files."""


def parts_of(path: str) -> list[str] | None:
    """Returns the steps of the path in an address; None if it is none."""
    path = urllib.parse.unquote(path.partition("?")[0].partition("#")[0])
    path = f"{path}index.html" if path.endswith("/") else path
    first, *parts = path.split("/")
    plain = path.isprintable() and "\\" not in path and not first
    hidden = any(part[:1] in ("", ".") for part in parts)
    return parts if plain and parts and not hidden else None


def is_file(folder: Path, parts: list[str]) -> bool:
    """Whether the steps lead to a regular file, and over no link."""
    place, kinds = folder, []
    try:
        for part in parts:
            place /= part
            kinds.append(stat.S_IFMT(os.lstat(place).st_mode))
    except (OSError, ValueError):
        return False
    *above, last = kinds
    return last == stat.S_IFREG and all(k == stat.S_IFDIR for k in above)


def is_here(host: str, names: set[str]) -> bool:
    """Whether a Host is an address or a name of this machine.

    A page elsewhere may make its own name point here; it cannot do so with an
    address.
    """
    try:
        name = (urllib.parse.urlsplit(f"//{host}").hostname or "").rstrip(".")
        if name in names:
            return True
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


class Server(http.server.ThreadingHTTPServer):
    """A thread a connection; the silent ones give way to others.

    Args:
        address: Host and port.
        handler: What answers.
        names: Names of this machine that may be asked for.
        context: For https.
    """

    daemon_threads, request_queue_size = True, 128

    def __init__(self, address, handler, names, context=None):
        if ":" in address[0]:
            self.address_family = socket.AF_INET6
        self.names, self.context = names, context
        # Since when a connection is open, and whether it has asked.
        self.since: dict = {}
        self.lock = threading.Lock()
        super().__init__(address, handler)

    def process_request(self, request, client_address):
        with self.lock:
            self.since[request] = time.monotonic()
            silent = [r for r, since in self.since.items() if since]
            # The oldest that has said nothing, which may be the new one.
            over = silent[: len(self.since) > MAX_CONNECTIONS]
            for one in over:
                del self.since[one]
        for one in over:
            cut_off(one)
        super().process_request(request, client_address)

    def finish_request(self, request, client_address):
        # In the connection's own thread, where it holds up nobody.
        request.settimeout(TIMEOUT_SEC)
        if self.context is None:
            return super().finish_request(request, client_address)
        with self.context.wrap_socket(
            request, server_side=True, do_handshake_on_connect=False
        ) as secure:
            with self.lock:
                if since := self.since.pop(request, None):
                    self.since[secure] = since
            try:
                secure.do_handshake()
                super().finish_request(secure, client_address)
            finally:
                self.forget(secure)

    def has_asked(self, request):
        """Remembers that a connection is none of the silent ones."""
        with self.lock:
            if request in self.since:
                self.since[request] = 0

    def forget(self, request):
        """Makes room for another connection."""
        with self.lock:
            self.since.pop(request, None)

    def shutdown_request(self, request):
        self.forget(request)
        super().shutdown_request(request)

    def service_actions(self):
        """Cuts off who sends a little now and then, but no request."""
        late = time.monotonic() - TIMEOUT_SEC
        with self.lock:
            slow = [r for r, since in self.since.items() if 0 < since < late]
        for request in slow:
            cut_off(request)

    def handle_error(self, request, client_address):
        """Says nothing of those who went away, or spoke no TLS."""
        if not isinstance(sys.exception(), OSError | ValueError):
            super().handle_error(request, client_address)


def cut_off(request: socket.socket) -> None:
    """Ends a connection that a thread waits for; the thread closes it."""
    with contextlib.suppress(OSError):
        socket.socket.shutdown(request, socket.SHUT_RDWR)


def server(
    folder: Path,
    host: str = "127.0.0.1",
    port: int = 8000,
    names: tuple[str, ...] = (),
    context: ssl.SSLContext | None = None,
) -> Server:
    """Returns a server of a folder, not yet running; port 0 takes any.

    Args:
        folder: What build.py made.
        host: Address to listen at.
        port: Its port.
        names: Further names of this machine, as a certificate has them.
        context: For https.
    """
    folder = Path(folder).resolve()
    if not is_file(folder, ["sw.js"]):
        raise ValueError(
            f"`FOLDER` must be a page that build.py made. Received: {folder}"
        )
    own = socket.gethostname().lower()
    known = {"localhost", host, own, f"{own}.local", *names}
    handler = functools.partial(Handler, directory=str(folder))
    return Server((host, port), handler, known, context)


def address_of(running: Server, scheme: str) -> str:
    """Returns the address that a browser is to be given."""
    host, port = running.server_address[:2]
    if ipaddress.ip_address(host).is_unspecified:
        # Nothing is sent: it asks which address would be.
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
            with contextlib.suppress(OSError):
                asking.connect(("192.0.2.1", 9))
            host = asking.getsockname()[0].replace("0.0.0.0", "127.0.0.1")
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}/"


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("folder", type=Path)
    options.add_argument("--host", default="127.0.0.1")
    options.add_argument("--port", type=int, default=8000)
    options.add_argument("--certificate", help="a PEM file, for https")
    options.add_argument("--key", help="its key")
    options.add_argument(
        "--name", action="append", default=[],
        help="of this machine, as the certificate has it; repeatable",
    )  # fmt: skip
    options = options.parse_args()
    context = None
    try:
        if options.certificate:
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            context.load_cert_chain(options.certificate, options.key)
        names = tuple(name.lower() for name in options.name)
        running = server(
            options.folder, options.host, options.port, names, context
        )
    except (ValueError, OSError, OverflowError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(address_of(running, "https" if context else "http"), flush=True)
    with contextlib.suppress(KeyboardInterrupt):
        running.serve_forever()
    running.server_close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
