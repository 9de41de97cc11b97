"""The page's own SHA-256, for pages without the browser's and for files too large for it, against Python's."""

from __future__ import annotations

import hashlib

import pytest
from playwright.sync_api import Browser

from chalicelib.dashboard import files
from tests.dashboard.browsing import page_of
from tests.together.ensemble import Ensemble

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
