#!/usr/bin/env python3
"""A SIP peer on UDP that answers every INVITE with one status. Prints its port, ends after a while.

    refusing_peer.py [STATUS] [SECONDS]
"""

import socket
import sys
import time


def answer(message, status):
    """The response to a request, or None for what needs none (RFC 3261 section 8.2.6)."""
    head, *lines = message.split("\r\n\r\n")[0].split("\r\n")
    method = head.split(" ")[0]
    if method == "ACK" or method.startswith("SIP/"):
        return None
    wanted = ("via", "v", "from", "f", "to", "t", "call-id", "i", "cseq")
    kept = []
    for line in lines:
        name = line.split(":")[0].strip().lower()
        if name in wanted:
            tagged = name in ("to", "t") and "tag=" not in line
            kept.append(line + (";tag=peer" if tagged else ""))
    first = f"SIP/2.0 {status} Refused" if method == "INVITE" else "SIP/2.0 200 OK"
    return "\r\n".join([first, *kept, "Content-Length: 0", "", ""])


def main():
    status = int(sys.argv[1]) if len(sys.argv) > 1 else 403
    deadline = time.monotonic() + float(sys.argv[2] if len(sys.argv) > 2 else 60)
    with socket.socket(type=socket.SOCK_DGRAM) as peer:
        peer.bind(("127.0.0.1", 0))
        peer.settimeout(1)
        print(peer.getsockname()[1], flush=True)
        while time.monotonic() < deadline:
            try:
                data, address = peer.recvfrom(65536)
            except TimeoutError:
                continue
            response = answer(data.decode("utf-8", "replace"), status)
            if response:
                peer.sendto(response.encode(), address)


if __name__ == "__main__":
    main()
