# `make dist`: the source as others get it, the same byte for byte from the same commit, and its bill of materials.

# A tarball has no git: .source-epoch, which `make dist` writes into it, says of which second it is and that this is one.
SOURCE_EPOCH_FILE := $(wildcard .source-epoch)
ifndef SOURCE_DATE_EPOCH
SOURCE_DATE_EPOCH := $(shell $(if $(SOURCE_EPOCH_FILE),cat .source-epoch,git log -1 --format=%ct 2>/dev/null))
endif
# A command that prints the tree's own files, with what is changed in them and not yet committed.
tree_files = $(if $(SOURCE_EPOCH_FILE),find . -type f -not -path './build/*' -not -path '*/node_modules/*' \
	-not -path '*/__pycache__/*' -not -name compile_commands.json | cut -c 3-,git ls-files)

PACKAGES_DIR := build/packages
DIST_NAME := pam_jit-$(VERSION)
DIST := $(PACKAGES_DIR)/$(DIST_NAME).tar.gz
SBOM := $(PACKAGES_DIR)/$(DIST_NAME).spdx.json

dist: ## reproducible source tarball and its SBOM (SPDX), in build/packages
	@[ -n "$(SOURCE_DATE_EPOCH)" ] || { echo "make $@: neither a git tree nor .source-epoch is here: set SOURCE_DATE_EPOCH" >&2; exit 2; }
	@mkdir -p $(PACKAGES_DIR) build/dist
	@stage=$$(mktemp -d build/dist/XXXXXX) && trap 'rm -rf "$$stage"' EXIT && mkdir "$$stage/$(DIST_NAME)" && \
	$(tree_files) | while read -r file; do [ ! -e "$$file" ] || echo "$$file"; done | \
		tar -c --no-recursion -T - | tar -x -C "$$stage/$(DIST_NAME)" && \
	[ -s "$$stage/$(DIST_NAME)/Makefile" ] && \
	echo '$(VERSION)' >"$$stage/$(DIST_NAME)/VERSION" && \
	echo '$(SOURCE_DATE_EPOCH)' >"$$stage/$(DIST_NAME)/.source-epoch" && \
	LC_ALL=C tar -c -C "$$stage" --format=ustar --sort=name --owner=0 --group=0 --numeric-owner \
		--mode=u=rwX,go=rX --mtime=@$(SOURCE_DATE_EPOCH) $(DIST_NAME) | gzip -9n >"$$stage/tarball" && \
	packaging/sbom --version '$(VERSION)' --epoch '$(SOURCE_DATE_EPOCH)' "$$stage/tarball" >"$$stage/sbom" && \
	mv "$$stage/tarball" $(DIST) && mv "$$stage/sbom" $(SBOM)
	@printf '%s\n' $(DIST) $(SBOM)

.PHONY: dist
