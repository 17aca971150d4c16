"""Servers on this machine that keep what they are told: a webhook's, and a mail server's."""

import base64
import json
import socketserver
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from http.server import BaseHTTPRequestHandler, HTTPServer


@dataclass
class Received:
    """What a server was told, and where it listens."""

    port: int
    messages: list = field(default_factory=list)
    logins: list = field(default_factory=list)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}/hook/s3cret"


@contextmanager
def webhook_server(*, status=200):
    """An HTTP server that answers every POST with one status."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            received.messages.append((self.path, dict(self.headers), json.loads(body)))
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            """Say nothing on the terminal."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        received = Received(server.server_port)
        with _serving(server):
            yield received


class MailHandler(socketserver.StreamRequestHandler):
    """One SMTP conversation; the server knows the password, None if it wants no login."""

    def handle(self):
        self.say("220 here")
        while line := self.rfile.readline().decode().strip():
            answer = getattr(self, f"on_{line[:4].lower()}", None)
            self.say(answer(line) if answer else "250 ok")

    def say(self, text):
        self.wfile.write(f"{text}\r\n".encode())

    def on_ehlo(self, _):
        return "250-here\r\n250 AUTH PLAIN" if self.server.password else "250-here\r\n250 SIZE"

    def on_auth(self, line):
        self.server.received.logins.append(line)
        given = base64.b64decode(line.split()[2]).split(b"\0")[2].decode()
        return "235 welcome" if given == self.server.password else f"535 not {given}"

    def on_quit(self, _):
        return "221 bye"

    def on_data(self, _):
        self.say("354 go on")
        lines = []
        while (line := self.rfile.readline()) != b".\r\n":
            lines.append(line.removeprefix(b"."))
        message = message_from_bytes(b"".join(lines), policy=policy.default)
        self.server.received.messages.append(message)
        return "250 kept"


@contextmanager
def mail_server(*, password=None):
    """A mail server that speaks just enough SMTP; with a password it wants a login."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), MailHandler) as server:
        server.daemon_threads, server.password = True, password
        server.received = Received(server.server_address[1])
        with _serving(server):
            yield server.received


@contextmanager
def _serving(server):
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
