# Everything a checkout needs: each target first makes .venv from the system's Python.

PYTHON ?= python3
PORT ?= 8000
MINUTES ?= 10
KILLS ?= 200

bin := .venv/bin
installed := .venv/.installed
# Real servers of clouds, for the tests that take long.
clouds := .venv/.clouds
# Tests start servers and commands, which would each compile everything again without their caches.
pytest := env -u PYTHONDONTWRITEBYTECODE $(bin)/python -m pytest -n 2 --dist worksteal

.DEFAULT_GOAL := help
.PHONY: help demo test test-long programs screenshots bench bench-full bench-pages fuzz chaos format clean
.DELETE_ON_ERROR:

help: ## list these targets
	@awk -F ' *## *' '/^[a-z-]+:.*##/ { sub(/:.*/, "", $$1); printf "make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(installed) ## serve the demonstration catalogue on 127.0.0.1:8000 (PORT=8001: there)
	$(bin)/goldenrod demo --port $(PORT)

test: $(installed) programs ## check format, style, types and architecture, then run the tests
	$(bin)/ruff format --check
	$(bin)/ruff check
	$(bin)/mypy
	$(bin)/lint-imports
	$(pytest)

test-long: $(clouds) programs-long ## run the tests that take long: many random worlds, fuzzing, browsers
	$(pytest) -m "long and not alone"
	$(bin)/python -m pytest -m alone

# Only root on Debian can install them here. Where one is missing, its tests say that they were skipped;
# with CI=true they fail. PROGRAM=PACKAGE where the two have different names.
define install_programs
	@missing() { \
		for one in $(1); do \
			command -v $${one%=*} || { test $$one = chromium && \
				{ command -v chromium-browser || command -v google-chrome; }; } || echo $${one##*=}; \
		done; \
	}; \
	list=$$(missing | grep -v / | tr '\n' ' '); \
	if [ -n "$$list" ] && [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		apt-get update -qq && apt-get install -qq -y --no-install-recommends $$list fonts-dejavu-core; \
	fi || true; \
	list=$$(missing | grep -v / | tr '\n' ' '); \
	test -z "$$list" || echo "Not here: $$list- the tests that need them will be skipped." >&2
endef

programs: ## install Chromium, nginx and other programs that tests need, as root on Debian; elsewhere say so
	$(call install_programs,chromium wrk nginx caddy packer jq gpg gpg-agent gpgv git systemd-analyze=systemd)

programs-long: programs ## the same for the tests that take long: PostgreSQL, etcd, Firefox and others
	$(call install_programs,pg_ctlcluster=postgresql pgbouncer haproxy etcd=etcd-server firefox-esr)

screenshots: $(installed) programs ## draw every page, wide and narrow, light and dark, into screenshots/
	$(bin)/python -m tests.browser.screenshots

bench: $(installed) ## measure how fast it answers, with 20,000 versions
	$(bin)/python -m bench

bench-full: $(installed) ## the same with 20,000 and 2,000,000 versions
	$(bin)/python -m bench --versions 20000,2000000

bench-pages: $(installed) ## measure each page: on the demonstration and with 200,000 versions
	$(bin)/python -m bench.pages

fuzz: $(installed) ## look for broken rules with random changes for 10 minutes (MINUTES=60: longer)
	$(bin)/python -m tests.support.fuzzing $(MINUTES)

chaos: $(installed) ## kill processes at random and look for what is lost: 200 times (KILLS=50) on each database
	$(bin)/python -m tests.support.chaos --kills $(KILLS) --minutes $(MINUTES)

format: $(installed) ## format the code and repair what ruff can
	$(bin)/ruff check --fix
	$(bin)/ruff format

clean: ## remove .venv and caches (databases stay)
	rm -rf .venv build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .schemathesis
	find src tests -name __pycache__ -type d -exec rm -rf {} +

$(installed): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "Goldenrod needs Python 3.11 or newer; $(PYTHON) is not. Name another: make PYTHON=python3.12" >&2; \
		exit 1; }
	test -x $(bin)/python || $(PYTHON) -m venv .venv
	$(bin)/python -m pip install --quiet --editable '.[dev]'
	touch $@

$(clouds): $(installed)
	$(bin)/python -m pip install --quiet --editable '.[dev,clouds-test,scale-test]'
	touch $@
