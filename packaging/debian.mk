# make deb: Debian packages, from a copy of this tree's own files, by debhelper.

DEB_FOLDER = build/deb/$(VERSION)
DEB_SOURCE = $(DEB_FOLDER)/pam-jit-$(VERSION)
DEB_BUILD_OPTIONS ?= nocheck parallel=$(shell nproc)
# Nothing of whoever builds reaches the packages.
DEB_ENVIRONMENT = env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/nonexistent LC_ALL=C.UTF-8 TZ=UTC \
	SOURCE_DATE_EPOCH=$(SOURCE_DATE_EPOCH) DEB_BUILD_OPTIONS="$(DEB_BUILD_OPTIONS)"
DEB_RESULTS = $(PACKAGES_DIR)/*_$(VERSION)_*.deb $(PACKAGES_DIR)/pam-jit_$(VERSION)_*.changes
deb_files = $(tree_files) | while read -r file; do [ ! -e "$$file" ] || echo "$$file"; done

# One at a time. What is there from the same files, for the same commit, is what would be built.
deb: ## Debian packages into build/packages (VERSION=0.0.9: as that version)
	@command -v dpkg-buildpackage dh >/dev/null || { echo "make deb needs dpkg-dev and debhelper: ./setup" >&2; exit 2; }
	@mkdir -p $(PACKAGES_DIR) build/deb
	@flock build/deb/lock $(MAKE) --no-print-directory -s deb-if-changed
	@ls $(DEB_RESULTS)

deb-if-changed:
	sum=$$({ echo '$(VERSION) $(SOURCE_DATE_EPOCH) $(DEB_BUILD_OPTIONS)'; $(deb_files) | tr '\n' '\0' | \
		LC_ALL=C sort -z | xargs -0 sha256sum; } | sha256sum); \
	if [ "$$sum" = "$$(cat $(DEB_FOLDER)/sum 2>/dev/null)" ] && ls $(DEB_RESULTS) >/dev/null 2>&1; then exit 0; fi; \
	$(MAKE) --no-print-directory -s deb-build && echo "$$sum" >$(DEB_FOLDER)/sum

deb-build:
	rm -rf $(DEB_FOLDER)
	mkdir -p $(DEB_SOURCE)
	$(deb_files) | tar -c --no-recursion --mtime=@$(SOURCE_DATE_EPOCH) --mode=u=rwX,go=rX -T - | tar -x -C $(DEB_SOURCE)
	echo $(VERSION) >$(DEB_SOURCE)/VERSION
	cp -r packaging/debian $(DEB_SOURCE)/debian
	cd $(DEB_SOURCE) && debian/changelog.sh $(VERSION) $(SOURCE_DATE_EPOCH) >debian/changelog
	echo '  DEB   $(VERSION) ($(DEB_FOLDER)/log)'
	cd $(DEB_SOURCE) && umask 022 && $(DEB_ENVIRONMENT) dpkg-buildpackage --build=binary --no-sign >../log 2>&1 || \
		{ tail -n 40 ../log >&2; exit 1; }
	mv -f $(DEB_FOLDER)/*.deb $(DEB_FOLDER)/*.changes $(DEB_FOLDER)/*.buildinfo $(PACKAGES_DIR)/

.PHONY: deb deb-if-changed deb-build
