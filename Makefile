# Two commands matter: `make demo` (the whole story on real images) and `make test` (all tests).
# Both make .venv where it is missing; they need Python 3.11 or newer and make, nothing else.

PYTHON ?= python3
VENV ?= .venv
WORKERS ?= 2
OUT ?= demo
PY := $(VENV)/bin/python
PIP := PIP_NO_INPUT=1 PIP_DISABLE_PIP_VERSION_CHECK=1 $(PY) -m pip install -qq -c constraints.txt
PYTEST := OMP_NUM_THREADS=1 $(PY) -m pytest
DESCRIBED := pyproject.toml constraints.txt src/unstained/version.py

.PHONY: help venv demo app test chromium test-fast lint results docs bench clean studies study-plate
.DEFAULT_GOAL := help

help:
	@echo "make demo       predict, measure and report a held-out field of real images (ARGS='--train' trains first)"
	@echo "make app        the web app, in a browser at http://localhost:8501 (ARGS='--plate P.zarr')"
	@echo "make test       all tests; make test-fast leaves the slow ones out"
	@echo "make lint       ruff, mypy --strict, import order"
	@echo "make results    docs/results.md from results/*.json;  make docs  docs/commands.md from the commands"
	@echo "make studies    the thesis' questions, answered on a simulated plate (3 hours on 2 cores; stopped, it goes on)"
	@echo "make bench      list what can be measured;  make clean  remove .venv and caches"
	@echo "TORCH=cpu       take PyTorch's CPU build (a tenth of the download; for machines without an NVIDIA GPU)"

demo: $(VENV)/.installed
	$(PY) -m unstained demo --out $(OUT) $(if $(filter demo,$(OUT)),--overwrite) $(ARGS)

app: $(VENV)/.installed-app
	$(PY) -m unstained app $(ARGS)

test: $(VENV)/.installed-dev chromium
	$(PYTEST) -n $(WORKERS) $(ARGS)

# The app is tested in a real browser. Debian's is installed where that is allowed; elsewhere one line says
# what is skipped. CHROMIUM=no leaves it out.
CHROMIUM ?= yes

chromium:
	@if command -v chromium >/dev/null || command -v chromium-browser >/dev/null || [ "$(CHROMIUM)" = no ]; then :; \
	elif [ "$$(id -u)" = 0 ] && [ -e /etc/debian_version ]; then \
		echo "installing Debian's chromium, for the tests of the app (once)"; \
		{ apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium; } \
			>/dev/null 2>&1 || echo "chromium can't be installed here: the app's tests in a browser are skipped"; \
	else echo "no chromium here: the app's tests in a browser are skipped (Debian: apt-get install chromium)"; fi

test-fast: $(VENV)/.installed-dev
	$(PYTEST) -n $(WORKERS) -m "not slow" $(ARGS)

lint: $(VENV)/.installed-dev
	$(PY) -m ruff check
	$(PY) -m mypy
	$(PYTEST) -k import_order tests/test_project.py

results: $(VENV)/.installed
	$(PY) benchmarks/results_table.py

docs: $(VENV)/.installed
	$(PY) docs/commands_page.py

# Two at a time, the longest first; they share what they train in $(STUDIES)/cache. Stopped, it goes on.
STUDIES ?= studies
MORE_STUDIES ?=
ALL_STUDIES := recipes phenotypes scale losses background embeddings stability downstream drift-power split gfp \
	harm tiling composites

studies: study-plate
	$(MAKE) -j2 $(ALL_STUDIES:%=study-%)
	$(PY) docs/studies_page.py $(STUDIES) $(MORE_STUDIES)

study-plate: $(VENV)/.installed
	test -e $(STUDIES)/plate.zarr/zarr.json || $(PY) -m unstained twin --out $(STUDIES)/plate.zarr \
		--wells 80 --fields 2 --days 0,60 --seed 303 --overwrite

study-%:
	OMP_NUM_THREADS=1 $(PY) -m unstained study $* $(STUDIES)/plate.zarr --input DIC --out $(STUDIES)/$* \
		--precision bf16 --overwrite

bench:
	@echo "each writes results/<id>.json; run one with: $(PY) benchmarks/NAME.py"
	@grep -l write_result benchmarks/*.py 2>/dev/null | grep -v -e record.py -e results_table.py || echo "(none yet)"

venv: $(VENV)/.installed-dev

$(VENV)/.installed: $(DESCRIBED) | $(PY)
	@echo "installing unstained into $(VENV) (once; some minutes)"
	@$(PIP) -e . || { echo "installing failed; the lines above say why (is the Python package index in reach?)"; exit 1; }
	@touch $@

$(VENV)/.installed-dev: $(DESCRIBED) | $(PY)
	@echo "installing unstained and what its tests need into $(VENV) (once; some minutes)"
	@$(PIP) -e '.[dev,app,vendor,cloud,cluster,embed,export,openvino,napari,readers]' || { echo "installing failed; the lines above say why (is the Python package index in reach?)"; exit 1; }
	@touch $(VENV)/.installed $@

$(VENV)/.installed-app: $(VENV)/.installed
	@echo "installing what the web app needs into $(VENV) (once)"
	@$(PIP) -e '.[app]' || { echo "installing failed; the lines above say why (is the Python package index in reach?)"; exit 1; }
	@touch $@

$(PY):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
		|| { echo "Python 3.11 or newer is needed, as '$(PYTHON)'; name another with: make PYTHON=..."; exit 1; }
	@$(PYTHON) -m venv $(VENV) >/dev/null 2>&1 \
		|| { rm -f $(PY); echo "'$(PYTHON) -m venv' failed; on Debian or Ubuntu: sudo apt install python3-venv"; exit 1; }
	@if [ "$(TORCH)" = cpu ]; then \
		echo "installing PyTorch's CPU build"; \
		$(PIP) --no-deps --index-url https://download.pytorch.org/whl/cpu torch || { rm -f $(PY); exit 1; }; \
	fi

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find src tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +
