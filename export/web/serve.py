"""Serves a page that build.py made, to this machine unless told otherwise.

    python export/web/serve.py OUT
    python export/web/serve.py OUT --host 0.0.0.0 --certificate C --key K

Phones open cameras and microphones only over https, or on their own
localhost: give a certificate that the phone trusts, or plug it in and forward
the port (`adb reverse tcp:8000 tcp:8000`).
"""

import argparse
import functools
import http.server
import ssl
from pathlib import Path


class Handler(http.server.SimpleHTTPRequestHandler):
    """Files, with the headers that a runtime with threads would need."""

    extensions_map = {
        **http.server.SimpleHTTPRequestHandler.extensions_map,
        ".js": "text/javascript",
        ".mjs": "text/javascript",
        ".wasm": "application/wasm",
        ".webmanifest": "application/manifest+json",
    }

    def end_headers(self):
        self.send_header("Cross-Origin-Opener-Policy", "same-origin")
        self.send_header("Cross-Origin-Embedder-Policy", "require-corp")
        self.send_header("Cache-Control", "no-cache")
        super().end_headers()

    def log_message(self, *_):
        """Says nothing: a page asks for dozens of files."""


def server(
    folder: Path, host: str = "127.0.0.1", port: int = 8000
) -> http.server.ThreadingHTTPServer:
    """Returns a server of a folder, not yet running; port 0 takes any."""
    handler = functools.partial(Handler, directory=str(folder))
    return http.server.ThreadingHTTPServer((host, port), handler)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("folder", type=Path)
    options.add_argument("--host", default="127.0.0.1")
    options.add_argument("--port", type=int, default=8000)
    options.add_argument("--certificate", help="a PEM file, for https")
    options.add_argument("--key", help="its key")
    options = options.parse_args()
    running = server(options.folder, options.host, options.port)
    scheme = "http"
    if options.certificate:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(options.certificate, options.key)
        running.socket = context.wrap_socket(running.socket, server_side=True)
        scheme = "https"
    print(f"{scheme}://{options.host}:{running.server_port}/")
    try:
        running.serve_forever()
    except KeyboardInterrupt:
        running.server_close()


if __name__ == "__main__":
    main()
