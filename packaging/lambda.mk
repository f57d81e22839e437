# `make lambda`: what AWS Lambda (provided.al2023) is given: bootstrap, the libraries that it needs down to the C library
# and its loader, and the roots that Amazon's certificates end in. It runs at /var/task, where Lambda unpacks it, and
# needs nothing else of the machine that it runs on.

# As Lambda calls the machine that $(CC) builds for. A cross compiler brings its own: make lambda B=build/arm64
# CC=aarch64-linux-gnu-gcc AR=aarch64-linux-gnu-ar PKG_CONFIG=aarch64-linux-gnu-pkg-config
LAMBDA_ARCH := $(patsubst aarch64%,arm64,$(patsubst x86_64%,x86_64,$(shell $(CC) -dumpmachine)))
LAMBDA_DIR := $(B)/lambda/$(LAMBDA_ARCH)
LAMBDA_ZIP := $(B)/lambda/jit-broker-$(VERSION)-$(LAMBDA_ARCH).zip
LAMBDA_ROOT := /var/task
LAMBDA_LOADER_x86_64 := ld-linux-x86-64.so.2
LAMBDA_LOADER_arm64 := ld-linux-aarch64.so.1
LAMBDA_ROOTS := $(wildcard /usr/share/ca-certificates/mozilla/Amazon_Root_CA_?.crt \
	/usr/share/ca-certificates/mozilla/Starfield_Services_Root_Certificate_Authority_-_G2.crt)

lambda: $(LAMBDA_ZIP) ## bootstrap for AWS Lambda, with its libraries, as a .zip, and its bill of materials (SPDX), in build/lambda

# The same program for this machine, as tests run it.
$(B)/bootstrap: $(O)/jit-broker/bootstrap.o $(O)/libbroker.a $(O)/libcommon.a
	@mkdir -p $(@D)
	@echo '  LINK  $@'
	@$(CC) -pie $(LDHARDEN) -o $@ $^ $(BROKER_LIBS)

# DT_RPATH, not DT_RUNPATH: it counts for the libraries' own libraries as well. By its full name: the
# loader knows $$ORIGIN only where there is a /proc.
$(B)/lambda/$(LAMBDA_ARCH)/bootstrap: $(O)/jit-broker/bootstrap.o $(O)/libbroker.a $(O)/libcommon.a packaging/lambda.mk
	@mkdir -p $(@D)
	@echo '  LINK  $@'
	@$(CC) -pie $(LDHARDEN) -Wl,--gc-sections,--disable-new-dtags,-rpath,$(LAMBDA_ROOT)/lib \
		-Wl,--dynamic-linker=$(LAMBDA_ROOT)/lib/$(LAMBDA_LOADER_$(LAMBDA_ARCH)) \
		-o $@ $(filter %.o %.a,$^) $(BROKER_LIBS)

$(LAMBDA_ZIP): $(LAMBDA_DIR)/bootstrap packaging/lambda-bundle packaging/spdx.py packaging/dependencies
	@echo '  ZIP   $@'
	@CC='$(CC)' packaging/lambda-bundle '$(VERSION)' $(or $(SOURCE_DATE_EPOCH),0) $(LAMBDA_DIR) $(abspath $@) $(LAMBDA_ROOTS)

# On a machine that is none: in a Debian of its own, which is made once.
lambda-arm64: ## the same for arm64, by a cross compiler in a Debian of its own (root, debootstrap)
	@SOURCE_DATE_EPOCH='$(SOURCE_DATE_EPOCH)' packaging/lambda-arm64 build/arm64-root

.PHONY: lambda lambda-arm64
