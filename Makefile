# pam_jit: build, test, show, install. `make help` lists the targets.

# One place: what a program says of itself, a package is called and a tarball holds.
VERSION := $(shell cat VERSION)
PREFIX ?= /usr
DESTDIR ?=
# Debian: lib/x86_64-linux-gnu; Fedora: lib64.
MULTIARCH := $(shell $(CC) -print-multiarch 2>/dev/null)
PAM_MODULE_DIR ?= $(PREFIX)/$(if $(MULTIARCH),lib/$(MULTIARCH),$(if $(wildcard /usr/lib64),lib64,lib))/security
DOC_DIR ?= $(PREFIX)/share/doc/pam-jit
HOST_EXAMPLES ?= $(PREFIX)/share/pam-jit/examples
BROKER_EXAMPLES ?= $(PREFIX)/share/jit-broker/examples
UNIT_DIR ?= $(PREFIX)/lib/systemd/system
APPARMOR_DIR ?= /etc/apparmor.d
MAN_DIR ?= $(PREFIX)/share/man
BASH_DIR ?= $(PREFIX)/share/bash-completion/completions
FISH_DIR ?= $(PREFIX)/share/fish/vendor_completions.d
# Where Debian's zsh looks, and others'.
ZSH_DIR ?= $(PREFIX)/share/zsh/$(if $(MULTIARCH),vendor-completions,site-functions)

CC ?= gcc
PKG_CONFIG ?= pkg-config
# SAN=1: AddressSanitizer and UBSan, in a build folder of its own.
SAN ?=
B ?= build$(if $(SAN),/san)

WARN := -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wwrite-strings \
	-Wformat=2 -Wundef -Wvla -Werror
HARDEN = -fstack-protector-strong -fstack-clash-protection -fno-delete-null-pointer-checks -fno-strict-overflow -fPIC
ifeq ($(SAN),)
# A distribution brings its own level.
HARDEN += $(if $(findstring _FORTIFY_SOURCE,$(CFLAGS) $(CPPFLAGS)),,-D_FORTIFY_SOURCE=2)
else
SANFLAGS := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
endif
CFLAGS ?= -O2 -g
ALL_CFLAGS = -std=gnu17 -D_GNU_SOURCE -DJIT_VERSION='"$(VERSION)"' -fvisibility=hidden $(WARN) $(HARDEN) $(SANFLAGS) \
	$(CPPFLAGS) $(CFLAGS) -Icommon $(PKG_CFLAGS)
LDHARDEN = $(LDFLAGS) -Wl,-z,relro,-z,now,-z,noexecstack,--as-needed $(SANFLAGS)

PACKAGES := json-c libcurl libevent libevent_openssl inih openssl sqlite3 expat zlib jose libsystemd libseccomp
PKG_CFLAGS := $(shell $(PKG_CONFIG) --cflags $(PACKAGES) 2>/dev/null)
pkg_libs = $(shell $(PKG_CONFIG) --libs $(1))

