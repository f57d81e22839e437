# make rpm: RPM packages from packaging/rpm/pam_jit.spec and the tarball that `make dist` makes of this tree.

RPM_TOP = $(CURDIR)/build/rpm/$(or $(RPM_MACROS),host)/$(VERSION)
# On Fedora and RHEL their own macros. Elsewhere those of the tree, RPM_MACROS=rhel9 or fedora, and as no rpm database
# knows what is installed, nothing is asked of it.
RPM_MACROS ?= $(if $(shell rpm --eval '%{?_unitdir}' 2>/dev/null),,rhel9)
RPM_LOAD = $(if $(RPM_MACROS),--load=$(CURDIR)/packaging/rpm/macros/macros.$(RPM_MACROS) --nodeps)
# Neither who builds nor when is recorded: rpm before 4.20 and since.
RPM_SAME = --define '_buildhost reproducible' --define 'use_source_date_epoch_as_buildtime 1' \
	--define 'clamp_mtime_to_source_date_epoch 1' --define 'build_mtime_policy clamp_to_source_date_epoch'
# make rpm RPM_FLAGS='--with check' runs the unit tests in between, as distributions do.
RPM_FLAGS ?= --without check
RPM_ARGUMENTS = $(RPM_LOAD) $(RPM_SAME) $(RPM_FLAGS) SPECS/pam_jit.spec
# A source package holds the spec with all macros expanded, folders too, and built ones name it by its digest when both
# are made in one go: it is made first, with folders that are the same for everybody.
RPM_SOURCE = --define '_topdir /builddir/build' --define '_sourcedir SOURCES' --define '_srcrpmdir SRPMS'
RPM_ENVIRONMENT = env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/nonexistent LC_ALL=C.UTF-8 TZ=UTC \
	SOURCE_DATE_EPOCH=$(SOURCE_DATE_EPOCH)

rpm-spec: dist # the spec with all that is filled in, beside its sources, as a source package has them
	@rm -rf $(RPM_TOP) && mkdir -p $(RPM_TOP)/SOURCES $(RPM_TOP)/SPECS
	@cp $(DIST) etc/sysusers.d/pam-jit.conf etc/sysusers.d/jit-broker.conf $(RPM_TOP)/SOURCES
	@cd $(RPM_TOP)/SOURCES && mv pam-jit.conf pam-jit.sysusers && mv jit-broker.conf jit-broker.sysusers && chmod 0644 *
	@packaging/rpm/changelog.sh $(VERSION) $(SOURCE_DATE_EPOCH) >$(RPM_TOP)/changelog
	@sed 's/libpam-jit:/pam_jit:/' packaging/debian/pam-lines-out.sh | expand -t 4 >$(RPM_TOP)/pam-lines-out
	@sed -e 's/@VERSION@/$(VERSION)/' -e '/^@CHANGELOG@$$/{r $(RPM_TOP)/changelog' -e 'd}' \
		-e '/^@PAM_LINES_OUT@$$/{r $(RPM_TOP)/pam-lines-out' -e 'd}' packaging/rpm/pam_jit.spec \
		>$(RPM_TOP)/SPECS/pam_jit.spec

rpm: rpm-spec ## RPM packages into build/packages (VERSION=0.0.9: as that version)
	@command -v rpmbuild >/dev/null || { echo "make rpm needs rpmbuild: ./setup" >&2; exit 2; }
	@[ -e /usr/share/selinux/devel/Makefile ] || { echo "make rpm needs selinux-policy-dev: ./setup" >&2; exit 2; }
	@echo '  RPM   $(VERSION) $(RPM_MACROS) ($(patsubst $(CURDIR)/%,%,$(RPM_TOP))/log)'
	@cd $(RPM_TOP) && umask 022 && { $(RPM_ENVIRONMENT) rpmbuild -bs $(RPM_SOURCE) $(RPM_ARGUMENTS) && \
		$(RPM_ENVIRONMENT) rpmbuild -bb --define '_topdir $(RPM_TOP)' $(RPM_ARGUMENTS); } >log 2>&1 || \
		{ tail -n 40 log >&2; exit 1; }
	@mkdir -p $(PACKAGES_DIR)
	@for file in $(RPM_TOP)/SRPMS/*.rpm $(RPM_TOP)/RPMS/*/*.rpm; do \
		cp $$file $(PACKAGES_DIR)/ && echo $(PACKAGES_DIR)/$$(basename $$file) || exit 1; done

.PHONY: rpm rpm-spec
