# make deb: Debian packages, from a copy of this tree's own files, by debhelper.

DEB_FOLDER := build/deb/$(VERSION)
DEB_SOURCE := $(DEB_FOLDER)/pam-jit-$(VERSION)
# Nothing of whoever builds reaches the packages.
DEB_ENVIRONMENT = env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/nonexistent LC_ALL=C.UTF-8 TZ=UTC \
	SOURCE_DATE_EPOCH=$(SOURCE_DATE_EPOCH) DEB_BUILD_OPTIONS="$(or $(DEB_BUILD_OPTIONS),nocheck parallel=$(shell nproc))"

deb: ## Debian packages into build/packages (VERSION=0.0.9: as that version)
	@command -v dpkg-buildpackage dh >/dev/null || { echo "make deb needs dpkg-dev and debhelper: ./setup" >&2; exit 2; }
	@rm -rf $(DEB_FOLDER) $(PACKAGES_DIR)/*_$(VERSION)_*.deb $(PACKAGES_DIR)/pam-jit_$(VERSION)_*
	@mkdir -p $(PACKAGES_DIR) $(DEB_SOURCE)
	@$(tree_files) | while read -r file; do [ ! -e "$$file" ] || echo "$$file"; done | \
		tar -c --no-recursion -T - | tar -x -C $(DEB_SOURCE)
	@echo $(VERSION) >$(DEB_SOURCE)/VERSION
	@cp -r packaging/debian $(DEB_SOURCE)/debian
	@cd $(DEB_SOURCE) && debian/changelog.sh $(VERSION) $(SOURCE_DATE_EPOCH) >debian/changelog
	@echo '  DEB   $(VERSION) (build/deb/$(VERSION)/log)'
	@cd $(DEB_SOURCE) && umask 022 && $(DEB_ENVIRONMENT) dpkg-buildpackage --build=binary --no-sign >../log 2>&1 || \
		{ tail -n 40 ../log >&2; exit 1; }
	@mv $(DEB_FOLDER)/*.deb $(DEB_FOLDER)/*.changes $(DEB_FOLDER)/*.buildinfo $(PACKAGES_DIR)/
	@ls $(PACKAGES_DIR)/*_$(VERSION)_*.deb $(PACKAGES_DIR)/pam-jit_$(VERSION)_*.changes

.PHONY: deb
