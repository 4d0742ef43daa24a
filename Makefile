# Bare `make` prints what there is to make: the text behind each "##".

SHELL := /bin/bash
PATH  := $(PATH):/usr/sbin:/sbin:/usr/local/go/bin
export PATH

VERSION  := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
FUZZTIME ?= 100000x
LINT     := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
COMPILE  := scripts/compile.sh
ZIP      := GOARCH= CGO_ENABLED=0 go run -trimpath github.com/aws/aws-lambda-go/cmd/build-lambda-zip

.PHONY: help deps build functions demo test quick bench lint fuzz clean

help: ## print this
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-6s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## show it: two tenants, both ways of connecting, every microsecond (ARGS=… for enilab demo)
	@scripts/deps.sh demo
	@$(MAKE) --no-print-directory build
	@if [ "$$(id -u)" -ne 0 ] && command -v sudo >/dev/null && sudo -v; then exec sudo bin/enilab demo $(ARGS); else exec bin/enilab demo $(ARGS); fi

test: ## run every test, as root (through sudo) and as an ordinary user, with all set-up
	@scripts/deps.sh test
	@$(MAKE) --no-print-directory build
	@scripts/test.sh

quick: ## run the pure tests, and one test a package that touches the kernel
	@scripts/deps.sh test
	@scripts/test.sh quick

build: functions ## make bin/enilab and the example functions, bin/functions/*.zip
	@$(COMPILE) -ldflags '-s -w -X main.version=$(VERSION)' -o bin/enilab ./cmd/enilab

deps: ## install the Debian packages that demo and test need, if they are missing
	@scripts/deps.sh test

bench: ## run the benchmarks, then enilab compare
	@scripts/deps.sh test
	@$(MAKE) --no-print-directory build
	go test -run '^$$' -bench . -benchmem -exec $(CURDIR)/scripts/as-root.sh ./...
	scripts/as-root.sh bin/enilab compare $(ARGS)

lint: ## check style and architecture
	go mod tidy -diff
	go run $(LINT) run ./...

fuzz: ## run each fuzz target for FUZZTIME inputs (100000x)
	scripts/fuzz.sh $(FUZZTIME)

clean: ## remove what build made
	rm -rf bin

# A function's code is a zip with an executable named bootstrap. The same files give the same bytes.
functions: bin/functions/go.zip bin/functions/echo.zip bin/functions/nodejs.zip bin/functions/python.zip bin/functions/bash.zip
functions: $(if $(shell command -v javac),bin/functions/java.zip) # where a JDK is

bin/functions/go.zip: $(wildcard examples/functions/go/*.go) go.mod
	@$(COMPILE) -buildvcs=false -tags lambda.norpc -ldflags '-s -w' -o bin/functions/go/bootstrap ./examples/functions/go
	@$(ZIP) -o $@ bin/functions/go/bootstrap

bin/functions/echo.zip: examples/functions/echo/main.go go.mod
	@$(COMPILE) -buildvcs=false -ldflags '-s -w' -o bin/functions/echo/bootstrap ./examples/functions/echo
	@$(ZIP) -o $@ bin/functions/echo/bootstrap

bin/functions/nodejs.zip: from := examples/functions/node
bin/functions/python.zip: from := examples/functions/python
bin/functions/bash.zip: from := examples/functions/bash
bin/functions/nodejs.zip: $(wildcard examples/functions/node/*)
bin/functions/python.zip: $(wildcard examples/functions/python/*)
bin/functions/bash.zip: $(wildcard examples/functions/bash/*)
bin/functions/nodejs.zip bin/functions/python.zip bin/functions/bash.zip: go.mod
	@mkdir -p $(@D)
	@cd $(from) && $(ZIP) -o $(CURDIR)/$@ bootstrap $$(find * -type f ! -name bootstrap ! -name '*.md' ! -name '*_test*' ! -name '*.pyc' | sort)

bin/functions/java.zip: $(wildcard examples/functions/java/*) go.mod
	@mkdir -p $(@D)/java
	javac --release 11 -d $(@D)/java examples/functions/java/*.java
	cp examples/functions/java/bootstrap $(@D)/java/
	cd $(@D)/java && $(ZIP) -o $(CURDIR)/$@ bootstrap $$(find * -name '*.class' | sort)
