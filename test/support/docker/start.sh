# A throw-away server: PASSWORD is the superuser's, SETTINGS the text of a configuration file.
set -eu
data=/var/lib/postgresql/data
printf '%s\n' "$PASSWORD" > /tmp/password
initdb -D $data -U postgres --auth=scram-sha-256 --pwfile=/tmp/password --encoding=UTF8 --locale=C --no-sync > /dev/null
rm /tmp/password
printf '%s\n' "$SETTINGS" > $data/throw-away.conf
echo "include 'throw-away.conf'" >> $data/postgresql.conf
echo 'host all all all scram-sha-256' >> $data/pg_hba.conf
# An older minor version does not know the setting and would not start with it.
if postgres --describe-config | grep -q '^output_plugin_libraries'; then
  echo "output_plugin_libraries = 'pgoutput, wal2json, test_decoding'" >> $data/throw-away.conf
fi
exec postgres -D $data
