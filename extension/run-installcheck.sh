#!/usr/bin/env bash
# `make installcheck` of the installed extension on a server made for it: starts PostgreSQL in a folder of its own with a
# migrated store in the database pgtimewarp_installcheck_store, compares the outputs, removes the server.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
PG_CONFIG=${PG_CONFIG:-/usr/lib/postgresql/15/bin/pg_config}

exec npm exec --offline -- node test/support/installcheck.ts "$PG_CONFIG"
