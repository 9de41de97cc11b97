"""What is true of requests that S3 signed, for the worker and for the library."""

from __future__ import annotations

import re

REQUEST_BYTES = 5 * 1024**3
"""More it does not take in one request; it has to come in parts."""

LATER = re.compile(rb"(?<=<Code>)(?:RequestTimeout|ExpiredToken)|(?<=<Message>)Request has expired")
"""In its 400 and 403: the line stood still, or what the request was signed with has ended since. Signed anew it may go
(docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html)."""
