"""A small FTP server in a folder (RFC 959 and 3659): a place of results on another machine."""

import contextlib
import socket
import socketserver
import threading
from collections.abc import Iterator
from pathlib import Path

__all__ = ["FtpServer", "serve"]


class FtpServer(socketserver.ThreadingTCPServer):
    """Serves a folder to one user.

    Parameters
    ----------
    folder : Path
    patience : int
        Files after which it ends a connection, as servers do with those that were idle.
    """

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, folder: Path, patience: int) -> None:
        super().__init__(("127.0.0.1", 0), _Session)
        self.folder, self.patience = folder, patience
        self.full = False
        self.connections = 0

    @property
    def url(self) -> str:
        """Where its folder is."""
        return f"ftp://user:geheim@127.0.0.1:{self.server_address[1]}"


@contextlib.contextmanager
def serve(folder: Path, patience: int = 10_000) -> Iterator[FtpServer]:
    """A running server."""
    with FtpServer(folder, patience) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


class _Session(socketserver.StreamRequestHandler):
    """One connection."""

    server: FtpServer

    def setup(self) -> None:
        super().setup()
        self.server.connections += 1
        self.listener: socket.socket | None = None
        self.renamed = self.server.folder
        self.stored = self.start = 0

    def finish(self) -> None:
        self.forget_listener()
        super().finish()

    def forget_listener(self) -> None:
        """Wait for no file any more."""
        if self.listener is not None:
            self.listener.close()
            self.listener = None

    def handle(self) -> None:
        self.say("220 ready")
        while self.stored < self.server.patience:
            words = self.rfile.readline().decode().strip()
            if not words:
                return
            command, _, argument = words.partition(" ")
            act = getattr(self, f"do_{command.lower()}", None)
            try:
                self.say("502 unknown") if act is None else act(argument)
            except OSError as error:
                self.say(f"550 {error.strerror}")
            if command == "QUIT":
                return

    def say(self, words: str) -> None:
        self.wfile.write(f"{words}\r\n".encode())

    def path(self, argument: str) -> Path:
        return self.server.folder / argument.strip("/")

    def do_user(self, name: str) -> None:
        self.say("331 password?")

    def do_pass(self, word: str) -> None:
        self.say("230 welcome" if word == "geheim" else "530 wrong")

    def do_type(self, kind: str) -> None:
        self.say("200 done")

    def do_quit(self, argument: str) -> None:
        self.say("221 bye")

    def do_pasv(self, argument: str) -> None:
        self.forget_listener()
        self.listener = socket.create_server(("127.0.0.1", 0))
        high, low = divmod(self.listener.getsockname()[1], 256)
        self.say(f"227 here (127,0,0,1,{high},{low})")

    @contextlib.contextmanager
    def data(self) -> Iterator[socket.socket]:
        """The connection of a file."""
        assert self.listener is not None, "asked for first"
        self.say("150 here it comes")
        connection, _ = self.listener.accept()
        self.forget_listener()
        with connection:
            yield connection
        self.say("226 done")

    def do_mlsd(self, argument: str) -> None:
        lines = []
        for entry in sorted(self.path(argument).iterdir()):
            kind = "dir" if entry.is_dir() else "file"
            lines.append(f"type={kind};size={entry.stat().st_size}; {entry.name}\r\n")
        with self.data() as connection:
            connection.sendall("".join(lines).encode())

    def do_stor(self, argument: str) -> None:
        path = self.path(argument)
        if self.server.full:
            raise OSError(28, "No space left on device")
        with path.open("r+b" if self.start else "wb") as file, self.data() as connection:
            file.seek(self.start)
            while chunk := connection.recv(1 << 16):
                file.write(chunk)
        self.start = 0

    def do_rest(self, place: str) -> None:
        self.start = int(place)
        self.say("350 from there")

    def do_retr(self, argument: str) -> None:
        content = self.path(argument).read_bytes()
        with self.data() as connection:
            connection.sendall(content)

    def do_mkd(self, argument: str) -> None:
        self.path(argument).mkdir()
        self.say(f'257 "{argument}"')

    def do_dele(self, argument: str) -> None:
        self.path(argument).unlink()
        self.say("250 done")

    def do_rnfr(self, argument: str) -> None:
        self.renamed = self.path(argument)
        self.say("350 to what?")

    def do_rnto(self, argument: str) -> None:
        self.renamed.rename(self.path(argument))
        self.stored += 1
        self.say("250 done")
