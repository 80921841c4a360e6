#!/usr/bin/env python3
"""Sends rubbish and hostile SIP to a port. The bytes are the same in every run.

    noise.py udp|tcp HOST:PORT [COUNT]
"""

import random
import socket
import sys

INVITE = (
    "INVITE sip:+14155550100@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bKnoise{n}\r\n"
    "From: <sip:noise@127.0.0.1>;tag=1\r\nTo: <sip:+14155550100@127.0.0.1>\r\nCall-ID: noise{n}\r\n"
    "CSeq: 1 INVITE\r\nMax-Forwards: 70\r\n{more}\r\n"
)


def hostile(n):
    """Messages that are nearly SIP: cut, contradictory, oversized (after RFC 4475)."""
    whole = INVITE.format(n=n, more="Content-Length: 0\r\n")
    return [
        whole[: len(whole) // 2],
        INVITE.format(n=n, more="Content-Length: 999999999\r\n"),
        INVITE.format(n=n, more="Content-Length: -5\r\n"),
        INVITE.format(n=n, more="Content-Length: 3\r\nContent-Length: 4\r\n") + "v=0",
        whole.replace("CSeq: 1 INVITE", "CSeq: 99999999999999 BYE"),
        whole.replace("SIP/2.0\r\nVia", "SIP/7.0\r\nVia", 1),
        whole.replace("Max-Forwards: 70", "Max-Forwards: 0"),
        whole.replace("branch=z9hG4bK", ";;;=\"<>"),
        INVITE.format(n=n, more="X: " + "a" * 60_000 + "\r\n"),
        INVITE.format(n=n, more="X: y\r\n" * 5_000),
        INVITE.format(n=n, more="Content-Type: application/sdp\r\nContent-Length: 21\r\n") + "v=0\r\nm=audio -1 X 999\r",
        "SIP/2.0 200 OK\r\nCSeq: 1 INVITE\r\n\r\n",
        "\r\n" * 500,
        "",
    ]


def packets(count):
    chance = random.Random(4475)
    for n in range(count):
        yield chance.randbytes(chance.choice([1, 12, 40, 172, 1400, 9000]))
        # An RTP header with anything behind it.
        yield bytes([0x80, chance.choice([0, 8, 101, 200])]) + chance.randbytes(chance.choice([2, 10, 170, 400]))
        if n % 5 == 0:
            yield from (message.encode() for message in hostile(n))


def main():
    kind, (host, _, port) = sys.argv[1], sys.argv[2].rpartition(":")
    count = int(sys.argv[3]) if len(sys.argv) > 3 else 200
    address = (host, int(port))
    sent = 0
    if kind == "udp":
        with socket.socket(type=socket.SOCK_DGRAM) as out:
            for packet in packets(count):
                try:
                    out.sendto(packet, address)
                except OSError:
                    continue
                sent += 1
    else:
        for packet in packets(count):
            with socket.create_connection(address, timeout=5) as out:
                try:
                    out.sendall(packet)
                except OSError:
                    continue
                sent += 1
    print(f"{sent} packets of noise over {kind}")


if __name__ == "__main__":
    main()
