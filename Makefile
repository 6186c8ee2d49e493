# Short names for the scripts, which do the work and take more: see the head of each. `make` alone tells what there is.

.PHONY: help quickstart test check docs bench build compose-up compose-down examples

help: ## tell what there is
	@./scripts/help.sh

quickstart: ## make .venv and run examples/quickstart.py
	@./scripts/quickstart.sh

test: ## run the whole suite, with the servers that it needs
	@./scripts/test.sh

check: ## format, lint, types, the table of rules, then the suite
	@./scripts/check.sh

docs: ## serve the documentation site on http://127.0.0.1:8000
	@./scripts/docs.sh

bench: ## measure each operation beside hand-written code, on SQLite
	@./scripts/bench.sh

build: ## build the sdist and the wheel into dist/
	@./scripts/build_lib.sh

compose-up: ## start the servers of docker-compose.yml
	@./scripts/compose.sh up

compose-down: ## stop them, and throw away what they hold
	@./scripts/compose.sh down

examples: ## run every example, with the servers that it needs
	@./scripts/examples.sh
