"""A process that only says that it lives."""

import socket
from http.server import BaseHTTPRequestHandler, HTTPServer


class _Health(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


def health(listening: socket.socket) -> None:
    server = HTTPServer(listening.getsockname(), _Health, bind_and_activate=False)
    server.socket.close()
    server.socket = listening
    server.serve_forever()
