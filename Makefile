# Liandong: everything a developer runs. `make help` explains each target.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
ARGS ?=
# else each process that a test or the demo starts would compile all of our modules again
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup demo test test-gateway collect walks test-deploy fmt lint types protos protos-check docs bench soak image lock clean
.DEFAULT_GOAL := help

help: ## Explain the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{printf "  %-14s %s\n", $$1, $$2}'

$(STAMP): requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps -e .
	@touch $@

setup: $(STAMP) ## Make .venv with everything locked

demo: $(STAMP) ## A whole district on loopback with a real transfer; ARGS=--once to end after it
	$(BIN)/liandong demo $(ARGS)

# what sees the gateway from outside has a target of its own: it takes as long as all the rest, and needs Chromium
GATEWAY := tests/browser tests/document tests/load

test: $(STAMP) ## Tests in their short form: what Python alone can run
	$(BIN)/pytest -n 2 --dist loadgroup -m "not soak and not docker" $(GATEWAY:%=--ignore=%) $(ARGS)

test-gateway: $(STAMP) ## The gateway from outside: pages in Chromium, the REST document tried out, a district with a past
	$(BIN)/pytest -n 2 --dist loadgroup -m "not soak" $(or $(ARGS),$(GATEWAY))

collect: $(STAMP) ## Load every test and run none: what pytest compiles for it is kept
	@told=$$($(BIN)/pytest --collect-only -qqq) || { echo "$$told"; exit 1; }

WALKS ?= 100
walks: $(STAMP) ## A hundred random walks of each procedure, new ones each time; WALKS= says how many
	LIANDONG_TEST_WALKS=$(WALKS) $(BIN)/pytest -m "not soak" tests/walks $(ARGS)

test-deploy: $(STAMP) ## Build the image and run deploy/compose.yaml on a container engine
	$(BIN)/pytest -m docker tests/deploy $(ARGS)

fmt: $(STAMP) ## Format code and protos
	$(BIN)/ruff format services tests deploy
	$(BIN)/ruff check --fix --exit-zero --quiet services tests deploy
	cd protos && ../$(BIN)/buf format -w --exclude-path buf --exclude-path google

lint: $(STAMP) ## Lint code, floors and protos
	$(BIN)/ruff format --check services tests deploy
	$(BIN)/ruff check services tests deploy
	$(BIN)/lint-imports
	cd protos && ../$(BIN)/buf lint

types: $(STAMP) ## Check types, strictly
	$(BIN)/mypy

PROTOS := $(shell cd protos && find liandong buf -name '*.proto' | sort)
SERVICES := $(shell cd protos && find liandong -name '*_service.proto' | sort)
PROTOC := PATH="../$(BIN):$$PATH" ../$(BIN)/python -m grpc_tools.protoc -I.
protos: $(STAMP) ## Regenerate the Python stubs and the OpenAPI document
	rm -rf protos/gen/liandong protos/gen/buf
	mkdir -p protos/gen
	cd protos && $(PROTOC) --python_out=gen --mypy_out=gen $(PROTOS)
	cd protos && $(PROTOC) --grpc_python_out=gen --mypy_grpc_out=gen $(SERVICES)
	cd protos && $(PROTOC) --include_source_info --include_imports --descriptor_set_out=gen/contracts.binpb $(PROTOS)
	$(BIN)/python -m services.gateway.rest.openapi protos/gen/contracts.binpb
	rm protos/gen/contracts.binpb

protos-check: protos ## Fail if the committed stubs are stale or the contract breaks the last tag
	git diff --exit-code -- protos/gen services/gateway/rest/openapi.json
	@tag=$$(git describe --tags --abbrev=0 2>/dev/null); \
	if [ -n "$$tag" ]; then cd protos && ../$(BIN)/buf breaking --against "../.git#tag=$$tag,subdir=protos"; \
	else echo "no tag yet: nothing to compare with"; fi

docs: $(STAMP) ## Write the pages that are made from data
	$(BIN)/liandong procedure page > docs/mechanisms.md

bench: $(STAMP) ## Measure the way of a letter
	$(BIN)/liandong bench --json $(ARGS)

soak: $(STAMP) ## The long forms: fault campaigns, benchmarks, load
	$(BIN)/pytest -m "soak" $(ARGS)

IMAGE ?= liandong:latest
FONTS ?= debian
BASE ?= python:3.11-slim-bookworm
image: $(STAMP) ## Build the image for all roles; IMAGE= names it, BASE= is built on, FONTS=none leaves fonts out
	$(BIN)/python deploy/wheelhouse.py
	@if [ "$(FONTS)" = none ]; then echo "image: no fonts are added; letters are printed in those of deploy/fonts or of /fonts"; \
	else deploy/fonts.sh deploy/fonts || { echo "image: fill deploy/fonts by hand and run again with FONTS=none"; exit 1; }; fi
	docker build --network none --build-arg BASE=$(BASE) --tag $(IMAGE) deploy

lock: ## Renew requirements.lock from pyproject.toml (needs pip-tools)
	CUSTOM_COMPILE_COMMAND="make lock" pip-compile --quiet --all-extras --generate-hashes --no-emit-index-url \
	  --no-emit-find-links --no-emit-trusted-host --strip-extras --allow-unsafe -o requirements.lock pyproject.toml

clean: ## Remove what the targets made
	rm -rf $(VENV) demo-data build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
