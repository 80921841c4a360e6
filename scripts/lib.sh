# What ./run and ./test share: places, packages, the Rust toolchain, the build. Sourced, not run.
# shellcheck shell=bash

ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
HOME="${HOME:-$(getent passwd "$(id -u)" | cut -d: -f6)}"
export HOME
CACHE="$HOME/.cache/callwright"
export CALLWRIGHT_MODELS_DIR="${CALLWRIGHT_MODELS_DIR:-$CACHE/models}"
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$CACHE/target}"
CALLWRIGHT="$CARGO_TARGET_DIR/debug/callwright"

say() { printf '\n==> %s\n' "$*"; }
die() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}

# Package servers hiccup; the third failure is believed.
retry() {
    local try
    for try in 1 2 3; do
        "$@" && return 0
        [ "$try" = 3 ] || { printf 'failed, trying again: %s\n' "$1" >&2 && sleep $((try * 3)); }
    done
    return 1
}

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif [ -t 0 ]; then
        sudo "$@"
    else
        sudo -n "$@"
    fi
}

apt_get() { as_root env DEBIAN_FRONTEND=noninteractive apt-get -q "$@" </dev/null; }

apt_install() {
    local by_hand="install these packages, then start again: $*"
    command -v apt-get >/dev/null || die "$by_hand"
    [ "$(id -u)" = 0 ] || command -v sudo >/dev/null || die "$by_hand"
    say "Installing $*"
    retry apt_get update || die "apt-get update failed; look at the lines above, or $by_hand"
    retry apt_get install -y --no-install-recommends "$@" || die "apt-get install failed; $by_hand"
}

# Takes pairs `test command=package`; installs the packages whose test fails.
need() {
    local pair missing=()
    for pair in "$@"; do
        bash -c "${pair%=*}" >/dev/null 2>&1 || missing+=("${pair##*=}")
    done
    [ ${#missing[@]} = 0 ] || apt_install "${missing[@]}"
}

need_build_tools() {
    need "command -v c++=g++" "command -v make=make" "command -v cmake=cmake" "command -v curl=curl" \
        "command -v git=git" "test -e /etc/ssl/certs/ca-certificates.crt=ca-certificates" \
        "command -v python3=python3" "python3 -m pip --version=python3-pip"
}

rust_wanted() { sed -n 's/^channel *= *"\(.*\)"/\1/p' "$ROOT/rust-toolchain.toml"; }

# A toolchain that rustup has, or can fetch.
rust_by_rustup() {
    command -v rustup >/dev/null || return 1
    local wanted
    wanted="$(rust_wanted)"
    if ! rustup which --toolchain "$wanted" cargo >/dev/null 2>&1; then
        say "Fetching Rust $wanted"
        retry rustup toolchain install "$wanted" --profile minimal --component clippy --component rustfmt \
            --no-self-update || return 1
    fi
    PATH="$(dirname "$(rustup which --toolchain "$wanted" cargo)"):$PATH"
}

# A cargo from elsewhere, if it is new enough.
rust_by_itself() {
    command -v rustc >/dev/null && command -v cargo >/dev/null || return 1
    local have
    have="$(cd / && rustc --version 2>/dev/null | cut -d' ' -f2)"
    [ -n "$have" ] && [ "$(printf '%s\n' "$(rust_wanted)" "$have" | sort -V | head -n1)" = "$(rust_wanted)" ]
}

need_rust() {
    command -v cargo >/dev/null || PATH="$HOME/.cargo/bin:$PATH"
    rust_by_rustup && return
    rust_by_itself && return
    if ! command -v rustup >/dev/null; then
        if command -v apt-get >/dev/null && apt-cache show rustup >/dev/null 2>&1; then
            apt_install rustup
        else
            rustup_from_python
        fi
        rust_by_rustup && return
    fi
    die "Rust $(rust_wanted) is not here and could not be fetched; install it with rustup, then start again"
}

# Older distributions have no rustup, but a Python package carries it.
rustup_from_python() {
    say "Fetching rustup"
    need "python3 -c 'import ensurepip'=python3-venv"
    [ -x "$CACHE/venv/bin/pip" ] || python3 -m venv "$CACHE/venv" || die "python3 -m venv failed; install rustup"
    retry "$CACHE/venv/bin/pip" install -q "rustup==1.29.0.1" || die "rustup could not be fetched; install it by hand"
    PATH="$CACHE/venv/bin:$PATH"
}

build() {
    say "Building (the first time takes some minutes)"
    cd "$ROOT" || exit
    retry cargo fetch --locked || die "cargo could not fetch the crates of Cargo.lock; is there a network?"
    cargo build --locked -p callwright || die "the build failed; the first error above says why"
}

pull_models() {
    say "Local models in $CALLWRIGHT_MODELS_DIR"
    "$CALLWRIGHT" models pull || die "the models could not be fetched; see docs/voices-and-models.md for other ways"
}
