"""A small web server for the page, with the headers that WebAssembly threads need."""

import functools
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from awsrn_keras.errors import InputError

# A system may know other types for these; browsers run no module and compile no WebAssembly then.
_TYPES = {".js": "text/javascript", ".wasm": "application/wasm"}


class PageHandler(SimpleHTTPRequestHandler):
    """Serves files of one folder, each with the headers of the folder's file `_headers`."""

    extensions_map = SimpleHTTPRequestHandler.extensions_map | _TYPES
    protocol_version = "HTTP/1.1"

    def __init__(self, *args, headers_to_send: dict[str, str], **kwargs) -> None:
        self.headers_to_send = headers_to_send
        super().__init__(*args, **kwargs)

    def end_headers(self) -> None:
        for name, value in self.headers_to_send.items():
            self.send_header(name, value)
        super().end_headers()

    def log_request(self, code="-", size="-") -> None:
        """Nothing: only failures are worth a line."""


def page_server(folder: Path, host: str, port: int) -> ThreadingHTTPServer:
    """A server that is listening; `serve_forever` answers.

    Args:
        port: 0 for any that is free.

    Raises:
        InputError: Nobody may listen there.
    """
    headers = read_headers(folder / "_headers")
    handler = functools.partial(PageHandler, directory=str(folder), headers_to_send=headers)
    try:
        return ThreadingHTTPServer((host, port), handler)
    except OSError as error:
        raise InputError(f"{host}:{port}: {error.strerror}: choose another --port.") from error


def read_headers(path: Path) -> dict[str, str]:
    """Headers for all files, in the form that several hosts of static pages read."""
    lines = path.read_text().splitlines()[1:]  # the first one is the pattern /*
    return dict(line.strip().split(": ", 1) for line in lines)
