"""Mirrors on this machine: an HTTP server that answers as it is told to, in each of the ways that a mirror can fail."""

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import socket
from threading import Event, Thread
from typing import ClassVar


class Mirrors(ThreadingHTTPServer):
    """The first part of a path names the mirror; what it does is in ``answers``, and what was asked in ``requests``.

    An answer is one of the words "missing", "wrong", "stalls", "cut short", "stalls halfway" and "right", or a list of
    them for one request after the other. "dead" is a mirror whose port is closed.
    """

    daemon_threads = True
    block_on_close = False

    def __init__(self, files: dict[str, bytes]):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files = files
        self.answers: dict[str, str | list[str]] = {}
        self.requests: list[str] = []
        self.released = Event()
        with socket() as unused:
            unused.bind(("127.0.0.1", 0))
            self.dead = f"http://127.0.0.1:{unused.getsockname()[1]}/"

    def mirrors(self, **answers: str | list[str]) -> tuple[str, ...]:
        """The addresses of mirrors that give these answers, in this order."""
        self.answers = answers
        own = f"http://127.0.0.1:{self.server_port}"
        return tuple(self.dead if answer == "dead" else f"{own}/{name}/" for name, answer in answers.items())

    def handle_error(self, request, client_address) -> None:  # one that has lost its patience hangs up
        pass


class Handler(BaseHTTPRequestHandler):
    """One request."""

    server: Mirrors
    wrong: ClassVar[bytes] = b"<html>Please log in to this network</html>"

    def do_GET(self) -> None:
        mirror, name = self.path.strip("/").split("/")
        self.server.requests.append(mirror)
        answer = self.server.answers[mirror]
        if isinstance(answer, list):
            answer = answer.pop(0)
        content = self.server.files[name]
        if answer == "missing":
            self.send_error(404)
        elif answer == "wrong":
            self._send(self.wrong, len(self.wrong))
        elif answer == "stalls":
            self.server.released.wait(60)
        elif answer in ("cut short", "stalls halfway"):
            self._send(content[: len(content) // 2], len(content))
            if answer == "stalls halfway":
                self.server.released.wait(60)
        else:
            assert answer == "right"
            self._send(content, len(content))

    def _send(self, content: bytes, announced: int) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(announced))
        self.end_headers()
        self.wfile.write(content)
        self.wfile.flush()

    def log_message(self, *arguments) -> None:
        pass


@contextmanager
def serving(files: dict[str, bytes]) -> Iterator[Mirrors]:
    """A server of these files, closed in the end."""
    with Mirrors(files) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.released.set()
            server.shutdown()
            thread.join()
