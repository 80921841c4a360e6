#!/usr/bin/env python3
"""An OpenAI-compatible server that answers at once: speech to text, chat and text to speech that cost nothing.

For measuring what a call costs besides its models, and for tests in which a provider dies.
Standard library only. Prints its port on the first line, then nothing.

    mock_openai.py [--port 0] [--heard TEXT] [--answer TEXT] [--speech-ms 1500]
"""

import argparse
import asyncio
import json
import math
import struct
import time

RATE = 24_000
BODY_BYTES_MAX = 32 * 1024 * 1024
IDLE_SECONDS_MAX = 120


def tone(milliseconds):
    """A soft tone, 16-bit mono, so that a listener can tell speech from silence."""
    count = RATE * milliseconds // 1000
    return b"".join(struct.pack("<h", int(6000 * math.sin(2 * math.pi * 220 * i / RATE))) for i in range(count))


def wav(pcm):
    head = struct.pack("<4sI4s4sIHHIIHH4sI", b"RIFF", 36 + len(pcm), b"WAVE", b"fmt ", 16, 1, 1, RATE, RATE * 2, 2, 16,
                       b"data", len(pcm))
    return head + pcm


class Mock:
    def __init__(self, arguments):
        self.heard = arguments.heard
        self.answer = arguments.answer
        self.pcm = tone(arguments.speech_ms)

    def reply(self, method, path, body):
        """Content type and payload, or None for a route that isn't there. Payloads of chat may be a list of events."""
        if (method, path) == ("GET", "/v1/models"):
            return "application/json", json.dumps({"object": "list", "data": [{"id": "mock", "object": "model"}]})
        if (method, path) == ("POST", "/v1/audio/transcriptions"):
            return "application/json", json.dumps({"text": self.heard})
        if (method, path) == ("POST", "/v1/audio/speech"):
            as_wav = json.loads(body or b"{}").get("response_format") == "wav"
            return ("audio/wav", wav(self.pcm)) if as_wav else ("audio/pcm", self.pcm)
        if (method, path) == ("POST", "/v1/chat/completions"):
            return self.chat(json.loads(body or b"{}"))
        return None

    def chat(self, request):
        common = {"id": "chatcmpl-mock", "created": int(time.time()), "model": request.get("model", "mock")}
        if not request.get("stream"):
            message = {"role": "assistant", "content": self.answer}
            choice = {"index": 0, "message": message, "finish_reason": "stop"}
            return "application/json", json.dumps({**common, "object": "chat.completion", "choices": [choice]})
        deltas = [({"role": "assistant", "content": self.answer}, None), ({}, "stop")]
        chunks = [
            {**common, "object": "chat.completion.chunk",
             "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}
            for delta, finish in deltas
        ]
        events = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks) + "data: [DONE]\n\n"
        return "text/event-stream", events


async def read_request(reader):
    """Method, path and body of the next request, or None when the client is done."""
    head = await reader.readuntil(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    method, target, _ = lines[0].split(" ", 2)
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
    if headers.get("transfer-encoding", "").lower() == "chunked":
        return method, target.partition("?")[0], await read_chunked(reader)
    length = int(headers.get("content-length") or 0)
    if length > BODY_BYTES_MAX:
        raise ValueError("body too large")
    return method, target.partition("?")[0], await reader.readexactly(length)


async def read_chunked(reader):
    parts, total = [], 0
    while True:
        size = int((await reader.readuntil(b"\r\n")).split(b";")[0], 16)
        total += size
        if total > BODY_BYTES_MAX:
            raise ValueError("body too large")
        parts.append(await reader.readexactly(size))
        await reader.readexactly(2)
        if size == 0:
            return b"".join(parts)


async def serve(mock, reader, writer):
    try:
        while True:
            method, path, body = await asyncio.wait_for(read_request(reader), IDLE_SECONDS_MAX)
            found = mock.reply(method, path, body)
            status, (kind, payload) = ("200 OK", found) if found else ("404 Not Found", ("application/json", "{}"))
            payload = payload.encode() if isinstance(payload, str) else payload
            head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(payload)}\r\n\r\n"
            writer.write(head.encode() + payload)
            await writer.drain()
    except (asyncio.IncompleteReadError, asyncio.TimeoutError, asyncio.LimitOverrunError, ConnectionError, ValueError):
        pass
    finally:
        writer.close()


async def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--heard", default="What are your opening hours?")
    parser.add_argument("--answer", default="We are open from nine to five.")
    parser.add_argument("--speech-ms", type=int, default=1500)
    arguments = parser.parse_args()
    mock = Mock(arguments)
    server = await asyncio.start_server(lambda r, w: serve(mock, r, w), "127.0.0.1", arguments.port)
    print(server.sockets[0].getsockname()[1], flush=True)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except KeyboardInterrupt:
        pass
