"""Whose certificates are believed, in every call of worker, command line and library; whichever client makes it.

| set by                                                | means                                                |
|-------------------------------------------------------|------------------------------------------------------|
| `--ca-file`, `MILLRACE_CA_FILE`                       | these authorities too, besides those that follow     |
| `REQUESTS_CA_BUNDLE`, `CURL_CA_BUNDLE`,               | these and no others, the first that is set: a file,  |
| `SSL_CERT_FILE`, `SSL_CERT_DIR`                       | or a folder of files                                 |
| nothing                                               | those that certifi brings                            |

The first is for a farm behind a studio's own authority, while the rest of the world (a bucket, a package index) keeps
the usual ones. Both together are written into one file below the user's state folder, since `requests` takes one.
"""

from __future__ import annotations

import functools
import hashlib
import os
import ssl
import tempfile
from pathlib import Path

ADDED = "MILLRACE_CA_FILE"
REPLACED_BY = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR")


class BadAuthorities(ValueError):
    """A file that was named holds no certificates."""


def bundle() -> str:
    """A file or a folder of certificates in PEM. Raises BadAuthorities."""
    usual = next((value for name in REPLACED_BY if (value := os.environ.get(name))), None)
    added = os.environ.get(ADDED)
    if added:
        return _together(usual or _certifi(), added)
    return usual or _certifi()


def tls_trouble(said: str) -> str:
    """What OpenSSL said, for people. The commonest of all is a clock that is wrong."""
    words = said.lower()
    if "wrong_version_number" in words or "wrong version number" in words or "record layer failure" in words:
        return "what answers there does not speak TLS; does the farm's URL begin with http://?"
    if "expired" in words or "not yet valid" in words:
        return "its certificate is not valid now: it has expired, or this machine's clock is wrong"
    if "hostname mismatch" in words or "doesn't match" in words or "not valid for" in words:
        return "its certificate is another machine's: use the farm's own name in the URL"
    return "its certificate was not accepted (--ca-file names an authority of your own)"


def check(path: str) -> None:
    """Raises BadAuthorities if this is no file of certificates."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
    except ssl.SSLError:
        raise BadAuthorities(f"{path} holds no certificates of authorities (PEM)") from None
    except OSError as error:
        raise BadAuthorities(f"{path}: {error.strerror or error}") from error


def check_all() -> None:
    """Raises BadAuthorities if a variable names what cannot be used: better at the start than at each call."""
    used = bundle()
    if not os.path.isdir(used):
        check(used)


def _certifi() -> str:
    import certifi

    return certifi.where()


@functools.lru_cache(maxsize=4)
def _together(usual: str, added: str) -> str:
    check(added)
    text = "\n".join(_text(Path(path)) for path in (usual, added))
    name = f"{hashlib.sha256(text.encode()).hexdigest()[:32]}.pem"
    try:
        from millrace.agent.state import all_state_roots

        folder = all_state_roots() / "authorities"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError:  # a service without a home; a folder of our own, so that nobody else can have put a file there
        folder = Path(tempfile.mkdtemp(prefix="millrace-authorities-"))
    draft = folder / f"{name}.{os.getpid()}"
    draft.write_text(text)
    os.replace(draft, folder / name)
    return str(folder / name)


def _text(path: Path) -> str:
    files = sorted(one for one in path.iterdir() if one.is_file()) if path.is_dir() else [path]
    return "\n".join(one.read_text(errors="replace") for one in files)
