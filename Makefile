# make help lists the targets. The environment: pip install -c constraints.txt -e '.[dev]'
FAST = tests/text tests/output tests/inputs tests/model tests/score --ignore=tests/score/test_html_browser.py

.PHONY: help check test test-fast coverage docs
help:  ## list the targets
	@sed -nE 's/^([a-z-]+):.*## /\1\t/p' Makefile | expand -t 12
check:  ## ruff, mypy, import-linter, prose, documentation site
	.ci/check
test-fast:  ## tests that need no training, recording or server: under 2 minutes
	python -m pytest -q $(FAST)
test:  ## all tests
	python -m pytest -q -n 2 --durations=10
coverage:  ## all tests, with the lines that they do not run
	python -m pytest -q -n 2 --durations=10 --cov --cov-report=term-missing:skip-covered
docs:  ## the documentation site at http://127.0.0.1:8000
	mkdocs serve
