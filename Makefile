# SPDX-License-Identifier: Apache-2.0
# Two commands for newcomers (demo, test), and what helpers use. The build itself is CMake's.

BUILD := build/release
RUN := build/demo-run

.PHONY: all setup configure build demo test keras-table check-long format tidy install clean

all: build

setup:
	@tools/setup

configure: setup
	@mkdir -p build && { cmake --preset release >build/configure.log 2>&1 || { cat build/configure.log; exit 1; }; }

build: configure
	@cmake --build $(BUILD)

# Trains the Keras convnet on 4,000 MNIST digits, re-executes it and prints the SHA-256 of the result.
demo: configure
	@cmake --build $(BUILD) --target isobit
	@rm -rf $(RUN)
	$(BUILD)/isobit train examples/mnist/experiment.yaml -o $(RUN)
	$(BUILD)/isobit verify $(RUN) --vary threads,isa

test: build
	@ctest --test-dir $(BUILD) -L quick -j 2 --output-on-failure

# doc/keras-names.md, from what the code says.
keras-table: build
	@ISOBIT_WRITE_KERAS_TABLE=1 $(BUILD)/test_model_names

check-long: build
	@ctest --test-dir $(BUILD) -L long --output-on-failure

format:
	@clang-format -i $$(git ls-files '*.c' '*.h')

tidy: build
	@tools/tidy $(BUILD)

install: build
	@cmake --install $(BUILD)

clean:
	@rm -rf build
