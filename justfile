# People's commands. Logic lives in xtask and the scripts; CI runs the same names.

export CARGO_TARGET_DIR := env("CARGO_TARGET_DIR", home_directory() / ".cache/callwright/target")

# The server on .data, with a log to read.
dev:
    cargo run -p callwright -- serve --data .data --listen 127.0.0.1:8080 --sip 127.0.0.1:5060

# All fast checks.
check:
    cargo fmt --check
    cargo xtask check
    cargo clippy --workspace --all-targets --locked -- -D warnings

# Unit and route tests, with a PostgreSQL and a Redis; `just test agent` runs those with agent in the name.
test *filter:
    scripts/with-services.sh cargo nextest run --workspace --locked {{filter}}

# Writes what is generated: docs of errors, settings and the API, the golden corpus, parts of the Rust client.
gen:
    cargo xtask gen

# Which pairs of code and reason `./test unit` saw; the list of the others may only shrink.
contract:
    cargo xtask contract

# Takes what `./test unit` newly saw off the list.
accept:
    cargo xtask contract --accept

# Rings an agent: just call sip:+14155550100@127.0.0.1:5060 question.wav
call *args:
    cargo run -p callwright -- call {{args}}

# End-to-end tests against real peers.
e2e:
    ./test e2e

# Latency by stage, and CPU and memory per call; writes bench/results. Others: bench/http/run, bench/scale/run.
bench *args:
    bench/run {{args}}

# Every fuzz target for a while; needs no cargo-fuzz and no nightly toolchain.
deep seconds="60":
    fuzz/run {{seconds}}
