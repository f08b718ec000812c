"""Runs one handler, as the runtime of a function does: an event a line in, an outcome a line out."""

import importlib.util
import json
import os
import sys
import traceback
import types

# What a handler prints is no outcome.
outcomes = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)

specification = importlib.util.spec_from_file_location("function", sys.argv[1])
function = importlib.util.module_from_spec(specification)
specification.loader.exec_module(function)

for line in sys.stdin:
    call = json.loads(line)
    context = types.SimpleNamespace(**call["context"])
    try:
        outcome = {"result": function.handler(call["event"], context)}
        text = json.dumps(outcome)
    except Exception as error:
        text = json.dumps(
            {
                "error": {
                    "errorMessage": str(error),
                    "errorType": type(error).__name__,
                    "stackTrace": traceback.format_exc().splitlines(),
                }
            }
        )
    outcomes.write(text + "\n")
    outcomes.flush()
