# SPDX-License-Identifier: Apache-2.0
#
# Nodeseal.  `make demo` shows it, `make test` tests it; both install what is
# missing on Debian 12.  One non-recursive Makefile: sources by wildcard, one
# archive a folder, so that what a program links is what it can do.

VERSION := 0.1.0
PREFIX ?= /usr/local
DESTDIR ?=

# A flavour is another set of flags in another folder: release, asan, cov.
FLAVOUR ?= release
ifeq ($(FLAVOUR),release)
B := build
else
B := build/$(FLAVOUR)
endif

CC ?= gcc
CXX ?= g++
WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
	-Wpointer-arith -Wwrite-strings -Wcast-qual -Wformat=2 -Wvla -Wundef \
	-Wimplicit-fallthrough
WARNXX := -Wall -Wextra -Wshadow -Wpointer-arith -Wwrite-strings -Wcast-qual \
	-Wformat=2 -Wvla -Wundef -Wimplicit-fallthrough
WERROR ?=
HARDEN := -fPIE -fstack-protector-strong -fstack-clash-protection
HARDEN_release := -D_FORTIFY_SOURCE=2 -fcf-protection
OPT_release := -O2 -g
OPT_asan := -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all \
	-fno-omit-frame-pointer -include tests/lib/sanitized.h
OPT_clang := -O2 -g
OPT_gccw := -O2 -g
OPT_cov := -O0 -g --coverage
OPT_fuzz := -O1 -g -fsanitize=fuzzer-no-link,address,undefined \
	-fno-sanitize-recover=all -fno-omit-frame-pointer \
	-include tests/lib/sanitized.h
OPT_fuzzcov := -O1 -g -fprofile-instr-generate -fcoverage-mapping \
	-fsanitize=fuzzer-no-link
OPT := $(OPT_$(FLAVOUR)) $(HARDEN_$(FLAVOUR))
# A weakened build, the control of a security or crash test: WEAKEN=name.
ifneq ($(WEAKEN),)
B := build/weak-$(WEAKEN)$(if $(filter-out release,$(FLAVOUR)),-$(FLAVOUR))
OPT += -DWEAKEN_$(WEAKEN)
endif
CFLAGS_ALL := -std=gnu11 $(OPT) $(HARDEN) $(WARN) $(WERROR) -Iagent -I. -I$(B)/gen \
	-D_GNU_SOURCE -DNODESEAL_VERSION='"$(VERSION)"' -MMD -MP
CXXFLAGS_ALL := -std=gnu++17 $(OPT) $(HARDEN) $(WARNXX) $(WERROR) -Iagent -I. \
	-fno-exceptions -fno-rtti -MMD -MP
LDFLAGS_ALL := $(OPT) -pie -Wl,-z,relro,-z,now -Wl,--as-needed -Wl,--gc-sections

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.PRECIOUS: $(B)/obj/%.o $(B)/gen/%.pb-c.c $(B)/gen/%.pb-c.h

# --- programs: the folders that each one links, lowest last ---------------

PROGRAMS := $(B)/nodeseal $(B)/nodeseal-link $(B)/nodeseal-job \
	$(B)/nodeseal-fsproj $(B)/nodeseal-tpm
FOLDERS := $(filter-out agent/main.c,$(wildcard agent/*))
MODULES := $(notdir $(FOLDERS))

mods = $(foreach m,$(1),$(if $(wildcard agent/$(m)/*.c),$(B)/lib/$(m).a))
CORE_MODS := core cli keeper csi proj seal ipc model base
LINK_MODS := link kube net ipc base
JOB_MODS := job provider generator kube auth seal value net model ipc base
TPM_MODS := tpm seal ipc base

LIBS_core := -luv -lsodium -lnghttp2 -lprotobuf-c -lcjson -lqrencode
LIBS_job := -lcurl -lssl -lcrypto -lcjson -lyaml -lsodium -lre2 -lstdc++ -lcrypt
LIBS_link := -luv -lcurl -lssl -lcrypto -lcjson -lyaml -lmicrohttpd
LIBS_tpm := -ltss2-esys -ltss2-mu -lsodium
LIBS_all := $(sort $(LIBS_core) $(LIBS_link) $(LIBS_job) $(LIBS_tpm)) -lm

all: $(PROGRAMS)

$(B)/nodeseal: $(B)/obj/agent/main.o $(call mods,$(CORE_MODS))
	$(CC) $(LDFLAGS_ALL) -o $@ $< -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(LIBS_core) -lm
$(B)/nodeseal-link: $(call mods,$(LINK_MODS))
	$(CC) $(LDFLAGS_ALL) -o $@ -Wl,--start-group $^ -Wl,--end-group $(LIBS_link) -lm
$(B)/nodeseal-job: $(call mods,$(JOB_MODS))
	$(CXX) $(LDFLAGS_ALL) -o $@ -Wl,--start-group $^ -Wl,--end-group $(LIBS_job) -lm
$(B)/nodeseal-tpm: $(call mods,$(TPM_MODS))
	$(CC) $(LDFLAGS_ALL) -o $@ -Wl,--start-group $^ -Wl,--end-group $(LIBS_tpm)
FSPROJ_SRC := $(wildcard fsproj/*.c)
$(B)/nodeseal-fsproj: $(FSPROJ_SRC:%.c=$(B)/obj/%.o)
	$(CC) $(LDFLAGS_ALL) -o $@ $^

# --- objects and archives --------------------------------------------------

# The two small .proto files: generated code is built without our warnings.
PROTO := $(wildcard agent/csi/*.proto)
PROTO_C := $(PROTO:agent/%.proto=$(B)/gen/%.pb-c.c)
$(B)/gen/%.pb-c.c $(B)/gen/%.pb-c.h: agent/%.proto
	@mkdir -p $(B)/gen/csi
	protoc-c --proto_path=agent --c_out=$(B)/gen $<
$(B)/obj/gen/%.o: $(B)/gen/%.c
	@mkdir -p $(@D)
	$(CC) -std=gnu11 $(OPT) $(HARDEN) -w -I$(B)/gen -c -o $@ $<
# What includes a generated header must not be compiled before it exists.
$(patsubst %.c,$(B)/obj/%.o,$(wildcard agent/csi/*.c tests/*/csi*.c)): | $(PROTO_C)

