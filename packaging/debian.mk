# make deb: Debian packages, from a copy of this tree's own files, by debhelper.

PACKAGED := build/packages
# The time that built files bear: the last commit's, or the one that came with a tarball.
SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct 2>/dev/null || cat SOURCE_DATE_EPOCH 2>/dev/null || date +%s)
# $(call copy_tree,FOLDER): what git knows and what is new and not ignored; without git all but what is built.
copy_tree = rm -rf $(1) && mkdir -p $(1) && if [ -e .git ]; then git ls-files -z -co --exclude-standard; else \
	find . -type d \( -name build -o -name node_modules -o -name __pycache__ \) -prune -o -type f -print0; fi | \
	tar -c --null --no-recursion --ignore-failed-read -T - | tar -x -C $(1)

DEB_FOLDER := build/deb/$(VERSION)
DEB_SOURCE := $(DEB_FOLDER)/pam-jit-$(VERSION)
# Nothing of whoever builds reaches the packages.
DEB_ENVIRONMENT = env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/nonexistent LC_ALL=C.UTF-8 TZ=UTC \
	SOURCE_DATE_EPOCH=$(SOURCE_DATE_EPOCH) DEB_BUILD_OPTIONS="$(or $(DEB_BUILD_OPTIONS),nocheck parallel=$(shell nproc))"

deb: ## Debian packages into build/packages (VERSION=0.0.9: as that version)
	@command -v dpkg-buildpackage dh >/dev/null || { echo "make deb needs dpkg-dev and debhelper: ./setup" >&2; exit 2; }
	@rm -rf $(DEB_FOLDER) $(PACKAGED)/*_$(VERSION)_*.deb $(PACKAGED)/pam-jit_$(VERSION)_*
	@mkdir -p $(PACKAGED)
	@$(call copy_tree,$(DEB_SOURCE))
	@echo $(VERSION) >$(DEB_SOURCE)/VERSION
	@cp -r packaging/debian $(DEB_SOURCE)/debian
	@cd $(DEB_SOURCE) && debian/changelog.sh $(VERSION) $(SOURCE_DATE_EPOCH) >debian/changelog
	@echo '  DEB   $(VERSION) (build/deb/$(VERSION)/log)'
	@cd $(DEB_SOURCE) && umask 022 && $(DEB_ENVIRONMENT) dpkg-buildpackage --build=binary --no-sign >../log 2>&1 || \
		{ tail -n 40 ../log >&2; exit 1; }
	@mv $(DEB_FOLDER)/*.deb $(DEB_FOLDER)/*.changes $(DEB_FOLDER)/*.buildinfo $(PACKAGED)/
	@ls $(PACKAGED)/*_$(VERSION)_*.deb $(PACKAGED)/pam-jit_$(VERSION)_*.changes

.PHONY: deb
