# make demo   set up, run the embedded example, and say what was made
# make test   set up what is missing, and run the tests
# make help   the other targets

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

BIN := .venv/bin
CORES ?= all
export PATH := $(CURDIR)/$(BIN):$(PATH)

# Without bytecode every process would compile some thousand modules anew.
unexport PYTHONDONTWRITEBYTECODE

LOCKS := $(addprefix envs/, main.txt dev.txt wai-annotations.txt setup.sh) \
  $(wildcard envs/stand-ins/*/*) pyproject.toml

# A folder of wheels to install from, without a network; docs/offline.md describes it.
BUNDLE ?= $(wildcard bundle)

# A folder that mmdet-flow new made has neither tests nor what they take.
CHECKOUT := $(wildcard tests)
DEVELOPING := ^(test|bench|bccd|coverage|lint|format|package)

help: ## show the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) $(if $(CHECKOUT),,| grep -vE '$(DEVELOPING)') \
	  | sed 's/:.*## /\t/' | expand -t 16

setup: .venv/ready ## build both environments

.venv/ready: $(LOCKS)
	@envs/setup.sh $(if $(BUNDLE),--bundle "$(BUNDLE)") $(if $(CHECKOUT),,--no-dev)
	@touch $@

setup-predict: ## build .venv-predict, which predicts without torch; docs/deploying.md
	@envs/setup-predict.sh

demo: setup ## run the embedded example from annotations to predictions
	@SECONDS=0; \
	echo "Training takes minutes; results/example/logs/train_model.log shows it."; \
	$(BIN)/snakemake --cores $(CORES) --quiet progress rules; \
	cat results/example/summary.txt; \
	echo "The run took $$SECONDS seconds."

REPORT ?= results/report

report: setup ## collect all results in results/report.html and results/report.zip
	@for suffix in html zip; do \
	  $(BIN)/snakemake --report $(REPORT).$$suffix \
	    --report-stylesheet report/style.css --quiet all; \
	  echo "made $(REPORT).$$suffix"; \
	done

BCCD ?= ../shared/data/bccd

bccd: setup ## train on the blood cells in BCCD=FOLDER, with their official lists
	@mkdir -p data && ln -sfn "$$(realpath "$(BCCD)")" data/bccd
	@$(BIN)/snakemake --cores $(CORES) --configfile tests/configs/bccd.yaml \
	  --quiet progress rules -- results/bccd/model/checkpoint.pth results/bccd/summary.txt
	@cat results/bccd/summary.txt

UI_PORT ?= 5000

ui: setup ## show the runs that were tracked in results/tracking; docs/tracking.md
	@[ -f results/tracking/mlflow.db ] || { echo "no run is tracked yet: run snakemake"; exit 1; }
	@echo "http://127.0.0.1:$(UI_PORT)/#/experiments?workflowType=machine_learning, until Ctrl-C"
	@MLFLOW_DISABLE_TELEMETRY=true DO_NOT_TRACK=true \
	  MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false $(BIN)/mlflow server \
	  --host 127.0.0.1 --port $(UI_PORT) --workers 1 \
	  --backend-store-uri sqlite:///results/tracking/mlflow.db \
	  --artifacts-destination results/tracking/artifacts

notebook: .venv/notebook ## install what runs docs/results.ipynb

onnx: .venv/onnx ## install what writes and runs ONNX; docs/deploying.md

storage: .venv/storage ## install what S3-like storage takes; docs/storage.md

# Into the environment, so that a new one is without it.
.venv/%: envs/%.txt .venv/ready
	@$(if $(BUNDLE),PIP_NO_INDEX=1 PIP_FIND_LINKS="file://$(abspath $(BUNDLE))") \
	  $(BIN)/pip install --quiet --no-deps -r $<
	@$(BIN)/pip check && touch $@

# Two at a time: most of a test is the start of a command, which has one thread.
test: setup .venv/onnx .venv/notebook ## run the linters and the tests
	@$(MAKE) --no-print-directory lint
	@$(BIN)/python -m pytest --numprocesses 2 --dist worksteal

test-slow: setup ## run the tests that take minutes
	@$(BIN)/python -m pytest -m slow

FAULTS ?=

test-faults: setup ## inject 1,000 faults and count, with options FAULTS="--seed 2"
	@$(BIN)/python -m tests.faults $(FAULTS)

coverage: setup ## measure which lines of the package the tests run
	@$(BIN)/coverage erase
	@$(BIN)/coverage run -m pytest
	@$(BIN)/coverage combine --quiet && $(BIN)/coverage report

matrix: setup ## try the detector families on this machine: 30 minutes
	@$(BIN)/mmdet-flow model families --output results/matrix

# Much of it is waiting for jobs, so three workers have a Slurm each, if they can be apart.
test-slurm: setup ## run the workflow on a Slurm of its own; as root, on Debian
	@tests/install.sh slurmctld slurmd slurm-client munge
	@if tests/cluster/apart.sh --version >/dev/null 2>&1; then \
	  set -- --tx '3*popen//python=tests/cluster/apart.sh' --dist loadfile; \
	fi; $(BIN)/python -m pytest -m slurm tests/cluster "$$@"

test-pythons: setup ## set up and run the demo with each Python 3.11 to 3.13: 30 minutes each
	@$(BIN)/python -m pytest -m pythons tests/test_pythons.py

test-storage: .venv/storage .venv/storage-test ## run the workflow on an S3 server of its own
	@$(BIN)/python -m pytest -m storage tests/storage

test-record: .venv/validator/ready ## check the RO-Crates with the validator of RO-Crate
	@$(BIN)/python -m pytest -m crate tests/record

INTEROP ?=

test-interop: setup ## exchange data with other tools; options INTEROP="--accept"
	@$(BIN)/python -m tests.interop $(INTEROP)

.venv/validator/ready: envs/record-test.txt .venv/ready
	@python3 -m venv --clear .venv/validator
	@.venv/validator/bin/pip install --quiet --no-deps -r $< setuptools==80.10.2
	@copy=$$(mktemp -d) && cp -r envs/stand-ins/enum-tools "$$copy" && \
	  .venv/validator/bin/pip install --quiet --no-deps --no-build-isolation \
	  "$$copy/enum-tools" && rm -r "$$copy"
	@.venv/validator/bin/pip check && touch $@

ENGINE ?= $(if $(shell command -v podman),podman,docker)
IMAGE ?= mmdet-flow
PREDICT_IMAGE ?= mmdet-flow-predict
SOURCE ?=
BUILD_OPTIONS ?=
TAG ?= $(VERSION)
VERSION = $(shell sed -n 's/^__version__ = "\(.*\)"/\1/p' scripts/mmdet_flow/__init__.py)

image: ## build the container image IMAGE with ENGINE; docs/container.md
	@$(ENGINE) build --tag "$(IMAGE)" --build-arg VERSION="$(VERSION)" \
	  --build-arg REVISION="$$(git describe --always --dirty --abbrev=40 --exclude='*' 2>/dev/null)" \
	  --build-arg SOURCE="$(SOURCE)" --build-arg TORCH_INDEX="$${TORCH_INDEX:-}" \
	  --build-arg WEIGHTS="$(WEIGHTS)" \
	  --build-arg MMDET_FLOW_MIRRORS="$${MMDET_FLOW_MIRRORS:-}" \
	  $(BUILD_OPTIONS) .

image-predict: ## build the small container image that predicts without torch
	@$(ENGINE) build --tag "$(PREDICT_IMAGE)" --target predict \
	  --build-arg VERSION="$(VERSION)" --build-arg SOURCE="$(SOURCE)" \
	  --build-arg REVISION="$$(git describe --always --dirty --abbrev=40 --exclude='*' 2>/dev/null)" \
	  $(BUILD_OPTIONS) .

publish: ## send the image to REGISTRY, as mmdet-flow:TAG
	@: "$${REGISTRY:?name the registry, e.g. REGISTRY=registry.example.org/vision}"
	@$(ENGINE) tag "$(IMAGE)" "$(REGISTRY)/mmdet-flow:$(TAG)"
	@$(ENGINE) push "$(REGISTRY)/mmdet-flow:$(TAG)"

test-image: setup ## build the image and run the workflow in it; as root, on Debian
	@tests/install.sh podman runc debootstrap docker-registry
	@$(BIN)/python -m pytest -m image tests/image

# Weights to start from that bundle and image take along: configs, as weights get has them.
WEIGHTS ?=

bundle: setup ## pack all for machines without a network; docs/offline.md
	@$(BIN)/python envs/bundle.py $(if $(WEIGHTS),--weights $(WEIGHTS))

package: setup ## build dist/ for a package index: sources and wheel
	@envs/package.sh dist
	@ls dist/mmdet_flow-*

bench: bench-conversion bench-dag bench-training bench-prediction bench-tiles bench-slides bench-large bench-loop bench-two-stage bench-serving ## measure all: long

bench-conversion: setup ## compare the conversion with wai.annotations alone
	@$(BIN)/python benchmarks/conversion.py --data "$(BCCD)"

bench-training: setup ## compare training with the reference stack, after make bccd
	@[ -x $(REFERENCE)/bin/python ] || envs/reference.sh $(REFERENCE)
	@$(BIN)/python benchmarks/training.py --config results/bccd/model/config.py \
	  --reference $(REFERENCE)
	@$(BIN)/snakemake --cores $(CORES) --configfile benchmarks/mask-rcnn.yaml \
	  --quiet progress rules -- results/mask-rcnn-320/model/config.py
	@$(BIN)/python benchmarks/training.py --config results/mask-rcnn-320/model/config.py \
	  --reference $(REFERENCE) --batch-size 2 --steps 3

bench-dag: setup ## measure the dry run for a million images
	@$(BIN)/python benchmarks/dag.py

CHECKPOINT ?= results/bccd/model/checkpoint.pth
IMAGES ?= $(BCCD)/JPEGImages
REFERENCE ?= .venv-reference

bench-serving: setup ## measure the Redis service beside batch prediction, after make bccd
	@$(BIN)/python benchmarks/serving.py --images $(IMAGES) \
	  --checkpoint $(CHECKPOINT) --score 0.3 --reference $(REFERENCE)

MINUTES ?= 10

bench-overload: setup ## send the Redis service three times what it can do: 30 minutes
	@$(BIN)/python benchmarks/overload.py --images $(IMAGES) \
	  --checkpoint $(CHECKPOINT) --score 0.3 --minutes $(MINUTES)

# bf16 needs a processor that has it, int8 what mmdet-flow evaluate precision makes.
PRECISIONS ?= fp32 $(if $(shell grep -m 1 bf16 /proc/cpuinfo),bf16) \
  $(if $(wildcard $(CHECKPOINT:.pth=.int8.zip)),int8)

bench-prediction: setup ## compare prediction with the reference stack: 30 minutes
	@[ -x $(REFERENCE)/bin/python ] || envs/reference.sh $(REFERENCE)
	@for precision in $(PRECISIONS); do \
	  for size in 320 640; do \
	    $(BIN)/python benchmarks/prediction.py --checkpoint $(CHECKPOINT) \
	      --images $(IMAGES) --reference $(REFERENCE) --image-size $$size \
	      --precision $$precision; \
	  done; \
	done
	@$(BIN)/python benchmarks/exactness.py --checkpoint $(CHECKPOINT) \
	  --images $(IMAGES)

bench-tiles: setup ## compare tiles with single images and SAHI, after make bccd
	@$(BIN)/python benchmarks/tiles.py --checkpoint $(CHECKPOINT) --data "$(BCCD)"

SLIDES := $(addprefix results/slides-, tiles whole-640 whole-1280)

bench-slides: setup ## train on tiles of slides and on whole slides, and compare: 30 minutes
	@$(BIN)/python benchmarks/slides.py --data "$(BCCD)" --output data/slides
	@$(BIN)/snakemake --cores $(CORES) --configfile benchmarks/slides.yaml \
	  --quiet progress rules -- $(addsuffix /model/checkpoint.pth, $(SLIDES))
	@for run in $(SLIDES); do \
	  $(BIN)/mmdet-flow evaluate tiles --checkpoint $$run/model/checkpoint.pth \
	    --annotations $$run/splits/test.json --images $$run/dataset/images \
	    --tile-size 640 --output $$run/tiles.csv; \
	  echo "$$run"; cat $$run/tiles.csv; \
	done

bench-large: setup ## predict for a picture of 20,000 pixels, after make demo: 10 minutes
	@$(BIN)/python benchmarks/large_picture.py \
	  --checkpoint results/example/model/checkpoint.pth

bench-loop: setup ## go round the loop of labelling, with known corrections: 30 minutes
	@$(BIN)/python benchmarks/loop.py --data "$(BCCD)" --output data/loop --cores $(CORES)

TWO_STAGE := results/mask-rcnn/model/checkpoint.pth

bench-two-stage: setup ## the same with Mask R-CNN in its own size, after training it
	@$(BIN)/snakemake --cores $(CORES) --configfile benchmarks/mask-rcnn.yaml \
	  --quiet progress rules -- $(TWO_STAGE)
	@[ -x $(REFERENCE)/bin/python ] || envs/reference.sh $(REFERENCE)
	@for precision in $(PRECISIONS); do \
	  $(BIN)/python benchmarks/prediction.py --checkpoint $(TWO_STAGE) \
	    --images $(IMAGES) --reference $(REFERENCE) --scale 1333 800 --count 16 \
	    --rounds 3 --score 0.05 --precision $$precision; \
	done
	@$(BIN)/python benchmarks/exactness.py --checkpoint $(TWO_STAGE) \
	  --images data/example

lint: setup ## check style and workflow
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/snakefmt --check Snakefile rules
	@$(BIN)/lint-imports --no-logo --no-cache
	@$(BIN)/snakemake --lint

format: setup ## rewrite the sources in the project's style
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .
	@$(BIN)/snakefmt Snakefile rules

docs: setup .venv/site/ready ## write the pages of keys and commands, and build results/site
	@$(BIN)/python docs/reference.py
	@$(BIN)/python docs/site.py results/site-source
	@NO_MKDOCS_2_WARNING=1 .venv/site/bin/mkdocs build --quiet
	@echo "made results/site/index.html"

.venv/site/ready: envs/site.txt .venv/ready
	@python3 -m venv --clear .venv/site
	@.venv/site/bin/pip install --quiet --no-deps -r $<
	@.venv/site/bin/pip check && touch $@

clean: ## remove results and the generated example, not the environments
	@rm -rf results data/example .snakemake

.PHONY: help setup demo report ui bccd notebook onnx storage bundle package test test-slow test-slurm
.PHONY: test-pythons test-storage test-record test-faults test-interop
.PHONY: setup-predict image image-predict publish test-image docs
.PHONY: coverage matrix bench bench-conversion bench-dag bench-training bench-prediction
.PHONY: bench-serving bench-overload bench-two-stage bench-tiles bench-slides bench-large bench-loop lint format clean
