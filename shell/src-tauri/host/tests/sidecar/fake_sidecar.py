"""A sidecar that misbehaves on demand: its arguments say how.

events=N   send_message sends N tokens and then its answer
noise      first writes a line that is not JSON to stdout
deaf       ignores the end of its stdin and `shutdown`
silent     answers nothing but `initialize`
"""

import json
import sys
import time

WORDS = sys.argv[1:]


def write(message: dict) -> None:
    sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")


def initialize_result() -> dict:
    capabilities = {"methods": [], "topics": [], "max_line_bytes": 1000}
    server = {"name": "fake", "version": "0"}
    more = {"contract_hash": "", "pid": 2, "data_dir": "", "capabilities": capabilities, "notices": []}
    return {"server": server, "contract_version": "1.0", **more}


def answer(request: dict) -> None:
    method = request["method"]
    if method == "$/cancel":
        sys.stderr.write(f"cancelled {request['params']['id']}\n")
    elif method == "initialize":
        write({"id": request["id"], "result": initialize_result()})
    elif "silent" in WORDS:
        return
    elif method == "send_message":
        events = next(int(word.removeprefix("events=")) for word in WORDS if word.startswith("events="))
        for seq in range(1, events + 1):
            event = {"status": "token", "chunk": f"w{seq} "}
            write(
                {"method": "channel", "params": {"channel": request["params"]["channel"], "seq": seq, "event": event}}
            )
        write({"id": request["id"], "result": {"events": events}})
    elif method == "shutdown":
        write({"id": request["id"], "result": None})
    else:
        write({"id": request["id"], "result": "pong"})


if "noise" in WORDS:
    sys.stdout.write("Loading libraries ...\n")
for line in sys.stdin:
    answer(json.loads(line))
    sys.stdout.flush()
while "deaf" in WORDS:
    time.sleep(1)
