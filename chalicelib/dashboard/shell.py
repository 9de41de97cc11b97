"""The HTML that everything else is drawn into, and what its headers allow it."""

from __future__ import annotations

from functools import cache
from html import escape
from urllib.parse import urlsplit

from ..core.farm import Farm
from ..edge.http import Reply
from ..edge.refusals import API
from . import files

BINARY = "application/octet-stream"
NAVIGATION = (
    ("jobs", "Jobs"),
    ("workers", "Workers"),
    ("pictures", "Pictures"),
    ("farm", "Farm"),
    ("submit", "Submit"),
    ("settings", "Settings"),
)


def page(farm: Farm, path: str) -> Reply:
    """`path`: of this request, as the browser knows it: behind API Gateway the stage comes first."""
    headers = {
        "Cache-Control": "no-cache",
        "Content-Security-Policy": _policy(_store_origin(farm)),
        "Referrer-Policy": "no-referrer",
        "Vary": "Accept",
        "X-Content-Type-Options": "nosniff",
    }
    return Reply(200, _html(path.rstrip("/")).encode(), "text/html; charset=utf-8", headers)


def _policy(store: str) -> str:
    """Nothing from elsewhere but the bytes of blobs; no script and no style but our files."""
    allowed = {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "connect-src": f"'self' {store}",
        "img-src": f"'self' blob: {store}",
        "media-src": f"'self' blob: {store}",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    return "; ".join(f"{name} {value}".rstrip() for name, value in allowed.items())


def _store_origin(farm: Farm) -> str:
    """Where signed uploads and downloads go, if that is not this server. Signing asks nobody."""
    url = urlsplit(farm.objects.sign_download("blobs/origin", seconds=60, content_type=BINARY).url)
    return f"{url.scheme}://{url.netloc}" if url.netloc else ""


@cache
def _html(root: str) -> str:
    """`root`: what stands before every path, empty or such as `/api`."""
    root = escape(root, quote=True)
    ui, api = f"{root}/ui/{files.version()}", f"{root}{API}"
    preloads = "\n".join(f'<link rel="modulepreload" href="{ui}/{name}">' for name in files.modules())
    links = "\n".join(f'<a href="#/{name}" data-page="{name}">{title}</a>' for name, title in NAVIGATION)
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Millrace</title>
<link rel="icon" href="{ui}/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="{ui}/uPlot.css">
<link rel="stylesheet" href="{ui}/style.css">
<script src="{ui}/theme.js"></script>
{preloads}
<script type="module" src="{ui}/app.js"></script>
</head>
<body>
<a class="skip" href="#content">Skip to the content</a>
<header class="bar">
<a class="brand" href="#/jobs"><img src="{ui}/icon.svg" alt="" width="24" height="24">Millrace</a>
<nav aria-label="Pages">
{links}
</nav>
<div class="session" id="session"></div>
</header>
<p class="banner" id="banner" role="status" hidden></p>
<main id="content" tabindex="-1">
<p class="starting">The page is being loaded. If nothing comes, reload it.</p>
<noscript><p>This page needs JavaScript. The same farm is driven by the <code>millrace</code> command and by its HTTP
API, which is described in <a href="{api}/openapi.json">{API}/openapi.json</a>.</p></noscript>
</main>
<div class="toasts" id="toasts" role="status" aria-live="polite"></div>
</body>
</html>
"""
