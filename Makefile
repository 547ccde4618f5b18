# The few entry points; CONTRIBUTING.md says what each is for.
.PHONY: build test check lint bench fuzz man packages install
MUSL := $(shell uname -m)-unknown-linux-musl
MUSL_VAR := $(subst -,_,$(MUSL))
build:
	cargo build --locked
test:
	cargo test --locked
check:
	./tests/run.sh
lint:
	./tests/run.sh fmt clippy shellcheck docs deny
# The installed programs, measured by a driver that need not be fast. PARTS="warm size" measures only those; NFD=PATH names NFD's client.
bench:
	CC_$(MUSL_VAR)=$${CC:-gcc} cargo build --locked --release --target $(MUSL) --bin imgcompat-hook --bin imgcompat
	cargo bench --locked --profile dev --bench hook -- --hook target/$(MUSL)/release/imgcompat-hook $(PARTS)
# Which functions a warm start runs, for the linker; after changes of the hot path. Needs valgrind. The programs are built twice.
order:
	CC_$(MUSL_VAR)=$${CC:-gcc} CARGO_PROFILE_RELEASE_STRIP=false cargo build --locked --release --target $(MUSL) --bin imgcompat-hook --bin imgcompat
	cargo bench --locked --profile dev --bench hook -- --hook target/$(MUSL)/release/imgcompat-hook order >target/start-order.ld
	mv target/start-order.ld .cargo/start-order.ld
# Ten minutes unless FUZZ_SECONDS says otherwise; fuzz/README.md has the coverage-guided runs.
fuzz:
	PROPTEST_CASES=20000 cargo test --locked --lib
	IMGCOMPAT_FUZZ_SECONDS=$(or $(FUZZ_SECONDS),600) cargo test --locked --test fuzz -- --nocapture
# Dated as the last commit, so that packages of one commit have the same bytes.
man:
	cargo run --locked --example man -- target/man $$(git log -1 --format=%cs)
# .deb, .rpm and tarball of the static programs, in target/packages.
packages: man
	CC_$(MUSL_VAR)=$${CC:-gcc} cargo build --locked --release --target $(MUSL)
	./packaging/build.sh
install:
	./install.sh
