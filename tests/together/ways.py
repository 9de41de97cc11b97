"""What stands between a machine and its farm: a proxy that is the only way out, and TLS by one's own authority."""

from __future__ import annotations

import datetime
import selectors
import socket
import ssl
import threading
from pathlib import Path
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

NAME = "farm.test"
"""Resolved by nobody but the proxy."""


class Listener:
    """A thread for each connection; ends with `close`."""

    def __init__(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listening.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            threading.Thread(target=self._served, args=(client,), daemon=True).start()

    def _served(self, client: socket.socket) -> None:
        with client:
            try:
                self.serve(client)
            except OSError:
                pass

    def serve(self, client: socket.socket) -> None:
        raise NotImplementedError


class Proxy(Listener):
    """CONNECT, and plain requests with absolute URLs; `hosts`: where the names are that it alone knows."""

    def __init__(self, hosts: dict[str, int], login: str | None = None) -> None:
        self.hosts, self.login, self.asked = hosts, login, list[str]()
        super().__init__()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def serve(self, client: socket.socket) -> None:
        first, headers, body = head_of(client)
        if not first:
            return
        method, target, _ = first.split(" ")
        self.asked.append(f"{method} {target.partition('?')[0]}")
        if self.login and f"proxy-authorization: basic {self.login}".lower() not in [line.lower() for line in headers]:
            client.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
            return
        if method == "CONNECT":
            with self._connected(target) as farm:
                client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                pipe(client, farm)
            return
        parts = urlsplit(target)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        again = rewritten(f"{method} {path} HTTP/1.1", headers, body)
        with self._connected(parts.netloc) as farm:
            farm.sendall(again)
            pipe(client, farm)

    def _connected(self, netloc: str) -> socket.socket:
        host, _, port = netloc.partition(":")
        if host in self.hosts:
            return socket.create_connection(("127.0.0.1", self.hosts[host]))
        return socket.create_connection((host, int(port or 80)))


class TlsFront(Listener):
    """Ends TLS in front of a server that speaks plain HTTP."""

    def __init__(self, behind: int, certificate: Path) -> None:
        self._behind = behind
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate)
        super().__init__()

    def serve(self, client: socket.socket) -> None:
        with (
            self._context.wrap_socket(client, server_side=True) as spoken,
            socket.create_connection(("127.0.0.1", self._behind)) as farm,
        ):
            first, headers, body = head_of(spoken)
            farm.sendall(rewritten(first, [*headers, "X-Forwarded-Proto: https"], body))
            pipe(spoken, farm)


def head_of(client: socket.socket) -> tuple[str, list[str], bytes]:
    """The first line, the headers, and what came of the body; an empty line if the client has gone."""
    head = b""
    while b"\r\n\r\n" not in head:
        piece = client.recv(65536)
        if not piece:
            return "", [], b""
        head += piece
    lines, _, body = head.partition(b"\r\n\r\n")
    first, *headers = lines.decode("latin-1").split("\r\n")
    return first, headers, body


def rewritten(first: str, headers: list[str], body: bytes) -> bytes:
    """One request for each connection, so that each is seen."""
    kept = [line for line in headers if not line.lower().startswith(("proxy-", "connection:"))]
    return "\r\n".join([first, *kept, "Connection: close"]).encode("latin-1") + b"\r\n\r\n" + body


def pipe(one: socket.socket, other: socket.socket) -> None:
    """Bytes both ways, until one side ends."""
    with selectors.DefaultSelector() as ready:
        ready.register(one, selectors.EVENT_READ, other)
        ready.register(other, selectors.EVENT_READ, one)
        while True:
            for key, _ in ready.select():
                source, target = key.fileobj, key.data
                assert isinstance(source, socket.socket)
                data = source.recv(65536)
                while isinstance(source, ssl.SSLSocket) and source.pending():
                    data += source.recv(65536)
                if not data:
                    return
                target.sendall(data)


def authority(folder: Path) -> tuple[Path, Path]:
    """A new authority, and a certificate of it for `NAME` with its key: two files in PEM."""
    ours, theirs = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "A studio's own authority")])
    day, now = datetime.timedelta(days=1), datetime.datetime.now(datetime.UTC)

    def begun(subject: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - day)
            .not_valid_after(now + day)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ours.public_key()), critical=False)
        )

    root = (
        begun(issuer, ours)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(ours.public_key()), critical=False)
        .add_extension(x509.KeyUsage(False, False, False, False, False, True, True, False, False), critical=True)
        .sign(ours, hashes.SHA256())
    )
    leaf = (
        begun(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)]), theirs)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(ours, hashes.SHA256())
    )
    ca, server = folder / "authority.pem", folder / "server.pem"
    ca.write_bytes(root.public_bytes(serialization.Encoding.PEM))
    key = theirs.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    server.write_bytes(leaf.public_bytes(serialization.Encoding.PEM) + key)
    return ca, server
