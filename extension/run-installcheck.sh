#!/usr/bin/env bash
# `make installcheck` on a server made for it: installs the extension, starts PostgreSQL in a folder of its own with a
# migrated store in the database pgtimewarp_installcheck_store, compares the outputs, removes the server.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
PG_CONFIG=${PG_CONFIG:-/usr/lib/postgresql/15/bin/pg_config}

make -s PG_CONFIG="$PG_CONFIG" install
cd ..
exec npm exec --offline -- node test/support/installcheck.ts "$PG_CONFIG"
