# The few entry points; CONTRIBUTING.md says what each is for.
.PHONY: build test check lint bench fuzz install
build:
	cargo build --locked
test:
	cargo test --locked
check:
	./tests/run.sh
lint:
	./tests/run.sh fmt clippy shellcheck docs deny
bench:
	cargo bench --locked
fuzz:
	cd fuzz && cargo +nightly fuzz list
install:
	./install.sh
