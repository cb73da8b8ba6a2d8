# The two README commands. Each sets up all it needs; only Python and make must
# be there.
PYTHON ?= python3
PIP := -m pip install --quiet --disable-pip-version-check
BIN := .venv/bin
OUT := build/demo
BUNDLE ?= $(OUT)/bundle
RECIPE := data_specs/recipes/demo.toml

export TF_CPP_MIN_LOG_LEVEL := 3

.PHONY: test demo pi web devices backends slow fuzz soak audit licences lint clean

# Two processes, a file of tests at a time.
test: .venv/installed .venv-device/installed
	$(BIN)/python -m pytest -n 2 --dist loadfile \
		--no-loadscope-reorder

# From raw files to an int8 answer, command by command.
demo: .venv/installed .venv-device/installed
	rm -rf $(OUT)
	$(BIN)/mmkeras demo --out $(OUT)/raw
	$(BIN)/mmkeras prepare $(OUT)/raw/demo.toml --out $(OUT)/data
	$(BIN)/mmkeras train $(OUT)/data --model $(RECIPE) --strategy full \
		--out $(OUT)/run-full
	$(BIN)/mmkeras train $(OUT)/data --model $(RECIPE) --strategy component \
		--out $(OUT)/run-component
	$(BIN)/mmkeras evaluate $(OUT)/run-component --no-baselines
	$(BIN)/mmkeras evaluate $(OUT)/run-full
	# The test split has 225 samples: a single one is 0.4 points.
	$(BIN)/python -m mmkeras.export $(OUT)/run-full --quantize int8 \
		--max-drop 0.02 --out $(OUT)/bundle
	# A Python that has NumPy and ai-edge-litert only.
	! .venv-device/bin/python -c 'import tensorflow' 2>/dev/null
	.venv-device/bin/python $(OUT)/bundle/run.py \
		--image $(OUT)/raw/images/0000.png --audio $(OUT)/raw/audio/0000.wav
	$(BIN)/mmkeras card $(OUT)/bundle
	@echo "report: $(OUT)/run-full/evaluation/report.html"

# A hundred answers of a bundle, on an emulated Raspberry Pi and here.
pi: .venv/installed build/pi/installed
	$(BIN)/python export/pi/compare.py $(BUNDLE) --python build/pi/python

# A bundle as a page for a phone's browser.
web: .venv/installed
	$(BIN)/python export/web/build.py $(BUNDLE) build/web
	$(BIN)/python export/web/serve.py build/web

# What the tests of both need: Chromium, its runtimes, the emulated machine.
devices: .venv/installed build/pi/installed
	$(BIN)/python export/web/build.py --fetch
	command -v chromium || (apt-get -qq update && \
		apt-get -qq install -y chromium)

# Keras' other backends, which the parts must agree with. Pinned, since there
# is a build of it for machines without a GPU.
backends: .venv/installed
	$(BIN)/python $(PIP) jax torch==2.13.0

build/pi/installed: export/pi/setup.sh .venv/installed
	bash export/pi/setup.sh build/pi $(BIN)/python

# What takes minutes, and so is left out of `make test`.
slow: .venv/installed .venv-device/installed
	$(BIN)/python -m pytest -m slow

# Damage by the thousand, counted by fault; FUZZ="--faults 3,27 --tries 50".
fuzz: .venv/installed .venv-device/installed
	$(BIN)/python tests/faults/fuzz.py $(FUZZ)

# The whole road under random kills, a full disk, little memory and two
# writers, for a quarter of an hour; SOAK="--minutes 3 --seed 7".
soak: .venv/installed .venv-device/installed
	$(BIN)/python tests/faults/soak.py $(SOAK)

# Known holes in what is installed, asked of the database of PyPI; without
# the network, it says that nothing was audited. In an environment of its own.
audit: .venv/installed
	test -x build/audit/bin/pip-audit || ($(PYTHON) -m venv build/audit && \
		build/audit/bin/python $(PIP) pip-audit)
	$(BIN)/python benchmarks/audit.py build/audit/bin/pip-audit \
		"$$($(BIN)/python -c 'import sysconfig as s; print(s.get_path("purelib"))')"

# Licences of all that an installation needs; a GPL ends in an error.
licences: .venv/installed
	$(BIN)/python benchmarks/licences.py

lint: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

.venv/installed: setup.cfg
	$(PYTHON) -m venv .venv
	$(BIN)/python $(PIP) --editable '.[dev]'
	touch $@

.venv-device/installed:
	$(PYTHON) -m venv .venv-device
	.venv-device/bin/python $(PIP) numpy ai-edge-litert
	touch $@

clean:
	rm -rf build .venv .venv-device
