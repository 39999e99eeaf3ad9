#!/usr/bin/env python3
"""A chat server on uWebSockets, by way of socketify: every line goes to all others by a topic, in one frame each.

Nothing is compressed, and no bound cuts a slow reader off. Python runs once a line, not once a delivery. socketify's own publish
sends a member its own line too; the one of uWebSockets below it does not. Usage: uwebsockets.py HOST:PORT
"""

import importlib.metadata
import sys

NO_BOUND = 1 << 30
TOPIC = b"room"


def main():
    if sys.argv[1:] == ["--version"]:
        print("uWebSockets of socketify", importlib.metadata.version("socketify"), "on Python", sys.version.split()[0])
        return
    from socketify import App, AppListenOptions, CompressOptions, OpCode
    from socketify.native import lib

    host, port = sys.argv[1].rsplit(":", 1)
    app = App()

    def say(ws, message, opcode):
        line = message.encode() if isinstance(message, str) else message
        lib.uws_ws_publish_with_options(app.SSL, ws.ws, TOPIC, len(TOPIC), line, len(line), int(OpCode.TEXT), False)

    def listening(_):
        print("listening on", sys.argv[1], file=sys.stderr, flush=True)

    app.ws(
        "/*",
        {
            "compression": CompressOptions.DISABLED,
            "max_payload_length": 1 << 20,
            "max_backpressure": NO_BOUND,
            "idle_timeout": 0,
            "send_pings_automatically": False,
            "open": lambda ws: ws.subscribe(TOPIC.decode()),
            "message": say,
        },
    )
    app.listen(AppListenOptions(port=int(port), host=host), listening)
    # socketify's own loop takes turns with that of Python, and is never asleep. Nothing here needs that of Python.
    app.loop.uv_loop.run()


if __name__ == "__main__":
    main()
