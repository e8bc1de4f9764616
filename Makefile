# SPDX-License-Identifier: Apache-2.0
#
# cmkfs: customer-managed-key filesystem.  `make help` lists the targets.
#
# Settings, on the command line or from the environment:
#   CC=gcc            compiler (gcc ≥ 12 and clang ≥ 14 are tried)
#   CFLAGS, LDFLAGS   added to what the build needs
#   WERROR=1          warnings are errors
#   V=1               show the commands
#   O=build           where everything that is made goes
#   FUSE=3.18         with that libfuse instead of the system's: built from Debian's
#                     source package by make deps FUSE=3.18; O is then build/with-fuse-3.18
#   PREFIX=/usr/local, DESTDIR=   for install and uninstall
#   WITHOUT=libcurl   build without the key providers that need it; also p11-kit-1
#   TEST_WRAPPER=     put before each unit test, e.g. valgrind
#   BENCH=            options of tests/bench/bench.py, e.g. --on disk --runs 3
#   SCALE=            options of tests/bench/scale.py: the whole takes an hour and 30 GiB
#   CASES=GLOB        only these of tests/cases, e.g. CASES='cmd-*'

VERSION := 0.1.0

CC ?= gcc
ifeq ($(origin CC),default)
CC := gcc
endif
AR ?= ar
INSTALL ?= install
PKG_CONFIG ?= pkg-config
O ?= build$(if $(FUSE),/with-fuse-$(FUSE))
# One spelling, since the dependencies of an object are on record by its name.
override O := $(patsubst $(CURDIR)/%,%,$(abspath $(O)))
fuse_prefix := $(if $(FUSE),$(CURDIR)/build/fuse-$(FUSE))
ifdef FUSE
export FUSE
PKG_CONFIG := PKG_CONFIG_PATH='$(fuse_prefix)/lib/pkgconfig' $(PKG_CONFIG)
# Else the system's library would be taken without a word.
fuse_there = $(if $(wildcard $(fuse_prefix)/lib/libfuse3.a),,$(error run make deps FUSE=$(FUSE) first))
endif
PREFIX ?= /usr/local
BINDIR ?= $(PREFIX)/bin
# mount(8) looks for helpers in /sbin and /usr/sbin and nowhere else.
HELPERDIR ?= /usr/sbin
MANDIR ?= $(PREFIX)/share/man
UNITDIR ?= $(PREFIX)/lib/systemd/system
COMPLETIONDIR ?= $(PREFIX)/share/bash-completion/completions
CFLAGS ?= -O2 -g
JOBS ?= $(shell nproc 2>/dev/null || echo 2)

PKGS := fuse3 libssl libcrypto sqlite3 jansson inih

# Libraries for key providers: what is missing, or named in WITHOUT, takes its
# rooms under keyprov/ and their tests (test_kp_ROOM*, fuzz_kp_ROOM*) with it, and the program is built with
# the rest.  keyprov/providers.c asks for HAVE_LIBCURL and the like.
optional := libcurl p11-kit-1
rooms_libcurl := net azure vault aws kmip
rooms_p11-kit-1 := pkcs11
have := $(foreach p,$(filter-out $(WITHOUT),$(optional)),$(shell $(PKG_CONFIG) --exists $(p) && echo $(p)))
left_out := $(foreach p,$(filter-out $(have),$(optional)),$(rooms_$(p)))
have_flags := $(foreach p,$(have),-DHAVE_$(shell echo $(p) | tr 'a-z-' 'A-Z_'))
PKGS += $(have)
pkg_cflags := $(shell $(PKG_CONFIG) --cflags $(PKGS) 2>/dev/null)
pkg_libs := $(shell $(PKG_CONFIG) --libs $(PKGS) 2>/dev/null)
cmocka_libs := $(shell $(PKG_CONFIG) --libs cmocka 2>/dev/null || echo -lcmocka)

warnings := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla \
	$(if $(WERROR),-Werror)
