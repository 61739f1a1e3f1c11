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
# The files of these run two at a time, the longest first; what is in no list measures, or needs the machine for itself.
TESTS_TOGETHER := $(patsubst %,tests/e2e/test_%.py,fit compare dashboards exemplars kubernetes message_sizes page pages restart) \
	$(patsubst %,tests/faults/test_%.py,slow_readers inflation resets cancels certificates counters drains framework \
	fuzzed_messages model_files poison sampling_extremes) \
	$(addprefix tests/integration/,benchmarks/parallel benchmarks/side_by_side services training tandem/cli) \
	$(addprefix tests/integration/tandem/measure/,quality report studies generator/requests generator/sending \
	generator/test_generator.py) \
	$(addprefix tests/integration/,examples runtime tandem/client gateway)
# These compute and wait for nobody: beside the others they take the processor time that those leave while they wait.
TESTS_BESIDE := tests/contract tests/unit
# Many tests start real servers and put load on them. On a shared machine one may meet a pause of seconds: what failed runs
# once more. Even what runs one at a time does so in a worker (-n 1): a crash of it is told as the failure of one test.
ONCE_MORE = $(1) $(BIN)/python -m pytest $(2) || $(1) $(BIN)/python -m pytest --last-failed --last-failed-no-failures none $(2)

.PHONY: help setup demo up images test tests-together tests-beside tests-alone test-containers test-faults lint format types kernels stubs train-judge export-judge train-gan curve-gan export-gan train-ar export-ar refine-ar export-refined train-sar export-sar gates bench schema dashboards manifests clean

help:  ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 16

setup: $(VENV)/.installed  ## make the virtual environment and install everything

$(VENV)/.installed: pyproject.toml constraints.txt deploy/setup.sh
	PYTHON=$(PYTHON) deploy/setup.sh $(VENV)
	@touch $@

stubs: setup  ## generate the stubs in tandem/ from protos/
	$(BIN)/buf lint protos
	$(BIN)/python -m grpc_tools.protoc -Iprotos --python_out=. --pyi_out=. --grpc_python_out=. $(PROTOS)
	$(BIN)/python -m grpc_tools.protoc -Iprotos --python_out=. --pyi_out=. $(ENVOY)
	$(BIN)/python -m grpc_tools.protoc -Iprotos/triton --python_out=tandem/oip --pyi_out=tandem/oip $(TRITON)
	perl -pi -e 's/^import model_config_pb2/from tandem.oip import model_config_pb2/' tandem/oip/grpc_service_pb2.py tandem/oip/grpc_service_pb2.pyi

demo: setup  ## the whole of Tandem once: stream text, draw images, race the two, measure, report, stop
	@deploy/system_packages.sh g++ libnghttp2-dev dataset-fashion-mnist
	$(BIN)/tandem demo

up: setup  ## start the three processes and keep them until Ctrl-C
	$(BIN)/tandem up

images:  ## build the images that docker-compose.yml runs
	TANDEM_REVISION=$$(git rev-parse HEAD) docker compose build

test: setup  ## lint, types and every test that this machine can run
	$(MAKE) --jobs 3 lint types kernels
	$(BIN)/tandem models pull smollm2-135m-instruct
	$(MAKE) --jobs 2 --keep-going tests-together tests-beside; status=$$?; $(MAKE) tests-alone && exit $$status

# A file stays in one worker, as its tests share servers.
tests-together: setup
	@$(call ONCE_MORE,,-n 2 --dist loadfile --no-loadscope-reorder $(TESTS_TOGETHER))

# What it prints comes at its end, in one piece. A memory of its own for what failed: the other run writes one, too. At the
# lowest priority a test may take longer before it counts as hung.
tests-beside: setup
	@mkdir -p out
	@{ $(call ONCE_MORE,nice -n 19,-n 1 -o timeout=900 -o cache_dir=.pytest_cache/beside $(TESTS_BESIDE)); } >out/tests-beside.log 2>&1; \
	status=$$?; cat out/tests-beside.log; exit $$status

