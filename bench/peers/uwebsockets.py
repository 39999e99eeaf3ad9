#!/usr/bin/env python3
"""A chat server on uWebSockets, by way of socketify: every line goes to all others by a topic, in one frame each.

Nothing is compressed, and no bound cuts a slow reader off. Usage: uwebsockets.py HOST:PORT
"""

import importlib.metadata
import sys

NO_BOUND = 1 << 30
TOPIC = "room"


def main():
    if sys.argv[1:] == ["--version"]:
        print("uWebSockets of socketify", importlib.metadata.version("socketify"), "on Python", sys.version.split()[0])
        return
    from socketify import App, AppListenOptions, CompressOptions

    host, port = sys.argv[1].rsplit(":", 1)
    app = App()
    app.ws(
        "/*",
        {
            "compression": CompressOptions.DISABLED,
            "max_payload_length": 1 << 20,
            "max_backpressure": NO_BOUND,
            "idle_timeout": 0,
            "send_pings_automatically": False,
            "open": lambda ws: ws.subscribe(TOPIC),
            # To all but the one that says it.
            "message": lambda ws, message, opcode: ws.publish(TOPIC, message, opcode),
        },
    )
    app.listen(AppListenOptions(port=int(port), host=host), lambda options: print("listening on", sys.argv[1], file=sys.stderr, flush=True))
    app.run()


if __name__ == "__main__":
    main()
