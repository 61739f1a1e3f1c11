# The only list of commands. Each target does its own set-up; the second time is quick.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PROTOS := $(shell cd protos && find tandem -name '*.proto' | sort)
STUBS := $(PROTOS:.proto=_pb2.py)

.PHONY: help setup demo up images test test-containers test-faults lint format types stubs train-judge export-judge train-gan curve-gan export-gan train-ar export-ar gates bench dashboards manifests clean

help:  ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 16

setup: $(VENV)/.installed  ## make the virtual environment and install everything

$(VENV)/.installed: pyproject.toml deploy/setup.sh
	PYTHON=$(PYTHON) deploy/setup.sh $(VENV)
	@touch $@

stubs: setup  ## generate the stubs in tandem/ from protos/
	$(BIN)/buf lint protos
	$(BIN)/python -m grpc_tools.protoc -Iprotos --python_out=. --pyi_out=. --grpc_python_out=. $(PROTOS)

demo: setup  ## the whole of Tandem once: stream text, draw images, race the two, measure, report, stop
	$(BIN)/tandem demo

up: setup  ## start the three processes and keep them until Ctrl-C
	$(BIN)/tandem up

images:  ## build the images that docker-compose.yml runs
	TANDEM_REVISION=$$(git rev-parse HEAD) docker compose build

test: lint types  ## lint, types and every test that this machine can run
	$(BIN)/tandem models pull smollm2-135m-instruct
	$(BIN)/python -m pytest

test-containers: setup  ## build the images, run docker-compose.yml, kill and scale what it runs (root, Docker's programs)
	$(BIN)/python -m pytest -m containers tests/containers

test-faults: setup  ## the fault table: kills, floods, hogs, hostile clients; out/faults.json and docs/faults.md (30 minutes)
	$(BIN)/python -m pytest -m 'not containers' --effort full --faults-report out/faults.json tests/faults; \
	status=$$?; $(BIN)/python -m tests.faults.table out/faults.json docs/faults.md && exit $$status

lint: setup  ## ruff: rules and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/buf lint protos

format: setup  ## ruff: mend what can be mended
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: setup  ## mypy, strict
	$(BIN)/mypy

train-judge: setup  ## train a judge (6 minutes on a core; goes on where it stopped)
	$(BIN)/python -m training.judge.train --out runs/fashion-judge

export-judge: setup  ## export the trained judge into models/: all figures of quality change with it
	$(BIN)/python -m training.judge.export --run runs/fashion-judge --model models/fashion-judge

train-gan: setup  ## train fashion-gan (about 75 minutes on a core; goes on where it stopped)
	$(BIN)/python -m training.gan.train --out runs/fashion-gan

curve-gan: setup  ## measure the quality of each snapshot of that training
	$(BIN)/python -m bench.quality.training_curve --run runs/fashion-gan --model models/fashion-gan

export-gan: setup  ## export the trained fashion-gan into models/ and measure its diversity baseline
	$(BIN)/python -m training.gan.export --run runs/fashion-gan --model models/fashion-gan --step 20000
	$(BIN)/python -m bench.quality.diversity_baseline --model models/fashion-gan

train-ar: setup  ## train fashion-ar: tokenizer, decoder, transformer (about 70 minutes on a core; goes on where it stopped)
	$(BIN)/python -m training.tokenizer.train --out runs/fashion-tokenizer
	$(BIN)/python -m training.tokenizer.tune_decoder --tokenizer runs/fashion-tokenizer --out runs/fashion-decoder
	$(BIN)/python -m training.transformer.train --tokenizer runs/fashion-tokenizer --out runs/fashion-ar

export-ar: setup  ## export the trained fashion-ar into models/ and measure its diversity baseline
	$(BIN)/python -m training.transformer.export --run runs/fashion-ar --tokenizer runs/fashion-decoder --model models/fashion-ar
	$(BIN)/python -m bench.quality.diversity_baseline --model models/fashion-ar

gates: setup  ## what the committed models must reach, and whether they do
	$(BIN)/python -m bench.quality.gates

bench: setup  ## every benchmark, one after another
	for script in bench/bench_*.py; do $(BIN)/python $$script || exit 1; done

dashboards: setup  ## write Grafana's dashboards anew from deploy/grafana/*.py
	$(BIN)/python -m deploy.grafana

manifests: setup  ## wrap deploy/prometheus' rules for Kubernetes anew
	$(BIN)/python -m deploy.kubernetes

clean:  ## remove what can be made again (not the downloaded weights)
	rm -rf $(VENV) out .pytest_cache .mypy_cache .ruff_cache
