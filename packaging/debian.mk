deb: ## Debian packages (not there yet)
	@echo "make $@: not there yet" >&2; exit 2

.PHONY: deb
