"""Files on their way from a browser into the farm: their digests against Python's, and large ones in parts."""

from __future__ import annotations

import hashlib
from pathlib import Path
from urllib.request import urlopen

import pytest
from playwright.sync_api import Browser, Route

from chalicelib.dashboard import files
from tests.dashboard.browsing import goto, page_of
from tests.together.ensemble import Ensemble
from tests.worker.processes import until

pytestmark = pytest.mark.needs("chromium")
LENGTHS = (0, 1, 55, 56, 57, 63, 64, 65, 119, 120, 127, 128, 1000, 100_003)
DIGEST = """
async ([module, lengths]) => {
  const { Sha256 } = await import(module);
  return lengths.map(length => {
    const data = Uint8Array.from({ length }, (_, index) => index % 251);
    const whole = new Sha256();
    for (let at = 0; at < length; at += 37) whole.update(data.subarray(at, at + 37));
    return Array.from(whole.digest(), byte => byte.toString(16).padStart(2, "0")).join("");
  });
}
"""


def test_it_is_sha256_however_the_bytes_come(browser: Browser, ensemble: Ensemble) -> None:
    with page_of(browser, ensemble.server.url) as page:
        digests = page.evaluate(DIGEST, [f"/ui/{files.version()}/sha256.js", list(LENGTHS)])
    contents = [bytes(index % 251 for index in range(length)) for length in LENGTHS]
    assert digests == [hashlib.sha256(content).hexdigest() for content in contents]


UPLOAD = """
async ([module, largestRequest]) => {
  const { upload } = await import(module);
  const [file] = document.querySelector("input[type=file]").files;
  const said = new Set();
  const id = await upload(file, what => said.add(what), { largestRequest });
  return [id, [...said]];
}
"""
GIVEN_UP = """
async module => {
  const { upload } = await import(module);
  const [file] = document.querySelector("input[type=file]").files;
  const stop = new AbortController();
  const told = what => what === "uploading" && stop.abort(new Error("not any more"));
  return upload(file, told, { largestRequest: 1, signal: stop.signal }).then(() => "stored", error => error.message);
}
"""


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """Three parts: 64 MiB, 64 MiB and a little."""
    file = tmp_path / "film.mov"
    with file.open("wb") as out:
        for number in range(65):
            out.write(bytes([number]) * 2 * 1024**2)
        out.write(b"the end")
    return file


@pytest.mark.full
def test_a_large_file_goes_in_parts_and_what_breaks_off_is_sent_again(
    browser: Browser, ensemble: Ensemble, large: Path
) -> None:
    with page_of(browser, ensemble.server.url, may_complain_of="ERR_CONNECTION_RESET") as page:
        goto(page, "submit/transcode")
        page.get_by_label("Input (needed)").set_input_files(large)
        broken = []

        def once(route: Route) -> None:
            if "/00002?" in route.request.url and not broken:
                broken.append(route.request.url)
                route.abort("connectionreset")
            else:
                route.fallback()

        page.route("**/objects/parts/**", once)
        blob, said = page.evaluate(UPLOAD, [f"/ui/{files.version()}/upload.js", 1])
    assert broken and said == ["reading", "uploading", "stored"]
    with urlopen(f"{ensemble.server.url}/api/v1/blobs/{blob}/content") as content:
        assert hashlib.sha256(content.read()).digest() == hashlib.sha256(large.read_bytes()).digest()


def test_an_upload_waits_as_long_as_the_farm_is_at_work_on_it(
    browser: Browser, ensemble: Ensemble, tmp_path: Path
) -> None:
    file = tmp_path / "film.mov"
    file.write_bytes(b"joined for long")
    asked = []

    def joining(route: Route) -> None:
        """As `serve` says while another request joins the parts; more often than a broken connection is tried again."""
        asked.append(route.request.url)
        if len(asked) > 6:
            return route.fallback()
        said = {"type": "about:blank", "title": "", "status": 503, "detail": "being joined", "at_work": True}
        return route.fulfill(status=503, content_type="application/problem+json", json=said)

    with page_of(browser, ensemble.server.url, may_complain_of="503") as page:
        goto(page, "submit/transcode")
        page.get_by_label("Input (needed)").set_input_files(file)
        page.route("**/parts/complete", joining)
        blob, said = page.evaluate(UPLOAD, [f"/ui/{files.version()}/upload.js", 1])
    assert len(asked) == 7 and said[-1] == "stored"
    with urlopen(f"{ensemble.server.url}/api/v1/blobs/{blob}/content") as content:
        assert content.read() == b"joined for long"


@pytest.mark.full
def test_an_upload_that_is_given_up_ends_and_leaves_no_parts(browser: Browser, ensemble: Ensemble, large: Path) -> None:
    large.write_bytes(large.read_bytes() + b", once more")
    with page_of(browser, ensemble.server.url) as page:
        goto(page, "submit/transcode")
        page.get_by_label("Input (needed)").set_input_files(large)
        assert page.evaluate(GIVEN_UP, f"/ui/{files.version()}/upload.js") == "not any more"
        page.wait_for_load_state("networkidle")
    folder = ensemble.server.data / "objects" / "parts"
    until(lambda: not folder.exists() or not list(folder.rglob("*")), "no parts", 20)
