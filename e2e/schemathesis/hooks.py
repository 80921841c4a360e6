"""The error contract as a check of Schemathesis: nothing leaves the API in another shape.

The catalogue is the server's own errors.json, so a reason that has no page fails here.
"""

import json
import os
import re
import urllib.request

import schemathesis

BASE = os.environ["BASE_URL"]
CODES = {400: "bad_request", 401: "unauthorized", 402: "payment_required", 403: "forbidden", 404: "not_found",
         422: "validation_error", 429: "rate_limit_exceeded", 500: "internal_error", 502: "provider_error"}
UUID_V7 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


def load(path):
    with urllib.request.urlopen(BASE + path, timeout=10) as answer:
        return json.load(answer)


def catalogue():
    """Every code and reason that the server has a page for."""
    codes = load("/errors.json")["codes"]
    return {(code["code"], reason["reason"]) for code in codes for reason in code["reasons"]}


PAIRS = catalogue()

# Whoever revokes the key that it asks with, or holds it to a network elsewhere, is refused all the rest.
OWN_KEYS = set(os.environ["OWN_KEYS"].split())
NOBODY = "019a3b5e-7c00-7000-8000-00000000dead"


@schemathesis.hook
def before_call(ctx, case, kwargs):
    own = isinstance(case.path_parameters, dict) and case.path_parameters.get("id") in OWN_KEYS
    if own and case.method.upper() in ("PATCH", "DELETE"):
        case.path_parameters["id"] = NOBODY


def header(response, name):
    values = response.headers.get(name) or [None]
    return values[0]


def check_error(response, body):
    method = response.request.method
    status = response.status_code
    assert status in CODES, f"status {status} is none of the nine"
    code = CODES[status]
    assert header(response, "content-type") == "application/json", "an error is application/json"
    assert header(response, "link") == f'</docs/errors/{code}>; rel="help"', "Link leads to the code's page"
    if method == "HEAD":
        return
    assert body is not None, "an error has a body"
    assert set(body) == {"error", "meta"}, f"the envelope has {sorted(body)}"
    assert set(body["error"]) == {"code", "message", "details"}, f"error has {sorted(body['error'])}"
    assert body["error"]["code"] == code, f"{body['error']['code']} with status {status}"
    assert body["error"]["message"], "the message is empty"
    reason = body["error"]["details"].get("reason")
    assert (code, reason) in PAIRS, f"{code}.{reason} is not in errors.json"
    assert (status == 401) == (header(response, "www-authenticate") is not None), "WWW-Authenticate stands on each 401"
    if status == 429:
        assert header(response, "retry-after") == str(body["error"]["details"]["retry_after"]), "Retry-After agrees"
    if reason == "method_not_allowed":
        assert header(response, "allow"), "method_not_allowed names the methods in Allow"


@schemathesis.check
def contract(ctx, response, case):
    """Envelope, code and status, reason, request id, and the answer to methods that a path does not know."""
    request_id = header(response, "x-request-id")
    assert request_id and UUID_V7.fullmatch(request_id), f"X-Request-Id is {request_id}"
    is_json = (header(response, "content-type") or "").startswith("application/json")
    body = json.loads(response.content) if is_json and response.content else None
    if body is not None and "meta" in body:
        assert set(body["meta"]) == {"request_id", "ts"}, f"meta has {sorted(body['meta'])}"
        assert body["meta"]["request_id"] == request_id, "meta.request_id is X-Request-Id"
        assert TIME.fullmatch(body["meta"]["ts"]), f"ts is {body['meta']['ts']}"
    if response.status_code >= 400:
        check_error(response, body)
    elif body is not None:
        assert set(body) in ({"data", "meta"}, {"data", "pagination", "meta"}), f"a good answer has {sorted(body)}"
    method = response.request.method
    known = {other.upper() for other in case.operation.schema.raw_schema["paths"][case.operation.path]}
    if method not in known and method not in ("HEAD", "OPTIONS"):
        reason = body and body.get("error", {}).get("details", {}).get("reason")
        assert (response.status_code, reason) in ((404, "method_not_allowed"), (404, "route_not_found")), (
            f"{method} is not in the document and answered {response.status_code} {reason}")