tests-alone: setup
	@$(call ONCE_MORE,,-n 1 $(addprefix --ignore ,$(TESTS_TOGETHER) $(TESTS_BESIDE)))

test-containers: setup  ## build the images, run docker-compose.yml, kill and scale what it runs (root, Docker's programs)
	$(BIN)/python -m pytest -m containers tests/containers

test-faults: setup  ## the fault table: kills, floods, hogs, hostile clients; out/faults.json and docs/faults.md (40 minutes)
	$(BIN)/python -m pytest -m 'not containers' --effort full --faults-report out/faults.json tests/faults tests/integration/gateway/doors; \
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

kernels: setup  ## compile the libraries that the tests load, the kernel for each instruction set of this processor
	-$(BIN)/python -m tests.kernels

train-judge: setup  ## train a judge (6 minutes on a core; goes on where it stopped)
	$(BIN)/python -m training.judge.train --out runs/fashion-judge

export-judge: setup  ## export the trained judge into models/: all figures of quality change with it
	$(BIN)/python -m training.judge.export --run runs/fashion-judge --model models/fashion-judge

train-gan: setup  ## train fashion-gan (about 75 minutes on a core; goes on where it stopped)
	$(BIN)/python -m training.gan.train --out runs/fashion-gan

curve-gan: setup  ## measure the quality of each snapshot of that training
	$(BIN)/python -m training.release.training_curve --run runs/fashion-gan --model models/fashion-gan

export-gan: setup  ## export the trained fashion-gan into models/ and measure its diversity baseline
	$(BIN)/python -m training.gan.export --run runs/fashion-gan --model models/fashion-gan --step 20000
	$(BIN)/python -m training.release.diversity_baseline --model models/fashion-gan

train-ar: setup  ## train fashion-ar: tokenizer, decoder, transformer (about 70 minutes on a core; goes on where it stopped)
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

train-sar: setup  ## train fashion-sar, which draws in any number of steps, on fashion-ar's tokens (80 minutes of two cores with bfloat16)
	$(BIN)/python -m training.set_autoregressive.train --tokenizer fashion-ar --out runs/fashion-sar

export-sar: setup  ## export the trained fashion-sar into models/, measure the costs of its groups and its diversity baseline
	$(BIN)/python -m training.set_autoregressive.export --run runs/fashion-sar --model models/fashion-sar
	$(BIN)/python -m training.set_autoregressive.step_costs --model models/fashion-sar
	$(BIN)/python -m training.release.diversity_baseline --model models/fashion-sar

gates: setup  ## what the committed models must reach, and whether they do
	$(BIN)/python -m tandem.measure.quality.gates

BENCHMARKS := gpu_step growth hop loading oip parallel parity perplexity runtimes runtimes.quality side_by_side streams \
	tracing truth

# Some end with 1 where a bar is missed: that keeps none of the others from running.
bench: setup  ## every benchmark, one after another (hours); what failed or missed a bar is named at the end
	@failed=; for name in $(BENCHMARKS); do $(BIN)/python -m benchmarks.$$name || failed="$$failed $$name"; done; \
	test -z "$$failed" || { echo "bench: failed, or missed a bar:$$failed" >&2; exit 1; }

schema: setup  ## write docs/results.schema.json anew, the JSON schema of all results
	$(BIN)/python -m tandem.measure.results.schema

dashboards: setup  ## write Grafana's dashboards anew from deploy/grafana/*.py
	$(BIN)/python -m deploy.grafana

manifests: setup  ## wrap deploy/prometheus' rules for Kubernetes anew
	$(BIN)/python -m deploy.kubernetes

clean:  ## remove what can be made again (not the downloaded weights)
	rm -rf $(VENV) out .pytest_cache .mypy_cache .ruff_cache
