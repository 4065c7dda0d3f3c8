# The verbs of the house. CI runs the same ones. `just` alone lists them.
default:
    @just --list

# Type-check everything.
check:
    cargo check --workspace --all-targets

# Everything a change must pass (the README's second command).
test:
    cargo xtask test

# Lints are errors; licences and sources are allowed ones.
lint:
    cargo xtask test --only clippy
    cargo xtask tidy
    cargo deny check licenses bans sources

fmt:
    cargo fmt --all

# Seeded runs: the whole path in one process, and networks of validators that crash, part, lie and recover.
sim:
    cargo test --release -p cairn-sim
    cargo xtask sim --seeds 30

# Renew golden files; read the diff before you commit it.
bless:
    BLESS=1 cargo test --release --workspace

docs:
    cargo xtask test --only docs

ci:
    bash .ci/run

# Fuzz one decoder for a minute: envelope, block or receipt.
fuzz TARGET SECONDS="60":
    cd fuzz && cargo fuzz run {{TARGET}} -- -max_total_time={{SECONDS}}
