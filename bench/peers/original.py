#!/usr/bin/env python3
"""The chat server that uproar descends from, written anew from its description: select(), one thread, blocking sends.

It keeps what it was known for: a message is whatever one recv() returned, a reader that does not read blocks everybody, and with
descriptor 1,024 it ends, and the room with it. Usage: original.py HOST:PORT
"""

import select
import socket
import sys

RECEIVE_BYTES = 1024


def users(count):
    return f"({count} user{'' if count == 1 else 's'} online)"


def main():
    if len(sys.argv) == 2 and sys.argv[1] == "--version":
        print("original.py on Python", sys.version.split()[0])
        return
    host, port = sys.argv[1].rsplit(":", 1)
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host, int(port)))
    listener.listen(4096)
    print(f"Chat Server started on port {port}.", flush=True)
    names = {}

    def tell_others(data, sender):
        for other in names:
            if other is not sender:
                other.sendall(data)

    def leave(member):
        name = names.pop(member)
        member.close()
        tell_others(f"< The user {name} left {users(len(names))}\n".encode(), None)

    while True:
        readable, _, _ = select.select([listener, *names], [], [])
        for ready in readable:
            if ready is listener:
                member, (address, member_port) = listener.accept()
                name = f"{address}:{member_port}"
                names[member] = name
                member.sendall(f"> Connected to the chat server {users(len(names))}\n".encode())
                tell_others(f"> New user {name} entered. {users(len(names))}\n".encode(), member)
            elif ready in names:
                try:
                    data = ready.recv(RECEIVE_BYTES)
                except ConnectionResetError:
                    data = b""
                if data:
                    tell_others(f"[{names[ready]}] ".encode() + data, ready)
                else:
                    leave(ready)


if __name__ == "__main__":
    main()
