# Makes a database the first time, as the image postgres does: POSTGRES_PASSWORD, POSTGRES_DB, /docker-entrypoint-initdb.d/*.sql.
set -eu
data=/var/lib/postgresql/data
if [ ! -e $data/PG_VERSION ]; then
  printf '%s\n' "$POSTGRES_PASSWORD" > /tmp/password
  initdb -D $data -U postgres --auth-local=trust --auth-host=scram-sha-256 --pwfile=/tmp/password --encoding=UTF8 --no-sync
  rm /tmp/password
  echo 'host all all all scram-sha-256' >> $data/pg_hba.conf
  pg_ctl -D $data -w -o "-c listen_addresses= -c unix_socket_directories=/tmp" start
  createdb -h /tmp -U postgres "$POSTGRES_DB"
  for file in /docker-entrypoint-initdb.d/*.sql; do
    [ ! -e "$file" ] || psql -h /tmp -U postgres -v ON_ERROR_STOP=1 -f "$file" "$POSTGRES_DB"
  done
  pg_ctl -D $data -w stop
fi
exec postgres -D $data -c listen_addresses='*' -c unix_socket_directories=/tmp "$@"
