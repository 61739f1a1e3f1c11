# The only list of commands. Each target does its own set-up; the second time is quick.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PROTOS := $(shell cd protos && find tandem -name '*.proto' | sort)
# Messages of Envoy's, as far as the gateway reads them. Triton's own, under its own names: see protos/triton/README.md.
ENVOY := gateway/envoy/access_log.proto gateway/envoy/authorization.proto
TRITON := grpc_service.proto model_config.proto
STUBS := $(PROTOS:.proto=_pb2.py)
# Tests and `tandem up` start many Python processes. Where bytecode may not be kept, each compiles all of its modules again.
unexport PYTHONDONTWRITEBYTECODE
# These hold what the load generator measures against delays that are known, and skip on a machine that disturbs them.
TESTS_ALONE := $(addprefix tests/integration/tandem/measure/generator/test_,apis.py truth.py truth_through_gateway.py)
# More than cores: a test that waits for its servers leaves its core to the others.
WORKERS := 3

.PHONY: help setup demo up images check test test-newest test-containers test-faults lint format types kernels stubs release-figures train-judge export-judge train-gan curve-gan export-gan train-ar export-ar refine-ar export-refined train-sar export-sar train-draft-head export-draft-head train-text export-text train-pair gates bench gpu schema dashboards manifests clean

help:  ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 16

setup: $(VENV)/.installed  ## make the virtual environment and install everything

$(VENV)/.installed: pyproject.toml constraints.txt deploy/setup.sh
	PYTHON=$(PYTHON) deploy/setup.sh $(VENV) dev
	@touch $(VENV)/.serves $@

# What `make demo` and `make up` need: half as large, and no PyTorch where there is a compiler.
$(VENV)/.serves: pyproject.toml constraints.txt deploy/setup.sh
	@deploy/system_packages.sh g++ libnghttp2-dev dataset-fashion-mnist
	PYTHON=$(PYTHON) deploy/setup.sh $(VENV) ar,gan,gateway,quality,report
	@touch $@

stubs: setup  ## generate the stubs in tandem/ from protos/
	$(BIN)/buf lint protos
	$(BIN)/python -m grpc_tools.protoc -Iprotos --python_out=. --pyi_out=. --grpc_python_out=. $(PROTOS)
	$(BIN)/python -m grpc_tools.protoc -Iprotos --python_out=. --pyi_out=. $(ENVOY)
	$(BIN)/python -m grpc_tools.protoc -Iprotos/triton --python_out=tandem/oip --pyi_out=tandem/oip $(TRITON)
	perl -pi -e 's/^import model_config_pb2/from tandem.oip import model_config_pb2/' tandem/oip/grpc_service_pb2.py tandem/oip/grpc_service_pb2.pyi

demo: $(VENV)/.serves  ## the whole of Tandem once: stream text, draw images, race the two, measure, report, stop
	$(BIN)/tandem demo

up: $(VENV)/.serves  ## start the three processes and keep them until Ctrl-C
	$(BIN)/tandem up

images:  ## build the images that docker-compose.yml runs
	TANDEM_REVISION=$$(git rev-parse HEAD) docker compose build

check: setup  ## lint, types, contract and unit tests: what to run after each change (3 minutes)
	$(MAKE) --jobs 2 lint types
	$(BIN)/python -m pytest -n 2 -m 'not (containers or faults)' tests/contract tests/unit

test: setup  ## lint, types and every test that this machine can run (13 minutes)
	$(MAKE) --jobs 3 lint types kernels
	$(BIN)/tandem models pull smollm2-135m-instruct
	$(BIN)/python -m pytest --durations=25 -n $(WORKERS) tests $(addprefix --ignore=,$(TESTS_ALONE)); \
	status=$$?; $(BIN)/python -m pytest --durations=25 $(TESTS_ALONE) && exit $$status

# The unit tests of what needs no PyTorch: its builds take longer to install than these tests to run.
NEWEST := python3.13
NEWEST_TESTS := $(addprefix tests/unit/,gateway runtime tandem services/common services/gan)

test-newest: .venv-newest/.installed  ## unit tests with the newest Python that is supported, and how much of the code they run
	COVERAGE_CORE=sysmon .venv-newest/bin/python -m pytest -n 2 --cov --cov-report=term:skip-covered $(NEWEST_TESTS)

.venv-newest/.installed: pyproject.toml constraints.txt deploy/setup.sh
	PYTHON=$(NEWEST) deploy/setup.sh .venv-newest ar,gan,gateway,quality,report,test
	@touch $@

test-containers: setup  ## build the images, run docker-compose.yml and Kubernetes' pods, kill and scale them (root; Docker, Podman)
	@sed -n 's/^`make.*/last time: &/p' docs/containers.md
	$(BIN)/python -m pytest -m containers -o timeout=1800 --durations=25 tests/containers

test-faults: setup  ## the fault table: kills, floods, hogs, hostile clients; writes docs/faults.md (40 minutes)
	$(BIN)/python -m pytest -m 'not containers' --effort full --faults-report docs/faults.md tests/faults tests/integration/gateway/protocols

lint: setup  ## ruff: rules and format; clang-format; buf
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	git ls-files '*.cpp' '*.h' | xargs $(BIN)/clang-format --dry-run --Werror
	$(BIN)/buf lint protos

format: setup  ## ruff and clang-format: mend what can be mended
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	git ls-files '*.cpp' '*.h' | xargs $(BIN)/clang-format -i

types: setup  ## mypy, strict
	$(BIN)/mypy

kernels: setup  ## compile the libraries that the tests load; with Triton, hold the GPU's kernels to their bounds
	-$(BIN)/python -m tests.kernels

train-judge: setup  ## train a judge; goes on where it stopped
	$(BIN)/python -m training.judge.train --out runs/fashion-judge