$(B)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_ALL) -c -o $@ $<
# foo.c and foo.cc may stand side by side.
$(B)/obj/%.cc.o: %.cc
	@mkdir -p $(@D)
	$(CXX) $(CXXFLAGS_ALL) -c -o $@ $<

define archive
$(B)/lib/$(1).a: $(patsubst %.c,$(B)/obj/%.o,$(wildcard agent/$(1)/*.c)) \
		$(patsubst %.cc,$(B)/obj/%.cc.o,$(wildcard agent/$(1)/*.cc)) \
		$(if $(filter csi,$(1)),$(PROTO_C:$(B)/gen/%.c=$(B)/obj/gen/%.o))
	@mkdir -p $$(@D)
	@rm -f $$@
	ar rcs $$@ $$^
endef
$(foreach m,$(MODULES),$(eval $(call archive,$(m))))

-include $(shell find $(B)/obj -name '*.d' 2>/dev/null)

# --- tests -------------------------------------------------------------------

# One program a file: tests/unit/FOLDER_WHAT_test.c, linked with everything.
ALL_MODS := $(call mods,$(filter-out fsproj,$(MODULES)))
UNIT := $(patsubst tests/unit/%.c,$(B)/test/unit/%,$(wildcard tests/unit/*_test.c))
FUZZ := $(patsubst tests/fuzz/%.c,%,$(wildcard tests/fuzz/*_fuzz.c))
REPLAY := $(FUZZ:%=$(B)/test/replay/%)
TOOLS := $(patsubst tests/tools/%.c,$(B)/test/tools/%,$(wildcard tests/tools/*.c))
# A preload is no program.
BENCH := $(patsubst tests/bench/%.c,$(B)/test/bench/%,$(filter-out %/stop_in_main.c,$(wildcard tests/bench/*.c))) \
	$(B)/test/bench/stop_in_main.so

# A unit test's own main wins over nodeseal-job's: archives give only what is
# still missing.
link_all = $(CXX) $(LDFLAGS_ALL) -o $@ $(filter %.o,$^) \
	-Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(LIBS_all)
$(B)/test/unit/%: $(B)/obj/tests/unit/%.o $(B)/obj/tests/lib/one_case.o $(ALL_MODS)
	@mkdir -p $(@D)
	$(link_all) -lcmocka
$(B)/test/replay/%: $(B)/obj/tests/fuzz/%.o $(B)/obj/tests/fuzz/replay.o $(ALL_MODS)
	@mkdir -p $(@D)
	$(link_all)
$(B)/test/fuzz/%: $(B)/obj/tests/fuzz/%.o $(ALL_MODS)
	@mkdir -p $(@D)
	$(link_all) -fsanitize=fuzzer
$(B)/test/tools/%: $(B)/obj/tests/tools/%.o $(ALL_MODS)
	@mkdir -p $(@D)
	$(link_all)
$(B)/test/bench/%.so: tests/bench/%.c
	@mkdir -p $(@D)
	$(CC) $(WARN) -O2 -fPIC -shared -o $@ $<
$(B)/test/bench/%: $(B)/obj/tests/bench/%.o $(ALL_MODS)
	@mkdir -p $(@D)
	$(link_all)

# --- what people type -----------------------------------------------------------

DEPS := tests/lib/deps.sh
RUN := tests/lib/run.py --log $(B)/log
SCENARIOS := $(filter-out tests/scenario/peer_%,$(wildcard tests/scenario/*.py))
PEERS := $(wildcard tests/scenario/peer_*.py)
CLUSTER := $(wildcard tests/cluster/*.py)
# The sanitizers' own speed: shorter loops, longer patience.
SLOW_asan := --timeout 400
BUILT = NODESEAL_BUILD=$(abspath $(B))

# Installs what is missing, builds, and shows the main job.  STORE=openbao
# takes the real one (make test-peers has built it).
demo:
	$(DEPS) build test
	$(MAKE) --no-print-directory -s -j2 all
	tests/lib/demo.py $(if $(STORE),--store $(STORE))

test:
	$(DEPS) build test
	$(MAKE) --no-print-directory -s -j2 all testables
	$(MAKE) --no-print-directory -s run-tests

testables: $(UNIT) $(REPLAY) $(TOOLS)
run-tests:
	$(BUILT) $(RUN) $(SLOW_$(FLAVOUR)) $(UNIT) \
		$(foreach f,$(FUZZ),"$(B)/test/replay/$(f) tests/fuzz/corpus/$(f:_fuzz=)") \
		"tests/lib/corpus.py tests/vector/corpus" \
		"tests/lib/corpus_renamed.py tests/vector/corpus" \
		$(SCENARIOS) $(if $(filter release,$(FLAVOUR)),$(SOURCE_TESTS))
# About the sources and the products, not about a flavour.
SOURCE_TESTS := tests/lib/floors_test.py tests/lib/controls_test.py \
	tests/lib/monitoring_test.py tests/lib/seccomp_test.py \
	tests/lib/bench_test.py

test-asan:
	$(DEPS) build test
	$(MAKE) --no-print-directory -s -j2 FLAVOUR=asan all testables
	$(MAKE) --no-print-directory -s FLAVOUR=asan run-tests

# Every defence is taken out once, and its test must notice.
test-controls:
	$(DEPS) build test
	$(MAKE) --no-print-directory -s -j2 all testables
	$(MAKE) --no-print-directory -s -j2 FLAVOUR=asan all replays
	tests/lib/controls.py
replays: $(REPLAY)

# The long form of what `make test` does in short, and the controls.
test-security:
	$(DEPS) build test
	$(MAKE) --no-print-directory -s -j2 all testables
	$(MAKE) --no-print-directory -s -j2 FLAVOUR=asan all replays
	$(BUILT) KILLS=200 LONG=1 tests/lib/run.py --jobs 1 --timeout 500 \
		--log $(B)/log/security $(LONG_TESTS)
# One after another: the races want both processors.
LONG_TESTS := tests/lib/controls.py tests/scenario/crash.py \
	tests/scenario/bad_stores.py \
	"$(B)/test/unit/fsproj_attack_test 1000000" \
	"$(B)/test/unit/fsproj_crash_test 1"

# Against a real OpenBao and csi-sanity, built once outside the tree.
test-peers:
	$(DEPS) build test peers
	tests/tools/peers.sh
	$(MAKE) --no-print-directory -s -j2 all testables
	$(BUILT) $(RUN) --timeout 400 $(PEERS)

# Against a real Kubernetes and a real OpenBao, built once outside the tree.
test-cluster: image
	$(DEPS) test cluster
	tests/tools/peers.sh cluster
	$(MAKE) --no-print-directory -s -j2 testables
	$(BUILT) $(RUN) --jobs 1 --timeout 600 $(CLUSTER)

# The container image, without a daemon or a registry.
image:
	$(DEPS) build image
	$(MAKE) --no-print-directory -s -j2 all
	daemonset/image/build.py $(B) $(B)/nodeseal.oci.tar

# Include floors, gates, links; both compilers without a warning; format.
check:
	$(DEPS) build test clang
	$(MAKE) --no-print-directory -s -j2 all
	tests/lib/floors.py . $(B)
	tests/lib/controls.py --names
	tests/lib/format.py .
	$(MAKE) --no-print-directory -s -j2 FLAVOUR=gccw WERROR=-Werror all testables
	$(MAKE) --no-print-directory -s -j2 FLAVOUR=clang CC=clang CXX=clang++ WERROR=-Werror all testables

# Ratios in one run; needs the peers for the comparison with a real store.
bench:
	$(DEPS) build test
	tests/tools/peers.sh bench
	$(MAKE) --no-print-directory -s -j2 all testables $(BENCH)
	$(BUILT) tests/bench/bench.py

# A minute a target, or RUNS executions: `make fuzz FUZZ=yaml_fuzz RUNS=10000000`
RUNS ?=
fuzz:
	$(DEPS) build clang
	$(MAKE) --no-print-directory -s -j2 FLAVOUR=fuzz CC=clang CXX=clang++ \
		$(FUZZ:%=build/fuzz/test/fuzz/%)
	tests/lib/fuzz.py $(if $(RUNS),--runs $(RUNS)) $(FUZZ)

install: all
	install -D -m 755 $(B)/nodeseal $(DESTDIR)$(PREFIX)/bin/nodeseal
	install -D -m 755 -t $(DESTDIR)$(PREFIX)/libexec/nodeseal \
		$(B)/nodeseal-link $(B)/nodeseal-job $(B)/nodeseal-fsproj \
		$(B)/nodeseal-tpm
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/man/man8 agent/cli/nodeseal.8
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/man/man1 agent/cli/nodeseal-render.1

clean:
	rm -rf build

.PHONY: all demo test testables run-tests test-asan test-peers test-controls \
	replays test-security test-cluster image check bench fuzz install clean