all_cflags = -std=gnu11 -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -DFUSE_USE_VERSION=312 \
	-DCMKFS_VERSION='"$(VERSION)"' -I. $(warnings) -pthread -fstack-protector-strong \
	$(fuse_there) $(have_flags) $(pkg_cflags) $(CFLAGS) $(CPPFLAGS)
all_ldflags = -pthread -Wl,-z,relro,-z,now $(CFLAGS) $(LDFLAGS)

ifeq ($(V),1)
Q :=
say = @:
else
Q := @
say = @printf '  %-7s %s\n'
endif

# ---- what is built from what: each room is a wildcard ------------------------

crypto_src := $(wildcard crypto/*.c)
keyprov_src := $(filter-out $(left_out:%=keyprov/%/%),$(wildcard keyprov/*.c keyprov/*/*.c))
store_src := $(wildcard fs/store/*.c)
fs_src := $(wildcard fs/lib/*.c fs/bench/*.c fs/mount/*.c fs/cmd/*.c)
testlib_src := $(wildcard tests/lib/*.c)
unit_src := $(filter-out $(foreach r,$(left_out),$(wildcard tests/unit/test_kp_$(r)*.c)), \
	$(wildcard tests/unit/test_*.c))
fuzz_src := $(filter-out $(foreach r,$(left_out),$(wildcard tests/fuzz/fuzz_kp_$(r)*.c)), \
	$(wildcard tests/fuzz/fuzz_*.c))
bench_src := $(wildcard tests/bench/*.c)
posix_src := $(wildcard tests/posix/*.c)
shadow_src := $(wildcard tests/shadow/*.c)

obj = $(patsubst %.c,$(O)/%.o,$(1))
libs := $(O)/libcmk_fs.a $(O)/libcmk_store.a $(O)/libcmk_keyprov.a $(O)/libcmk_crypto.a
testlib := $(O)/libcmk_test.a
unit_bin := $(patsubst tests/unit/%.c,$(O)/%,$(unit_src))
fuzz_bin := $(patsubst tests/fuzz/%.c,$(O)/%,$(fuzz_src))
token_bin := $(if $(filter p11-kit-1,$(have)),$(O)/p11key $(O)/p11shim.so)
bench_bin := $(patsubst tests/bench/%.c,$(O)/bench/%,$(bench_src))
all_obj := $(call obj,$(crypto_src) $(keyprov_src) $(store_src) $(fs_src) fs/main.c \
	$(testlib_src) $(unit_src) $(fuzz_src) $(bench_src) $(posix_src) $(shadow_src) \
	tests/fuzz/replay.c) \
	$(if $(token_bin),$(addprefix $(O)/tests/servers/,p11key.o p11shim.o p11oaep.o))
helpers := $(O)/mount.cmkfs $(O)/mount.fuse.cmkfs
units := cmkfs@.service cmkfs-maintain.service cmkfs-maintain.timer
man_pages := $(wildcard man/*.[1578])

.PHONY: all tests help deps fuse deps-demo deps-lint demo check check-unit \
	check-mount check-providers check-long servers asan lint layers bench \
	bench-quick bench-scale install uninstall clean version FORCE
.DELETE_ON_ERROR:

all: $(O)/cmkfs $(helpers)

tests: all $(unit_bin) $(fuzz_bin) $(bench_bin) $(O)/posix $(O)/shadow $(token_bin)

$(O)/libcmk_crypto.a: $(call obj,$(crypto_src))
$(O)/libcmk_keyprov.a: $(call obj,$(keyprov_src))
$(O)/libcmk_store.a: $(call obj,$(store_src))
$(O)/libcmk_fs.a: $(call obj,$(fs_src))
$(testlib): $(call obj,$(testlib_src))

$(O)/%.a: $(O)/.files
	$(say) AR $@
	$(Q)rm -f $@ && $(AR) rcs $@ $(filter %.o,$^)

$(O)/%.o: %.c $(O)/.flags
	$(say) CC $<
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(all_cflags) -MMD -MP -c -o $@ $<

$(O)/cmkfs: $(O)/fs/main.o $(libs)
	$(say) LINK $@
	$(Q)$(CC) $(all_ldflags) -o $@ $^ $(pkg_libs)

$(helpers): $(O)/cmkfs
	$(Q)ln -sf cmkfs $@

# A test may name linker options of its own in a line `/* link: -Wl,--wrap=fsync */`.
own_link = $$(sed -n 's,^/\* link: \(.*\) \*/$$,\1,p' $(1))

$(unit_bin): $(O)/test_%: $(O)/tests/unit/test_%.o $(testlib) $(libs)
	$(say) LINK $@
	$(Q)$(CC) $(all_ldflags) $(call own_link,tests/unit/test_$*.c) -o $@ $^ $(cmocka_libs) $(pkg_libs)

$(fuzz_bin): $(O)/fuzz_%: $(O)/tests/fuzz/fuzz_%.o $(O)/tests/fuzz/replay.o $(testlib) $(libs)
	$(say) LINK $@
	$(Q)$(CC) $(all_ldflags) -o $@ $^ $(pkg_libs)

$(bench_bin): $(O)/bench/%: $(O)/tests/bench/%.o $(testlib) $(libs)
	$(say) LINK $@
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(all_ldflags) -o $@ $^ $(pkg_libs)

$(O)/posix: $(call obj,$(posix_src)) $(O)/.files
$(O)/shadow: $(call obj,$(shadow_src)) $(O)/.files
$(O)/posix $(O)/shadow:
	$(say) LINK $@
	$(Q)$(CC) $(all_ldflags) -o $@ $(filter %.o,$^)

$(O)/p11key: $(O)/tests/servers/p11key.o
	$(say) LINK $@
	$(Q)$(CC) $(all_ldflags) -o $@ $^

# It is loaded by programs of others, which have no sanitizer.
$(O)/p11shim.so: override CFLAGS := $(filter-out -fsanitize% -fno-sanitize%,$(CFLAGS)) -fPIC
$(O)/p11shim.so: $(O)/tests/servers/p11shim.o $(O)/tests/servers/p11oaep.o
	$(say) LINK $@
	$(Q)$(CC) $(all_ldflags) -shared -o $@ $^ -lcrypto

# Rewritten only when what they say changes: other flags rebuild all, a file
# that came or went rebuilds the archives.
stamp = @mkdir -p $(O); printf '%s\n' '$(subst ','\'',$(1))' | cmp -s - $@ || \
	printf '%s\n' '$(subst ','\'',$(1))' > $@
$(O)/.flags: FORCE
	$(call stamp,$(CC) $(all_cflags) $(all_ldflags) $(pkg_libs))
$(O)/.files: FORCE
	$(call stamp,$(crypto_src) $(keyprov_src) $(store_src) $(fs_src) $(testlib_src) \
	$(posix_src) $(shadow_src))
FORCE:

-include $(all_obj:.o=.d)

# ---- dependencies, demo ------------------------------------------------------

deps: fuse ## install what is missing on Debian 12, and say what
	@fs/dist/deps.sh build demo check

fuse:
	$(if $(FUSE),@fs/dist/deps.sh build fuse && fs/dist/fuse.sh $(FUSE) $(fuse_prefix))

deps-demo:
	@fs/dist/deps.sh build demo

deps-lint:
	@fs/dist/deps.sh build check lint

demo: deps-demo ## two minutes' tour with real files (DATA=folder)
	@$(MAKE) --no-print-directory -j$(JOBS) all
	@CMKFS=$(abspath $(O))/cmkfs tests/demo.sh $(DATA)

# ---- checks --------------------------------------------------------------------

run_tests = +@$(MAKE) --no-print-directory -j$(JOBS) tests && \
	O='$(abspath $(O))' TEST_WRAPPER='$(TEST_WRAPPER)' CASES='$(CASES)' tests/run.sh

servers: ## install the key servers that the provider cases start, under O
	@O='$(abspath $(O))' tests/servers/install.sh

check: deps servers ## unit tests, vectors, corpus and mount cases
	$(run_tests) unit fuzz cases

check-unit: deps ## unit tests, vectors and corpus: no mount, no root
	$(run_tests) unit fuzz

check-mount: deps servers ## cases with real mounts
	$(run_tests) cases

check-providers: deps servers ## a volume's life on every key server, and the table of it
	+@$(MAKE) --no-print-directory -j$(JOBS) tests && O='$(abspath $(O))' tests/providers.sh

check-long: deps servers ## all of check, and the long cases
	$(run_tests) unit fuzz cases long

asan: deps ## check under the address and undefined-behaviour sanitizers
	+@ASAN_OPTIONS=detect_leaks=1:abort_on_error=0 UBSAN_OPTIONS=print_stacktrace=1 \
		$(MAKE) --no-print-directory O=$(O)/asan JOBS=$(JOBS) \
		CFLAGS='-O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=undefined' \
		check

lint: deps-lint ## gcc and clang without a warning, shell scripts, man pages, spelling
	+@$(MAKE) --no-print-directory -j$(JOBS) O=$(O)/lint-gcc CC=gcc WERROR=1 tests
	+@$(MAKE) --no-print-directory -j$(JOBS) O=$(O)/lint-clang CC=clang WERROR=1 tests
	@tests/lib/lint.sh $(man_pages)

layers: all ## dependencies point down only
	@O=$(O) tests/lib/layers.sh

bench: deps ## figures beside the raw directory and other encrypted filesystems, and as $(O)/bench.json
	+@$(MAKE) --no-print-directory -j$(JOBS) tests
	@O='$(abspath $(O))' python3 tests/bench/bench.py --json '$(O)/bench.json' $(BENCH)

bench-quick: ## the same in two minutes, with little data
	+@$(MAKE) --no-print-directory bench BENCH='--quick $(BENCH)'

bench-scale: deps ## what files cost as they become more, and larger (SCALE='--on DIR --json FILE')
	+@$(MAKE) --no-print-directory -j$(JOBS) tests
	@O='$(abspath $(O))' python3 -B tests/bench/scale.py $(SCALE)

# ---- installation ---------------------------------------------------------------

install: all ## into DESTDIR, PREFIX
	$(INSTALL) -d $(DESTDIR)$(BINDIR) $(DESTDIR)$(HELPERDIR) $(DESTDIR)$(UNITDIR) $(DESTDIR)$(COMPLETIONDIR)
	$(INSTALL) -m 0755 $(O)/cmkfs $(DESTDIR)$(BINDIR)/cmkfs
	ln -sf $(BINDIR)/cmkfs $(DESTDIR)$(HELPERDIR)/mount.cmkfs
	ln -sf $(BINDIR)/cmkfs $(DESTDIR)$(HELPERDIR)/mount.fuse.cmkfs
	for u in $(units); do \
		sed 's,@BINDIR@,$(BINDIR),' fs/dist/$$u > $(DESTDIR)$(UNITDIR)/$$u && \
		chmod 0644 $(DESTDIR)$(UNITDIR)/$$u || exit 1; done
	$(INSTALL) -m 0644 fs/dist/cmkfs.bash $(DESTDIR)$(COMPLETIONDIR)/cmkfs
	for p in $(man_pages); do \
		$(INSTALL) -D -m 0644 $$p $(DESTDIR)$(MANDIR)/man$${p##*.}/$${p##*/} || exit 1; done

uninstall: ## what install made
	rm -f $(DESTDIR)$(BINDIR)/cmkfs $(DESTDIR)$(HELPERDIR)/mount.cmkfs \
		$(DESTDIR)$(HELPERDIR)/mount.fuse.cmkfs $(DESTDIR)$(COMPLETIONDIR)/cmkfs
	for u in $(units); do rm -f $(DESTDIR)$(UNITDIR)/$$u; done
	for p in $(man_pages); do rm -f $(DESTDIR)$(MANDIR)/man$${p##*.}/$${p##*/}; done

clean: ## remove what was built
	rm -rf $(O)

version:
	@echo $(VERSION)

help: ## this
	@echo 'Targets:'
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  \1|\2/p' Makefile | awk -F'|' '{ printf "%-14s %s\n", $$1, $$2 }'
	@echo 'Settings:'
	@sed -n '/^# Settings/,/^$$/s/^#   /  /p' Makefile