O := $(B)/obj
objects = $(patsubst %.c,$(O)/%.o,$(1))
# Rooms. common/ is linked as an archive: each program takes what it calls.
COMMON := $(call objects,$(wildcard common/*.c))
MODULE := $(call objects,$(wildcard pam_jit/*.c) common/frame.c common/text.c common/clock.c common/safefile.c \
	common/safepath.c common/args.c common/grace.c)
# jit shares the helper's folder: its files are jit*.c. What the doctor knows, doctor*.c, both programs use.
JIT_SOURCES := $(wildcard jit-helper/jit*.c)
DOCTOR_SOURCES := $(wildcard jit-helper/doctor*.c)
JIT := $(call objects,$(JIT_SOURCES))
DOCTOR := $(call objects,$(DOCTOR_SOURCES))
HELPER := $(call objects,$(filter-out $(JIT_SOURCES) $(DOCTOR_SOURCES),$(wildcard jit-helper/*.c)))
# bootstrap is the broker as AWS Lambda runs it: the same sources, another main() and another way in.
LAMBDA := $(call objects,$(wildcard jit-broker/lambda_*.c) jit-broker/gateway.c)
BROKER := $(filter-out $(LAMBDA) %/bootstrap.o,$(call objects,$(wildcard jit-broker/*.c)))
PROGRAMS := $(B)/pam_jit.so $(B)/jit-helper $(B)/jit $(B)/jit-broker
UNIT_TESTS := $(patsubst %.c,$(B)/%,$(wildcard tests/unit/test_*.c))
PAM_TESTS := $(patsubst %.c,$(B)/%,$(wildcard tests/pam/test_*.c))
INTEROP_TOOLS := $(patsubst %.c,$(B)/%,$(wildcard tests/interop/*_tool.c))
LOAD_TOOLS := $(patsubst %.c,$(B)/%,$(wildcard tests/load/*.c))
# What daemons under test are preloaded with.
PRELOADED := $(B)/tests/faults/shim.so $(addprefix $(B)/tests/soak/,heap.so accept.so commits.so)

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SECONDARY:

help: ## this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## /{printf "  make %-13s %s\n", $$1, $$2}' $(filter %.mk Makefile,$(MAKEFILE_LIST))

all: $(PROGRAMS) ## build pam_jit.so, jit-helper, jit and jit-broker (default)

# Rooms do not see each other; a test sees the room it is named after.
$(O)/tests/unit/test_helper_%.o $(O)/tests/unit/test_jit_%.o: ALL_CFLAGS += -Ijit-helper
$(O)/tests/unit/test_broker_%.o: ALL_CFLAGS += -Ijit-broker
$(O)/tests/unit/test_module_%.o $(O)/tests/pam/%.o: ALL_CFLAGS += -Ipam_jit

$(O)/%.o: %.c Makefile VERSION
	@mkdir -p $(@D)
	@echo '  CC    $<'
	@$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

# What is embedded (embed.h) is a part of the object: the page's style, script and sign, and the API's description.
$(O)/jit-broker/asset.o: $(wildcard jit-broker/page/*)
$(O)/jit-broker/api_openapi.o: jit-broker/openapi.json

$(O)/libcommon.a: $(COMMON)
	@rm -f $@; $(AR) rcsD $@ $^
# All of a room but its main(), for its unit tests.
$(O)/libhelper.a: $(filter-out %/main.o,$(HELPER))
	@rm -f $@; $(AR) rcsD $@ $^
$(O)/libdoctor.a: $(DOCTOR)
	@rm -f $@; $(AR) rcsD $@ $^
$(O)/libjit.a: $(filter-out %/jit.o,$(JIT))
	@rm -f $@; $(AR) rcsD $@ $^
$(O)/libbroker.a: $(filter-out %/main.o,$(BROKER)) $(LAMBDA)
	@rm -f $@; $(AR) rcsD $@ $^
$(O)/libmodule.a: $(MODULE)
	@rm -f $@; $(AR) rcsD $@ $^

# The sanitizers want start files, and are found when the module is loaded.
MODULE_LDFLAGS := -Wl,--version-script=pam_jit/pam_jit.map
ifeq ($(SAN),)
MODULE_LDFLAGS += -nostartfiles -Wl,-T,pam_jit/pam_jit.ld,-z,defs
endif
$(B)/pam_jit.so: $(MODULE) pam_jit/pam_jit.map pam_jit/pam_jit.ld
	@mkdir -p $(@D)
	@echo '  LINK  $@'
	@$(CC) -shared $(LDHARDEN) $(MODULE_LDFLAGS) -o $@ $(MODULE) -lpam
comma := ,

HELPER_LIBS = $(call pkg_libs,libcurl libevent json-c inih openssl libsystemd libseccomp)
BROKER_LIBS = $(call pkg_libs,libcurl libevent libevent_openssl json-c inih openssl sqlite3 expat zlib jose libsystemd libseccomp)

$(B)/jit-helper: $(HELPER) $(O)/libdoctor.a $(O)/libcommon.a
	@mkdir -p $(@D)
	@echo '  LINK  $@'
	@$(CC) -pie $(LDHARDEN) -o $@ $^ $(HELPER_LIBS)
$(B)/jit: $(JIT) $(O)/libdoctor.a $(O)/libcommon.a
	@mkdir -p $(@D)
	@echo '  LINK  $@'
	@$(CC) -pie $(LDHARDEN) -o $@ $^ $(call pkg_libs,json-c)
$(B)/jit-broker: $(BROKER) $(O)/libcommon.a
	@mkdir -p $(@D)
	@echo '  LINK  $@'
	@$(CC) -pie $(LDHARDEN) -o $@ $^ $(BROKER_LIBS)

# tests/unit/test_<room>_<what>.c links with its room.
$(B)/tests/unit/test_common_%: $(O)/tests/unit/test_common_%.o $(O)/libcommon.a
	@mkdir -p $(@D)
	@echo '  LINK  $@'
	@$(CC) $(LDHARDEN) -o $@ $^ $(call pkg_libs,cmocka) $(HELPER_LIBS)
$(B)/tests/unit/test_helper_%: $(O)/tests/unit/test_helper_%.o $(O)/libhelper.a $(O)/libdoctor.a $(O)/libcommon.a
	@mkdir -p $(@D)
	@echo '  LINK  $@'
	@$(CC) $(LDHARDEN) -o $@ $^ $(call pkg_libs,cmocka) $(HELPER_LIBS)
$(B)/tests/unit/test_jit_%: $(O)/tests/unit/test_jit_%.o $(O)/libjit.a $(O)/libdoctor.a $(O)/libcommon.a
	@mkdir -p $(@D)
	@echo '  LINK  $@'
	@$(CC) $(LDHARDEN) -o $@ $^ $(call pkg_libs,cmocka json-c)
$(B)/tests/unit/test_broker_%: $(O)/tests/unit/test_broker_%.o $(O)/libbroker.a $(O)/libcommon.a
	@mkdir -p $(@D)
	@echo '  LINK  $@'
	@$(CC) $(LDHARDEN) -o $@ $^ $(call pkg_libs,cmocka) $(BROKER_LIBS)
$(B)/tests/unit/test_module_%: $(O)/tests/unit/test_module_%.o $(O)/libmodule.a
	@mkdir -p $(@D)
	@echo '  LINK  $@'
	@$(CC) $(LDHARDEN) -o $@ $^ $(call pkg_libs,cmocka) -lpam
$(B)/tests/pam/test_%: $(O)/tests/pam/test_%.o $(O)/libcommon.a
	@mkdir -p $(@D)
	@echo '  LINK  $@'
	@$(CC) $(LDHARDEN) -o $@ $^ $(call pkg_libs,cmocka) -lpam

$(B)/tests/load/%: $(O)/tests/load/%.o
	@mkdir -p $(@D)
	@echo '  LINK  $@'
	@$(CC) $(LDHARDEN) -o $@ $^ $(call pkg_libs,libevent libevent_openssl openssl)
tests-build: $(LOAD_TOOLS)

$(PRELOADED): $(B)/%.so: $(O)/%.o
	@mkdir -p $(@D)
	@echo '  LINK  $@'
	@$(CC) -shared $(LDHARDEN) -o $@ $^
tests-build: $(PRELOADED)

$(B)/tests/interop/%_tool: $(O)/tests/interop/%_tool.o $(O)/libcommon.a
	@mkdir -p $(@D)
	@echo '  LINK  $@'
	@$(CC) $(LDHARDEN) -o $@ $^ $(call pkg_libs,openssl json-c)

tests-build: all $(B)/bootstrap $(UNIT_TESTS) $(PAM_TESTS) $(INTEROP_TOOLS)

unit-tests: $(UNIT_TESTS) ## build and run the unit tests: no root, no host needed
	@for t in $(UNIT_TESTS); do $$t || exit 1; done

check: ## build, and run the short tier of tests (tests/run --help)
	@tests/run

check-full: ## all tests, with lint and packages: about half an hour
	@./setup missing || true
	@tests/run --full

demo: all ## show the main job: sudo asks, a second person approves
	@demo/demo

# Configuration names programs by their path: $(call put,FILES,FOLDER) writes them for this PREFIX.
put = install -d $(DESTDIR)$(2) && for f in $(1); do sed 's|/usr/\(s\{0,1\}bin\)/|$(PREFIX)/\1/|g' $$f \
	>$(DESTDIR)$(2)/$$(basename $$f) && chmod 0644 $(DESTDIR)$(2)/$$(basename $$f) || exit 1; done
# $(call copy,FILES,FOLDER): as they are.
copy = install -d $(DESTDIR)$(2) && for f in $(1); do install -m 0644 $$f $(DESTDIR)$(2)/ || exit 1; done

# What packages and hosts get: packaging/manifest is the list.
install: all ## install below DESTDIR (PREFIX=/usr); gates nothing by itself
	@module=$(DESTDIR)$(PAM_MODULE_DIR)/pam_jit.so; if [ -e $$module ] && ! grep -qF /run/pam-jit/pam.sock $$module; then \
		echo "make install: $$module is another program's PAM module of the same name; take it out of use and away." >&2; \
		exit 1; fi
	install -d $(addprefix $(DESTDIR),$(PAM_MODULE_DIR) $(PREFIX)/sbin $(PREFIX)/bin $(BASH_DIR) $(FISH_DIR) $(ZSH_DIR))
	install -m 0644 $(B)/pam_jit.so $(DESTDIR)$(PAM_MODULE_DIR)/pam_jit.so
	install -m 0755 $(B)/jit-helper $(B)/jit-broker $(DESTDIR)$(PREFIX)/sbin/
	install -m 0755 $(B)/jit $(DESTDIR)$(PREFIX)/bin/jit
	install -m 0644 etc/completion/jit.bash $(DESTDIR)$(BASH_DIR)/jit
	install -m 0644 etc/completion/jit.bash $(DESTDIR)$(BASH_DIR)/jit-broker
	install -m 0644 etc/completion/_jit $(DESTDIR)$(ZSH_DIR)/_jit
	install -m 0644 etc/completion/jit.fish $(DESTDIR)$(FISH_DIR)/jit.fish
	$(foreach n,1 5 8,$(call copy,$(wildcard docs/man/*.$(n)),$(MAN_DIR)/man$(n)) &&) true
	$(call copy,README.md CHANGELOG.md SECURITY.md LICENSE $(wildcard docs/*.md docs/*.svg),$(DOC_DIR))
	$(call put,etc/pam-jit/jit-helper.conf etc/pam-jit/aws-credentials,$(HOST_EXAMPLES))
	$(call put,$(wildcard etc/pam.d/*.example),$(HOST_EXAMPLES))
	$(call put,$(wildcard etc/pam.d/fedora/*.example),$(HOST_EXAMPLES)/fedora)
	$(call put,$(wildcard etc/sudoers.d/*),$(HOST_EXAMPLES)/sudoers.d)
	$(call put,$(wildcard etc/sshd_config.d/*),$(HOST_EXAMPLES)/sshd_config.d)
	$(call put,etc/jit-broker/jit-broker.conf,$(BROKER_EXAMPLES))
	$(call put,$(wildcard etc/systemd/*.s*),$(UNIT_DIR))
	$(call put,$(wildcard etc/sysusers.d/*.conf),$(PREFIX)/lib/sysusers.d)
	$(call put,$(wildcard etc/tmpfiles.d/*.conf),$(PREFIX)/lib/tmpfiles.d)
	$(if $(wildcard etc/apparmor.d/*),$(call put,$(wildcard etc/apparmor.d/*),$(APPARMOR_DIR)))

include packaging/lambda.mk tests/lint.mk tests/fuzz.mk tests/bench.mk tests/coverage.mk packaging/debian.mk packaging/rpm.mk packaging/dist.mk

clean: ## remove what was built
	rm -rf build compile_commands.json

-include $(shell find $(O) -name '*.d' 2>/dev/null)

.PHONY: help all clean tests-build unit-tests install check check-full demo
