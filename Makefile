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
	CC_x86_64_unknown_linux_musl=$${CC:-gcc} cargo bench --locked --target x86_64-unknown-linux-musl
fuzz:
	PROPTEST_CASES=20000 cargo test --locked --lib
install:
	./install.sh
