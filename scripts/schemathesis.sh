#!/usr/bin/env bash
# Puts Schemathesis into an environment of its own in the cache, once for each set of versions, and prints where `st` is.
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

WANTED="$ROOT/e2e/schemathesis/requirements.txt"
PLACE="$CACHE/schemathesis-venv"

install() {
    need "python3 -c 'import ensurepip'=python3-venv"
    # Half an environment of an earlier try is none.
    rm -rf "$PLACE"
    python3 -m venv "$PLACE" || die "python3 -m venv failed"
    retry "$PLACE/bin/pip" install -q --disable-pip-version-check -r "$WANTED" || die "Schemathesis could not be fetched"
    cp "$WANTED" "$PLACE/installed.txt"
}

# Standard output is for the answer.
cmp -s "$WANTED" "$PLACE/installed.txt" || install >&2
printf '%s\n' "$PLACE/bin/st"
