# `make bench`: ratios against other ways to gate sudo, measured side by side in one run (tests/bench).

BENCH_TOOLS := $(patsubst tests/bench/%.c,$(B)/bench/%,$(filter-out tests/bench/nodelay.c,$(wildcard tests/bench/*.c))) \
	$(B)/bench/nodelay.so

$(B)/bench/%: $(O)/tests/bench/%.o
	@mkdir -p $(@D)
	@echo '  LINK  $@'
	@$(CC) $(LDHARDEN) -o $@ $^ -lpam $(call pkg_libs,libevent libevent_openssl openssl sqlite3)
$(B)/bench/nodelay.so: $(O)/tests/bench/nodelay.o
	@mkdir -p $(@D)
	@echo '  LINK  $@'
	@$(CC) -shared $(LDHARDEN) -o $@ $^

bench-tools: $(BENCH_TOOLS) $(LOAD_TOOLS)

bench: tests-build bench-tools ## ratios against other ways to gate sudo, side by side: BENCH_ONLY=row,row
	@tests/bench/bench.py --only '$(BENCH_ONLY)'

.PHONY: bench bench-tools
