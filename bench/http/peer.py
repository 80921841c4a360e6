"""What a careful team would write with FastAPI: the key's hash looked up in SQLite, requests counted in memory, the
agent read by its key, `data` and `meta` round it, errors in one shape, one line of log for each request."""

import hashlib
import json
import logging
import os
import sqlite3
import sys
import time
import uuid
from datetime import datetime, timezone

from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import ORJSONResponse
from pydantic import BaseModel, Field

LIMIT = int(os.environ.get("LIMIT", "1000000000"))
log = logging.getLogger("peer")
log.setLevel(logging.INFO)
log.addHandler(logging.StreamHandler(sys.stderr))

db = sqlite3.connect(os.environ["DB"], isolation_level=None, check_same_thread=False)
db.executescript("""
PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;
CREATE TABLE IF NOT EXISTS keys (hash TEXT PRIMARY KEY, organization TEXT NOT NULL, revoked_at TEXT);
CREATE TABLE IF NOT EXISTS agents (id TEXT PRIMARY KEY, organization TEXT NOT NULL, settings TEXT NOT NULL);
""")
db.execute("INSERT OR IGNORE INTO keys VALUES (?, 'org', NULL)", (hashlib.sha256(os.environ["KEY"].encode()).hexdigest(),))
db.execute("INSERT OR IGNORE INTO agents VALUES (?, 'org', ?)", (os.environ["AGENT"], os.environ["SETTINGS"]))

app = FastAPI(default_response_class=ORJSONResponse)
counts: dict[str, list[int]] = {}


class Failure(Exception):
    def __init__(self, status: int, code: str, message: str, details: dict):
        self.status, self.code, self.message, self.details = status, code, message, details


def meta():
    return {"request_id": str(uuid.uuid4()), "ts": datetime.now(timezone.utc).isoformat()}


@app.middleware("http")
async def line(request: Request, call_next):
    began = time.monotonic()
    response = await call_next(request)
    log.info("%s %s %s %.0f ms", request.method, request.url.path, response.status_code, 1000 * (time.monotonic() - began))
    return response


@app.exception_handler(Failure)
async def failed(_: Request, failure: Failure):
    error = {"code": failure.code, "message": failure.message, "details": failure.details}
    return ORJSONResponse({"error": error, "meta": meta()}, status_code=failure.status)


@app.exception_handler(RequestValidationError)
async def invalid(_: Request, failure: RequestValidationError):
    fields = [{"field": ".".join(map(str, fault["loc"])), "reason": fault["type"]} for fault in failure.errors()]
    error = {"code": "validation_error", "message": "invalid", "details": {"fields": fields}}
    return ORJSONResponse({"error": error, "meta": meta()}, status_code=422)


async def organization(request: Request) -> str:
    given = request.headers.get("authorization", "")
    if not given.startswith("Bearer "):
        raise Failure(401, "unauthorized", "no key", {"reason": "missing_credentials"})
    digest = hashlib.sha256(given[7:].encode()).hexdigest()
    row = db.execute("SELECT organization, revoked_at FROM keys WHERE hash = ?", (digest,)).fetchone()
    if row is None or row[1]:
        raise Failure(401, "unauthorized", "no such key", {"reason": "invalid_api_key"})
    now = int(time.time()) // 60
    count = counts.setdefault(digest, [now, 0])
    if count[0] != now:
        count[0], count[1] = now, 0
    count[1] += 1
    if count[1] > LIMIT:
        raise Failure(429, "rate_limit_exceeded", "too many", {"reason": "requests", "limit": LIMIT})
    return row[0]


class AgentCreate(BaseModel):
    name: str = Field(min_length=1, max_length=255)
    voice_id: str
    system_prompt: str
    temperature: float = Field(0.3, ge=0, le=1)


@app.get("/api/public/v1/agents/{agent_id}")
async def agent_fetch(agent_id: str, owner: str = Depends(organization)):
    row = db.execute("SELECT id, settings FROM agents WHERE id = ? AND organization = ?", (agent_id, owner)).fetchone()
    if row is None:
        raise Failure(404, "not_found", "no such agent", {"reason": "resource_not_found", "id": agent_id})
    return {"data": {**json.loads(row[1]), "id": row[0]}, "meta": meta()}


@app.post("/api/public/v1/agents", status_code=201)
async def agent_create(body: AgentCreate, owner: str = Depends(organization)):
    return {"data": body.model_dump(), "meta": meta()}
