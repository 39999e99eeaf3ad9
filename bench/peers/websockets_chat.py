#!/usr/bin/env python3
"""A chat server on the websockets library of Python: every line goes to all others. Usage: websockets_chat.py HOST:PORT"""

import asyncio
import importlib.metadata
import sys


async def serve(address):
    from websockets.asyncio.server import broadcast
    from websockets.asyncio.server import serve as serve_websockets

    members = set()

    async def member(connection):
        members.add(connection)
        try:
            async for message in connection:
                broadcast(members - {connection}, message)
        finally:
            members.discard(connection)

    host, port = address.rsplit(":", 1)
    options = {"compression": None, "ping_interval": None, "write_limit": 1 << 30, "open_timeout": None}
    async with serve_websockets(member, host, int(port), **options) as server:
        print("listening on", address, file=sys.stderr, flush=True)
        await server.serve_forever()


def main():
    if sys.argv[1:] == ["--version"]:
        print("websockets", importlib.metadata.version("websockets"), "on Python", sys.version.split()[0])
        return
    asyncio.run(serve(sys.argv[1]))


if __name__ == "__main__":
    main()
