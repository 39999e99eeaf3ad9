#!/usr/bin/env python3
"""Starts ngircd with its limits lifted by its own settings; it takes its port from a file alone. Usage: ngircd.py HOST:PORT"""

import os
import sys
import tempfile

SETTINGS = """
[Global]
Name = irc.example.net
Info = measured
Listen = {host}
Ports = {port}
MotdPhrase = hello
[Limits]
MaxConnections = 0
MaxConnectionsIP = 0
MaxJoins = 0
MaxPenaltyTime = 0
PingTimeout = 3600
[Options]
DNS = no
Ident = no
PAM = no
SyslogFacility = local1
"""


def main():
    if sys.argv[1:] == ["--version"]:
        os.execlp("ngircd", "ngircd", "--version")
    host, port = sys.argv[1].rsplit(":", 1)
    with tempfile.NamedTemporaryFile("w", prefix="ngircd-", suffix=".conf", delete=False) as settings:
        settings.write(SETTINGS.format(host=host, port=port))
    os.execlp("ngircd", "ngircd", "--nodaemon", "--config", settings.name)


if __name__ == "__main__":
    main()
