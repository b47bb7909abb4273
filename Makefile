# The two commands: `make demo` builds a real cluster on this machine, `make test` proves the project.
# `make soak` kills runs and machines at every moment of which `make test` tries a sample, and more that takes long;
# `make host-test` builds clusters on real systems in QEMU, `make vagrant-test` on machines of Vagrant and libvirt;
# `make bench` measures, `make bench-kubeadm` beside kubeadm;
# `make conformance` runs Kubernetes' own conformance suite against a cluster of the lab;
# `make recording` makes the README's picture of a bootstrap anew; `make down` takes the demo's machines away.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
INVENTORY ?= inventory/lab.yaml
HARDWAY := .venv/bin/hardway
# What a fresh Debian 12 lacks: for the lab, for compiling what has no release here, for the tests.
LAB_PACKAGES = $(shell PYTHONPATH= $(PYTHON) hardway/lab/image/packages.py 2>/dev/null)
BUILD_PACKAGES := gcc libc6-dev libseccomp-dev pkg-config busybox-static
TEST_PACKAGES := openssh-server sudo haproxy keepalived openssl iproute2 vagrant
HOST_PACKAGES := qemu-system-x86 e2fsprogs
VAGRANT_PACKAGES := vagrant-libvirt libvirt-daemon-system libvirt-clients qemu-utils dnsmasq-base iptables
# One process has the machines of the lab, the other runs the tests that need none.
PYTEST := .venv/bin/python -m pytest -n 2 --no-loadscope-reorder

.PHONY: demo test soak host-test vagrant-test conformance bench bench-kubeadm recording lint down clean packages venv

demo: packages venv
	@$(HARDWAY) assets fetch $(INVENTORY)
	@$(HARDWAY) lab up $(INVENTORY)
	@$(HARDWAY) bootstrap $(INVENTORY)
	@$(HARDWAY) verify $(INVENTORY)
	@echo; echo "The cluster is up. Paste these lines to use it (hardway is .venv/bin/hardway):"
	@$(HARDWAY) env $(INVENTORY)

test: packages test-packages venv
	@.venv/bin/python -m ruff check hardway tests benchmarks
	@$(HARDWAY) assets fetch $(INVENTORY)
	@$(PYTEST) --durations=25 $(ARGS)

soak: packages test-packages venv
	@.ci/packages $(HOST_PACKAGES) $(VAGRANT_PACKAGES)
	@$(HARDWAY) assets fetch $(INVENTORY)
	@$(PYTEST) --soak -m "moments or soak" $(ARGS)

host-test: packages test-packages venv
	@.ci/packages $(HOST_PACKAGES)
	@.venv/bin/python -m pytest --soak -s tests/e2e/test_real_hosts.py $(ARGS)

conformance: packages test-packages venv
	@.venv/bin/python -m pytest --soak -s tests/conformance/test_conformance.py $(ARGS)

vagrant-test: packages test-packages venv
	@.ci/packages $(HOST_PACKAGES) $(VAGRANT_PACKAGES)
	@.venv/bin/python -m pytest --soak -s tests/vagrant/test_real_hypervisor.py $(ARGS)

bench: packages venv
	@.venv/bin/python benchmarks/bootstrap.py

bench-kubeadm: packages venv
	@.venv/bin/python benchmarks/kubeadm.py $(ARGS)

recording: packages venv
	@.venv/bin/python benchmarks/recording.py

lint: venv
	@.venv/bin/python -m ruff check hardway tests benchmarks

down:
	@$(HARDWAY) lab down $(INVENTORY)

clean:
	rm -rf .venv build dist *.egg-info

packages:
	@[ "$$(uname -s)" = Linux ] || { echo "The lab needs Linux (systemd-nspawn); on other systems use hardway with machines of your own: see README.md."; exit 1; }
	@[ "$$(id -u)" = 0 ] || { echo "The lab makes machines with their own network, which takes root: run this again with sudo."; exit 1; }
	@command -v apt-get >/dev/null || { echo "The lab is built from Debian packages and needs apt-get: use a Debian 12 machine."; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { echo "Python 3.11 or newer is needed: apt-get install python3, or say which with PYTHON=…"; exit 1; }
	@[ -d $${HARDWAY_CACHE:-$$HOME/.cache/hardway}/modules ] && exit 0; mkdir -p $${HARDWAY_CACHE:-$$HOME}; free=$$(df -Pm $${HARDWAY_CACHE:-$$HOME} | awk 'NR==2 {print $$4}'); [ "$$free" -ge 12000 ] || { echo "12 GB of disk are needed below $${HARDWAY_CACHE:-$$HOME}, $$free MB are free: free some, or point HARDWAY_CACHE at another disk."; exit 1; }
	@.ci/packages $(LAB_PACKAGES) $(BUILD_PACKAGES)

test-packages:
	@.ci/packages $(TEST_PACKAGES)

venv: .venv/.installed

.venv/.installed: setup.cfg pyproject.toml
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || .ci/packages python3-venv
	@echo "making .venv"
	@$(PYTHON) -m venv .venv
	@.venv/bin/python -m pip install -qq --disable-pip-version-check --upgrade pip
	@.venv/bin/python -m pip install -qq --disable-pip-version-check -e '.[test]'
	@touch $@
