"""The lines with curl in docs/protocols.md, pasted into a shell: each does what the page says."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from millrace import Farm
from tests.together.ensemble import Ensemble

PAGE = Path(__file__).parents[2] / "docs" / "protocols.md"


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl")
def test_each_protocol_answers_the_lines_of_the_page(quiet: Ensemble, farm: Farm, tmp_path: Path) -> None:
    (block,) = re.findall(r"```bash\n(F=.*?)```", PAGE.read_text(), re.DOTALL)
    script = block.replace("http://127.0.0.1:8000", farm.url)
    assert script != block
    done = subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "5050\n" in done.stdout, "what the lambda printed"
    assert '"name":"hello"' in done.stdout
    assert '"error":false' in done.stdout
    assert '"err_code":0' in done.stdout and "Invalid request" not in done.stdout
    assert "204\n" in done.stdout and '"id":41' in done.stdout and '"hostname":"one"' in done.stdout
