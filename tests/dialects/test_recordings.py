"""Every recorded exchange of a protocol is answered as recorded, key for key, by the engines of AWS too.

`tests/contract/test_three_ways.py` has the engines of one machine, behind every kind of server. Flamenco 1 and the
scheduler, whose recordings do not bear each other or want workers, have their own.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from chalice import Chalice

from chalicelib.core.farm import Farm
from tests.contract.recordings import FOLDER, read, recordings
from tests.contract.replay import Differs, InProcess, check_recording
from tests.dialects.flamenco2.conftest import the_app as flamenco2
from tests.dialects.pleiades.conftest import the_app as pleiades
from tests.dialects.transcode.conftest import the_app as transcode


@pytest.mark.parametrize(
    ("dialect", "the_app"), [("flamenco2", flamenco2), ("pleiades", pleiades), ("transcode", transcode)]
)
def test_the_engines_of_aws_answer_as_recorded(aws_farm: Farm, dialect: str, the_app: Callable[[], Chalice]) -> None:
    for path in recordings(dialect):
        check_recording(read(path), InProcess(the_app()))


def test_a_key_too_many_is_a_difference(farm: Farm) -> None:
    recording = read(FOLDER / "pleiades" / "ping.json")
    del recording["steps"][0]["response"]["json"]["message"]
    with pytest.raises(Differs, match="keys"):
        check_recording(recording, InProcess(pleiades()))
