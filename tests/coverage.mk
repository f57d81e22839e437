# `make coverage`: which lines of the C sources the short tier of tests runs. It builds a copy of the tree, in
# build/coverage, with counters, so that what is tested otherwise stays as it is.
#
#   make coverage                        the whole short tier; at least 85 % of the lines and no test red, or it fails
#   make coverage COVERAGE=--report      the last one's figures again
#   make coverage COVERAGE='--only unit/ --at-least 0'

COVERAGE ?= --at-least 85
COVERAGE_TREE := build/coverage
# gcov's counters are no part of what is shipped: fork() and exec() stay what they are, and nothing is written at exit.
COVERAGE_CFLAGS := -O0 -g -Wno-error -D_FORTIFY_SOURCE=0 --coverage -fprofile-update=atomic -fdata-sections \
	$(addprefix -fno-builtin-,fork execl execlp execle execv execvp execve)
COVERAGE_LDFLAGS := --coverage -Wl,--build-id=sha1,--wrap=__gcov_exit,-T,tests/coverage/counts.ld build/counts.o

coverage: ## lines of the C sources that `make check` runs, by gcov: fails under 85 %, or with a test; before each release
	@$(call need,gcov readelf rsync)
	@rm -rf $(COVERAGE_TREE).new && mkdir -p $(COVERAGE_TREE).new $(COVERAGE_TREE)/build
	@$(tree_files) | while read -r file; do [ ! -e "$$file" ] || echo "$$file"; done | \
		tar -c --no-recursion -T - | tar -x -C $(COVERAGE_TREE).new
	@echo '$(SOURCE_DATE_EPOCH)' >$(COVERAGE_TREE).new/.source-epoch
	@rsync -a --delete --exclude=/build $(COVERAGE_TREE).new/ $(COVERAGE_TREE)/ && rm -rf $(COVERAGE_TREE).new
	@[ ! -e build/npm ] || rsync -a build/npm $(COVERAGE_TREE)/build/
	@cd $(COVERAGE_TREE) && $(CC) -std=gnu17 -D_GNU_SOURCE $(WARN) -O2 -fPIC -fvisibility=hidden \
		-DJIT_COUNTS='"$(CURDIR)/$(COVERAGE_TREE)/build/counts"' -c -o build/counts.o tests/coverage/counts.c
	@$(MAKE) --no-print-directory -C $(COVERAGE_TREE) CFLAGS='$(COVERAGE_CFLAGS)' LDFLAGS='$(COVERAGE_LDFLAGS)' \
		tests-build lambda
	@$(COVERAGE_TREE)/tests/coverage/run $(COVERAGE)

.PHONY: coverage