export-judge: setup  ## export the trained judge into models/: all figures of quality change with it
	$(BIN)/python -m training.judge.export --run runs/fashion-judge --model models/fashion-judge

train-gan: setup  ## train fashion-gan; goes on where it stopped
	$(BIN)/python -m training.gan.train --out runs/fashion-gan

curve-gan: setup  ## measure the quality of each snapshot of that training
	$(BIN)/python -m training.release.training_curve --run runs/fashion-gan --model models/fashion-gan

export-gan: setup  ## export the trained fashion-gan into models/ and measure its diversity baseline
	$(BIN)/python -m training.gan.export --run runs/fashion-gan --model models/fashion-gan --step 20000
	$(BIN)/python -m training.release.diversity_baseline --model models/fashion-gan

train-ar: setup  ## train fashion-ar: tokenizer, decoder, transformer; goes on where it stopped
	$(BIN)/python -m training.tokenizer.train --out runs/fashion-tokenizer
	$(BIN)/python -m training.tokenizer.tune_decoder --tokenizer runs/fashion-tokenizer --out runs/fashion-decoder
	$(BIN)/python -m training.transformer.train --tokenizer runs/fashion-tokenizer --out runs/fashion-ar

export-ar: setup  ## export the trained fashion-ar into models/ and measure its diversity baseline
	$(BIN)/python -m training.transformer.export --run runs/fashion-ar --tokenizer runs/fashion-decoder --model models/fashion-ar
	$(BIN)/python -m training.release.diversity_baseline --model models/fashion-ar

refine-ar: setup  ## refine the decoder of fashion-ar's tokens, for which models/fashion-ar draws some
	$(BIN)/python -m training.refinement.train --tokenizer runs/fashion-decoder --model models/fashion-ar --out runs/fashion-refined

export-refined: setup  ## export the refined decoder into both models of these tokens and measure their diversity baselines
	$(BIN)/python -m training.refinement.export --tokenizer runs/fashion-decoder --run runs/fashion-refined --models models/fashion-ar models/fashion-sar
	$(BIN)/python -m training.release.diversity_baseline --model models/fashion-ar
	$(BIN)/python -m training.release.diversity_baseline --model models/fashion-sar

train-sar: setup  ## train fashion-sar, which draws in any number of steps, on fashion-ar's tokens
	$(BIN)/python -m training.set_autoregressive.train --threads 2 --tokenizer fashion-ar --out runs/fashion-sar

export-sar: setup  ## export the trained fashion-sar into models/, measure the costs of its groups and its diversity baseline
	$(BIN)/python -m training.set_autoregressive.export --run runs/fashion-sar --model models/fashion-sar
	$(BIN)/python -m training.set_autoregressive.step_costs --model models/fashion-sar
	$(BIN)/python -m training.release.diversity_baseline --model models/fashion-sar

train-draft-head: setup  ## train the draft head of a text model on its own answers: MODEL=models/smollm2-135m-instruct
	$(BIN)/python -m training.draft_head.train --threads 2 --model $(MODEL) --out runs/draft-head

export-draft-head: setup  ## export the trained draft head into the model's folder: MODEL=models/smollm2-135m-instruct
	$(BIN)/python -m training.draft_head.export --run runs/draft-head --model $(MODEL)

train-text: setup  ## train a small text model on the answers of runs/draft-head: ORDER=spread, left_to_right or next_token
	$(BIN)/python -m training.text.train --order $(ORDER) --answers runs/draft-head --data runs/texts --out runs/text-$(ORDER)

export-text: setup  ## export the trained text model into a folder: ORDER=spread MODEL=models/text-spread
	$(BIN)/python -m training.text.export --order $(ORDER) --run runs/text-$(ORDER) --data runs/texts --model $(MODEL)

train-pair: setup  ## train a pair of your own: DATA=images.npz [MODELS=my-models] [EFFORT=1]
	$(BIN)/python -m training.pair --data $(DATA) --models $(or $(MODELS),my-models) --effort $(or $(EFFORT),1)

gates: setup  ## what the committed models must reach, and whether they do
	$(BIN)/python -m tandem.measure.quality.gates

BENCHMARKS := drafts text_steps growth hop parallel parity perplexity side_by_side replicas testers

# Some end with 1 where a bar is missed: that keeps none of the others from running.
bench: setup  ## every benchmark, one after another (hours); what failed or missed a bar is named at the end
	@failed=; for name in $(BENCHMARKS); do $(BIN)/python -m benchmarks.$$name || failed="$$failed $$name"; done; \
	test -z "$$failed" || { echo "bench: failed, or missed a bar:$$failed" >&2; exit 1; }

# Where there is no network, the text model is the usual one only if it was pulled before.
gpu: setup  ## the first hour on a GPU: what holds there and how fast it is, on one page (10 minutes)
	-$(BIN)/tandem models pull smollm2-135m-instruct
	$(BIN)/python -m benchmarks.gpu

release-figures: setup  ## measure the fault table and all figures that are older than their code (hours), and render the pages
	$(if $(NAMES),,-$(MAKE) test-faults)
	$(BIN)/python -m benchmarks.release.figures $(NAMES)

schema: setup  ## write docs/results.schema.json anew, the JSON schema of all results
	$(BIN)/python -m tandem.measure.results.schema

dashboards: setup  ## write Grafana's dashboards anew from deploy/grafana/boards
	$(BIN)/python -m deploy.grafana

manifests: setup  ## wrap deploy/prometheus' rules for Kubernetes anew
	$(BIN)/python -m deploy.kubernetes

clean:  ## remove what can be made again (not the downloaded weights)
	rm -rf $(VENV) .venv-newest out .pytest_cache .mypy_cache .ruff_cache
