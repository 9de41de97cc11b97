"""A process as Lambda starts it: `python -m tests.edge.lambda_process < events`, its log on stdout.

Each line of stdin is `[function, event, call id]`; function `app` is the door for HTTP. Answers are lines of stderr.
The handler of the log is what the runtime puts up for log format JSON: `awslambdaric` itself where it is installed,
and otherwise the same fields by the few lines below.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
import time
from importlib import import_module
from typing import Any, NamedTuple

OWN = frozenset(vars(logging.makeLogRecord({}))) | {"aws_request_id", "taskName"}


class Call(NamedTuple):
    aws_request_id: str


class RuntimesFormatter(logging.Formatter):
    """As `awslambdaric.lambda_runtime_log_utils.JsonFormatter` (4.2.2): extra fields beside its own."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(record.created)),
            "level": record.levelname,
            "message": record.getMessage(),
            "logger": record.name,
            "requestId": getattr(record, "aws_request_id", None),
            "errorType": record.exc_info[0].__name__ if record.exc_info and record.exc_info[0] else None,
        }
        line |= {name: value for name, value in vars(record).items() if name not in OWN and name not in line}
        return json.dumps({name: value for name, value in line.items() if value is not None}, default=str)


class Runtime:
    call_id = ""

    def named(self, record: logging.LogRecord) -> bool:
        """Here a table on this machine tells of its changes in a thread of its own, which on Lambda there is not."""
        is_of_the_call = record.thread == threading.main_thread().ident
        record.aws_request_id = self.call_id if is_of_the_call else ""
        return True


def main() -> None:
    runtime = Runtime()
    handler = logging.StreamHandler(sys.stdout)
    try:
        utils = import_module("awslambdaric.lambda_runtime_log_utils")
    except ImportError:
        handler.setFormatter(RuntimesFormatter())
    else:
        handler.setFormatter(utils.JsonFormatter())
        handler.terminator = ""
    handler.addFilter(runtime.named)
    logging.getLogger().addHandler(handler)
    os.environ["AWS_LAMBDA_FUNCTION_NAME"] = "millrace-test"
    functions = import_module("chalicelib.handlers.doors")
    for line in sys.stdin:
        function, event, runtime.call_id = json.loads(line)
        called = import_module("app").app if function == "app" else getattr(functions, function)
        print(json.dumps(called(event, Call(runtime.call_id))), file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
