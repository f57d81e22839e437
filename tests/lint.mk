# `make lint`: what can be said of the tree without running it. One target a language; a finding is an error, and so is
# a tool that is missing. tests/run --full runs each `lint-` target of this file as a test of its own.

C_SOURCES := $(wildcard common/*.[ch] pam_jit/*.[ch] jit-helper/*.[ch] jit-broker/*.[ch] tests/unit/*.[ch] tests/pam/*.[ch] \
	tests/interop/*.[ch] tests/faults/*.[ch] tests/fuzz/*.[ch] tests/bench/*.[ch] tests/soak/*.[ch])
LINT_ROOT := build/lint/root
LINTS := lint-c lint-tidy lint-shell lint-python lint-man lint-units lint-apparmor lint-packages

# $(call need,TOOL…)
need = for tool in $(1); do command -v $$tool >/dev/null || \
	{ echo "make $@: $$tool is not installed. Run ./setup" >&2; exit 2; }; done
# $(call scripts,INTERPRETERS): the tree's files that begin with #! and one of these.
scripts = $$($(tree_files) | while read -r f; do \
	[ -f "$$f" ] && head -n 1 "$$f" | grep -aqE '^\#! ?/(usr/)?bin/(env )?($(1))( |$$)' && echo "$$f"; done)

lint: $(LINTS) ## C, shell, Python, manual pages, units, profiles and packages: all findings are errors

# resourceLeak: cppcheck does not know the cleanup attribute; the tests run under AddressSanitizer and valgrind.
lint-c:
	@$(call need,clang-format cppcheck)
	@echo '  LINT  C: clang-format, cppcheck'
	@clang-format --dry-run --Werror $(C_SOURCES)
	@cppcheck --quiet -j 2 --std=c11 --error-exitcode=1 --enable=warning,performance,portability --inline-suppr \
		--suppress=missingIncludeSystem --suppress=resourceLeak -D_GNU_SOURCE -Icommon \
		common pam_jit jit-helper jit-broker

lint-tidy: compile_commands.json
	@$(call need,clang-tidy)
	@echo '  LINT  C: clang-tidy, about a minute'
	@printf '%s\n' $(wildcard common/*.c pam_jit/*.c jit-helper/*.c jit-broker/*.c) | \
		xargs -n 8 -P "$$(nproc)" clang-tidy --quiet

lint-shell:
	@$(call need,shellcheck)
	@echo '  LINT  shell'
	@shellcheck --severity=style $(call scripts,sh|bash|dash) etc/completion/jit.bash
	@shellcheck --shell=sh --severity=style $(wildcard packaging/debian/*.preinst packaging/debian/*.postinst \
		packaging/debian/*.prerm packaging/debian/*.postrm) /dev/null

lint-python:
	@$(call need,python3 pyflakes3)
	@echo '  LINT  Python'
	@pyflakes3 $$($(tree_files) | grep '\.py$$') $(call scripts,python3)

# A page that refers to another one of ours finds it beside itself.
lint-man:
	@$(call need,mandoc)
	@echo '  LINT  manual pages'
	@found=$$(mandoc -Tlint -Wstyle docs/man/*.[1-9] 2>&1 | grep -v ': outdated mandoc.db ' | \
		while IFS= read -r line; do \
			page=$$(echo "$$line" | sed -n 's/.*referenced manual not found: Xr \([^ ]*\) \([1-9]\).*/\1.\2/p'); \
			[ -n "$$page" ] && [ -e "docs/man/$$page" ] || echo "$$line"; done); \
	[ -z "$$found" ] || { echo "$$found"; exit 1; }

# Judged as they are installed, with the targets and the tools of this machine beside them.
lint-units: all
	@$(call need,systemd-analyze)
	@echo '  LINT  units'
	@rm -rf $(LINT_ROOT) && $(MAKE) --no-print-directory -s -o all install DESTDIR=$(CURDIR)/$(LINT_ROOT) PREFIX=/usr >/dev/null
	@cp -a /usr/lib/systemd/system/*.target $(LINT_ROOT)/usr/lib/systemd/system/
	@install -D /bin/kill $(LINT_ROOT)/bin/kill
	@for unit in $(notdir $(wildcard etc/systemd/*.*)); do \
		said=$$(systemd-analyze verify --man=no --root=$(LINT_ROOT) $(LINT_ROOT)/usr/lib/systemd/system/$$unit 2>&1) && \
			[ -z "$$said" ] || { echo "$$said"; exit 1; }; done
	@for unit in $(notdir $(wildcard etc/systemd/*.service)); do \
		said=$$(systemd-analyze security --offline=true --threshold=20 --no-pager \
			$(LINT_ROOT)/usr/lib/systemd/system/$$unit 2>&1) || { echo "$$said"; exit 1; }; done

lint-apparmor:
	@$(call need,apparmor_parser)
	@echo '  LINT  AppArmor profiles'
	@for profile in $(wildcard etc/apparmor.d/*); do [ -d $$profile ] || apparmor_parser -QK $$profile || exit 1; done

# Those that were built; `make deb` and `make rpm` build them.
lint-packages:
	@$(call need,lintian rpmlint)
	@echo '  LINT  packages, if there are some in build/packages'
	@for changes in $(wildcard build/packages/*.changes); do lintian --allow-root --fail-on error,warning $$changes || exit 1; done
	@[ -z "$(wildcard build/packages/*.rpm)" ] || rpmlint $(wildcard packaging/rpm/rpmlint*.toml:%=-c %) \
		$(wildcard build/packages/*.rpm)

# What editors and clang-tidy read: one entry a source file.
compile_commands.json: export FLAGS = $(filter-out -Werror,$(ALL_CFLAGS))
compile_commands.json: Makefile
	@python3 -c 'import json, os, sys; json.dump([{"directory": os.getcwd(), "file": f, "command": "clang %s -c %s" % \
		(os.environ["FLAGS"], f)} for f in sys.argv[1:]], open("$@", "w"), indent=0)' $(filter %.c,$(C_SOURCES))

.PHONY: lint $(LINTS)
