# `make demo` builds a real cluster on this machine, `make down` stops its machines, `make test` tests the project;
# `make soak` runs the long tests: it kills runs and machines at every moment, where `make test` takes a sample, and tries
# generated examples that nobody has seen;
# `make host-test` builds clusters on real systems in QEMU, `make vagrant-test` on machines of Vagrant and libvirt;
# `make bench` measures hardway, `make bench-kubeadm` compares it with kubeadm, `make bench-scale` measures how the cost
# of a plan grows with the number of hosts;
# `make conformance` runs Kubernetes' own conformance suite against a lab cluster;
# `make recording` records the README's picture of a bootstrap again.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
INVENTORY ?= inventory/lab.yaml
HARDWAY := .venv/bin/hardway
# Packages that a fresh Debian 12 lacks: for the lab, for compiling, for the tests.
LAB_PACKAGES = $(shell PYTHONPATH= $(PYTHON) hardway/lab/image/packages.py 2>/dev/null)
BUILD_PACKAGES := gcc libc6-dev libseccomp-dev pkg-config busybox-static
TEST_PACKAGES := openssh-server sudo haproxy keepalived openssl iproute2 iptables vagrant age
HOST_PACKAGES := qemu-system-x86 e2fsprogs
VAGRANT_PACKAGES := vagrant-libvirt libvirt-daemon-system libvirt-clients qemu-utils dnsmasq-base
# What `make check` runs: nothing that takes long, and nothing that needs a server or a machine.
FAST := not slow and not lab and not sshd and not failure
FAST_FOLDERS := --ignore=tests/e2e --ignore=tests/failures --ignore=tests/ssh --ignore=tests/vagrant
PYTEST := .venv/bin/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

.PHONY: demo check test soak host-test vagrant-test conformance bench bench-kubeadm bench-scale recording down clean packages venv

demo: packages venv
	@$(HARDWAY) assets fetch $(INVENTORY)
	@$(HARDWAY) lab up $(INVENTORY)
	@$(HARDWAY) bootstrap $(INVENTORY)
	@$(HARDWAY) verify $(INVENTORY)
	@echo; echo "The cluster is up. To use it, paste these lines (hardway is .venv/bin/hardway):"
	@$(HARDWAY) env $(INVENTORY)

check: venv
	@.venv/bin/python -m ruff check -q hardway tests benchmarks
	@.venv/bin/python -m ruff format -q --check hardway tests benchmarks
	@.venv/bin/python -m mypy
	@CI= $(PYTEST) -q -m "$(FAST)" $(FAST_FOLDERS) $(ARGS)

test: packages test-packages venv
	@$(HARDWAY) assets fetch $(INVENTORY)
	@$(PYTEST) --durations=25 $(ARGS)

soak: packages test-packages venv
	@.ci/packages $(HOST_PACKAGES) $(VAGRANT_PACKAGES)
	@$(HARDWAY) assets fetch $(INVENTORY)
	@.venv/bin/python -m pytest --soak -m "moments or soak or hypothesis" $(ARGS)

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

bench-scale: test-packages venv
	@.venv/bin/python benchmarks/scale.py $(ARGS)

recording: packages venv
	@.venv/bin/python benchmarks/recording.py

down:
	@$(HARDWAY) lab down $(INVENTORY)

clean:
	rm -rf .venv build dist *.egg-info

packages:
	@[ "$$(uname -s)" = Linux ] || { echo "The lab needs Linux (systemd-nspawn). On other systems use hardway with your own machines: see README.md."; exit 1; }
	@[ "$$(id -u)" = 0 ] || { echo "The lab needs root, because it creates machines with their own network: run this again with sudo."; exit 1; }
	@command -v apt-get >/dev/null || { echo "The lab needs apt-get, because it is built from Debian packages: use a Debian 12 machine."; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { echo "Python 3.11 or newer is needed: apt-get install python3, or set PYTHON=PATH"; exit 1; }
	@[ -d $${HARDWAY_CACHE:-$$HOME/.cache/hardway}/modules ] && exit 0; mkdir -p $${HARDWAY_CACHE:-$$HOME}; free=$$(df -Pm $${HARDWAY_CACHE:-$$HOME} | awk 'NR==2 {print $$4}'); [ "$$free" -ge 12000 ] || { echo "$${HARDWAY_CACHE:-$$HOME} needs 12 GB of free disk and has $$free MB: free some, or set HARDWAY_CACHE to another disk."; exit 1; }
	@.ci/packages $(LAB_PACKAGES) $(BUILD_PACKAGES)

test-packages:
	@.ci/packages $(TEST_PACKAGES)

venv: .venv/.installed

.venv/.installed: setup.cfg pyproject.toml
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || .ci/packages python3-venv
	@echo "creating .venv"
	@$(PYTHON) -m venv .venv
	@.venv/bin/python -m pip install -qq --disable-pip-version-check --upgrade pip
	@.venv/bin/python -m pip install -qq --disable-pip-version-check -e '.[test]'
	@touch $@
