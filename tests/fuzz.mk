# `make fuzz`: bytes that nobody sends on purpose, against the code that reads them (docs/reliability.md, Fuzzing).
# A tree of objects of its own, by clang: libFuzzer is led by what its instrumented code does.

FUZZ_CC ?= clang
FUZZ_SECONDS ?= 60
FUZZ_ONLY ?=
FUZZ_SANITIZERS := address,undefined
FUZZ_TARGETS := $(patsubst %.c,build/fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ_MAKE = $(MAKE) --no-print-directory SAN=fuzz B=build/fuzz CC='$(FUZZ_CC)' CFLAGS='-O1 -g' \
	SANFLAGS='-fsanitize=fuzzer-no-link,$(FUZZ_SANITIZERS) -fno-sanitize-recover=all -fno-omit-frame-pointer'

fuzz: fuzz-build ## libFuzzer on each parser: [FUZZ_SECONDS=60] [FUZZ_ONLY=frame]
	@tests/fuzz/fuzzing.py --seconds $(FUZZ_SECONDS) --only '$(FUZZ_ONLY)'

fuzz-build:
	@echo 'int LLVMFuzzerTestOneInput(const char *d, unsigned long n); int LLVMFuzzerTestOneInput(const char *d, unsigned long n) { return d && n > 9; }' | \
		$(FUZZ_CC) -fsanitize=fuzzer,$(FUZZ_SANITIZERS) -x c -o /dev/null - 2>/dev/null || { \
		echo "make $@: $(FUZZ_CC) with libFuzzer is not installed. Run ./setup" >&2; exit 2; }
	+@$(FUZZ_MAKE) fuzz-targets
fuzz-targets: $(FUZZ_TARGETS)

# Of these what leaves by libcurl's plain interface is answered by the target itself.
$(B)/tests/fuzz/fuzz_broker_dynamo: FUZZ_LINK := $(addprefix -Wl$(comma)--wrap=,curl_easy_setopt curl_easy_getinfo curl_easy_perform nanosleep)

# A target sees the room it is named after, and links with it.
$(O)/tests/fuzz/fuzz_helper_%.o $(O)/tests/fuzz/fuzz_jit_%.o: ALL_CFLAGS += -Ijit-helper
$(O)/tests/fuzz/fuzz_broker_%.o: ALL_CFLAGS += -Ijit-broker
$(O)/tests/fuzz/fuzz_module_%.o: ALL_CFLAGS += -Ipam_jit

FUZZ_QUIET := $(O)/tests/fuzz/quiet.o
# Of these each call of common/fetch is answered by the target itself.
FUZZ_CALLS := $(addprefix $(B)/tests/fuzz/,fuzz_common_awsrole fuzz_helper_session fuzz_broker_states \
	fuzz_broker_issued fuzz_broker_client)
$(FUZZ_CALLS): $(O)/tests/fuzz/calls.o
$(FUZZ_CALLS): FUZZ_LINK := $(addprefix -Wl$(comma)--wrap=jit_fetch_,start cancel free)
# This one waits for no socket, and asks on no terminal.
$(B)/tests/fuzz/fuzz_broker_client: FUZZ_LINK += $(addprefix -Wl$(comma)--wrap=,event_base_dispatch fopen)
# These have a store that each input finds as it was.
FUZZ_STORED := $(addprefix $(B)/tests/fuzz/,fuzz_broker_api fuzz_broker_step)
$(FUZZ_STORED): $(O)/tests/fuzz/broker_store.o
$(O)/tests/fuzz/broker_store.o: ALL_CFLAGS += -Ijit-broker
# $(call fuzz_link,LIBRARIES)
define fuzz_link
	@mkdir -p $(@D)
	@echo '  LINK  $@'
	@$(CC) -fsanitize=fuzzer,$(FUZZ_SANITIZERS) -fno-sanitize-recover=all $(FUZZ_LINK) -o $@ $^ $(1)
endef

$(B)/tests/fuzz/fuzz_common_%: $(O)/tests/fuzz/fuzz_common_%.o $(O)/libcommon.a
	$(call fuzz_link,$(HELPER_LIBS))
$(B)/tests/fuzz/fuzz_helper_%: $(O)/tests/fuzz/fuzz_helper_%.o $(FUZZ_QUIET) $(O)/libhelper.a $(O)/libdoctor.a $(O)/libcommon.a
	$(call fuzz_link,$(HELPER_LIBS))
$(O)/libjit-fuzz.a: $(O)/libjit.a $(O)/libcommon.a tests/fuzz/jit.syms
	@rm -f $@; printf 'create $@\naddlib $<\naddlib $(word 2,$^)\nsave\nend\n' | $(AR) -M
	@objcopy --redefine-syms=tests/fuzz/jit.syms $@
$(B)/tests/fuzz/fuzz_jit_%: $(O)/tests/fuzz/fuzz_jit_%.o $(O)/libjit-fuzz.a $(O)/libdoctor.a $(O)/libcommon.a
	$(call fuzz_link,$(call pkg_libs,json-c))
$(B)/tests/fuzz/fuzz_broker_%: $(O)/tests/fuzz/fuzz_broker_%.o $(FUZZ_QUIET) $(O)/libbroker.a $(O)/libcommon.a
	$(call fuzz_link,$(BROKER_LIBS))
# The module with a libc and a libpam of ours, in its own objects alone: the sanitizers and libFuzzer keep theirs.
$(O)/libmodule-fuzz.a: $(O)/libmodule.a tests/fuzz/libc.syms
	@objcopy --redefine-syms=tests/fuzz/libc.syms $< $@
$(B)/tests/fuzz/fuzz_module_%: $(O)/tests/fuzz/fuzz_module_%.o $(addprefix $(O)/tests/fuzz/,libc.o libc_helper.o pam.o) $(O)/libmodule-fuzz.a
	$(call fuzz_link,)

.PHONY: fuzz fuzz-build fuzz-targets
