#!/usr/bin/env bash
# Whether docs/openapi.json is valid OpenAPI 3.1, by somebody else's judgement.
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

VALIDATOR="openapi-spec-validator==0.9.0"
PLACE="$CACHE/openapi-validator"

if [ "$(cat "$PLACE/installed" 2>/dev/null || true)" != "$VALIDATOR" ]; then
    need "python3 -c 'import ensurepip'=python3-venv"
    [ -x "$PLACE/bin/pip" ] || python3 -m venv "$PLACE" || die "python3 -m venv failed"
    retry "$PLACE/bin/pip" install -q "$VALIDATOR" || die "$VALIDATOR could not be fetched"
    printf '%s\n' "$VALIDATOR" >"$PLACE/installed"
fi
"$PLACE/bin/openapi-spec-validator" --schema 3.1 "$ROOT/docs/openapi.json"
