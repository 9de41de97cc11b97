"""What `GET /install` tells: the one line for each platform, as text for terminals and as a page for browsers. Pure."""

from __future__ import annotations

from html import escape
from typing import NamedTuple


class Line(NamedTuple):
    """A command and when one wants it."""

    title: str
    command: str


def lines(farm_url: str, *, closed: bool) -> tuple[Line, ...]:
    join = " --join TOKEN" if closed else ""
    script = f"{farm_url}/install/install.py"
    no_curl = f"python3 -c \"import urllib.request as u; exec(u.urlopen('{script}').read())\"{join}"
    return (
        Line("Linux, macOS", f"curl -fsSL {script} | python3 -{join}"),
        Line("the same, without curl", no_curl),
        Line("Windows (PowerShell)", f"irm {script} | py -{join}"),
        Line("so that it starts with the machine", f"curl -fsSL {script} | python3 - --service{join}"),
        Line("the same (Windows)", f"irm {script} | py - --service{join}"),
        Line("into an environment of your own", f"pip install -r {farm_url}/install/requirements.txt"),
    )


def _notes(farm_url: str, *, closed: bool) -> tuple[str, ...]:
    join = (
        "TOKEN is a join token: it is good for one machine and some minutes, and an administrator makes it with "
        "`millrace token --join`.",
    )
    return (
        *(join if closed else ()),
        "Needed is Python 3.11 or newer, and a way to a package index (HTTPS_PROXY and PIP_INDEX_URL count).",
        "Behind an authority of your own: curl --cacert FILE, and --ca-file FILE for the worker.",
        f"What is missing on a machine is said, and nothing started: curl -fsSL {farm_url}/install/install.py | "
        "python3 - --doctor",
        "What follows the script's name goes to the worker: --name corner --slots 2 --tags gpu.",
        f"What it does can be read before: {farm_url}/install/install.py",
    )


def as_text(farm_url: str, version: str, *, closed: bool) -> str:
    parts = [f"A worker ({version}) of the farm at {farm_url}, with one line on another machine:"]
    parts += [f"{line.title}:\n\n    {line.command}" for line in lines(farm_url, closed=closed)]
    return "\n\n".join([*parts, *_notes(farm_url, closed=closed)]) + "\n"


def as_html(farm_url: str, version: str, style: str, *, closed: bool) -> str:
    """`style`: URL of the web page's style sheet."""
    shown = "\n".join(
        f'<h2>{escape(line.title)}</h2>\n<pre tabindex="0"><code>{escape(line.command)}</code></pre>'
        for line in lines(farm_url, closed=closed)
    )
    notes = "\n".join(f"<li>{escape(note)}</li>" for note in _notes(farm_url, closed=closed))
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>A worker for this farm</title>
<link rel="stylesheet" href="{escape(style, quote=True)}">
</head>
<body>
<main id="content">
<h1>A worker for this farm</h1>
<p>With one line on another machine, Millrace {escape(version)} works for {escape(farm_url)}:</p>
{shown}
<ul>
{notes}
</ul>
</main>
</body>
</html>
"""
