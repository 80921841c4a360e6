#!/usr/bin/env bash
# Runs a command with a PostgreSQL and a Redis for tests: those of this machine, or ones that end with the command.
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=scripts/services.sh
source "$(dirname "${BASH_SOURCE[0]}")/services.sh"

trap stop_services EXIT
need_services
"$@"
