# Names for the commands of this repository: https://just.systems. `just` lists them.
# Arguments are passed on: `just test refresh::`, `just bench --quick`.

set positional-arguments

_default:
    @just --list --unsorted

# Start the gateway at http://localhost:8000/graphql.
run *arguments:
    cargo run -- "$@"

# Run all tests; installs and starts what they need.
test *arguments:
    scripts/test "$@"

# Run the tests that need no server but SQLite.
test-fast *arguments:
    scripts/test --fast "$@"

# Format all code.
format:
    cargo fmt --all

# Check the code with clippy; a warning is an error.
lint:
    cargo clippy --workspace --all-targets --locked -- -D warnings

# Do everything that continuous integration does.
ci:
    .ci/run

# Kill, stop and empty servers under a working gateway: docs/reliability.md.
faults *arguments:
    scripts/faults "$@"

# Run the adversarial suites: docs/security.md.
attack *arguments:
    scripts/attack "$@"

# Measure the gateway beside bare baselines: docs/performance.md.
bench *arguments:
    scripts/bench "$@"

# Check the licences, sources and known vulnerabilities of all dependencies.
supply-chain:
    scripts/supply-chain

# Write schema.graphql and openapi.json from the code.
schema:
    cargo run -- schema > schema.graphql
    cargo run -- openapi > openapi.json
