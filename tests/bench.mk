# `make bench`: ratios against other ways to gate sudo, measured side by side in one run (tests/bench).

BENCH_PRELOADED := nodelay
BENCH_TOOLS := $(patsubst tests/bench/%.c,$(B)/bench/%,$(filter-out $(BENCH_PRELOADED:%=tests/bench/%.c),$(wildcard tests/bench/*.c))) \
	$(BENCH_PRELOADED:%=$(B)/bench/%.so)

$(B)/bench/%: $(O)/tests/bench/%.o
	@mkdir -p $(@D)
	@echo '  LINK  $@'
	@$(CC) $(LDHARDEN) -o $@ $^ -lpam $(call pkg_libs,libevent libevent_openssl openssl sqlite3)
# What libraries take to load is the command's own, and no part of the way to it. (Fedora has libc.a in glibc-static.)
$(B)/bench/stamp: $(O)/tests/bench/stamp.o
	@mkdir -p $(@D)
	@echo '  LINK  $@'
	@$(CC) $(if $(findstring /,$(shell $(CC) -print-file-name=libc.a)),-static) -no-pie -o $@ $^
$(BENCH_PRELOADED:%=$(B)/bench/%.so): $(B)/bench/%.so: $(O)/tests/bench/%.o
	@mkdir -p $(@D)
	@echo '  LINK  $@'
	@$(CC) -shared $(LDHARDEN) -o $@ $^

bench-tools: $(BENCH_TOOLS) $(LOAD_TOOLS)

bench: tests-build bench-tools ## ratios against other ways to gate sudo, side by side: BENCH_ONLY=row,row
	@tests/bench/bench.py --only '$(BENCH_ONLY)'

bench-profile: tests-build bench-tools ## where the broker's processor time goes, by perf
	@tests/bench/perf_broker.py

.PHONY: bench bench-tools bench-profile
