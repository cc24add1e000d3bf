"""Reads an Iceberg table with DuckDB and pyiceberg, which know nothing of pgtimewarp.

Input (stdin): {"catalog": url, "s3": url, "sql": [query, …], "table": "namespace.name" or null}.
Output: {"duckdb": rows of each query, "pyiceberg": rows of the table, or null}, values as text.
"""
import glob
import json
import sys
import sysconfig

import duckdb
from pyiceberg.catalog.rest import RestCatalog

asked = json.load(sys.stdin)
host = asked["s3"].split("//")[1]
db = duckdb.connect()
for name in ("avro", "httpfs", "iceberg"):
    pattern = f"{sysconfig.get_path('purelib')}/duckdb_extension_{name}/**/*.duckdb_extension"
    db.execute(f"LOAD '{glob.glob(pattern, recursive=True)[0]}'")
db.execute(
    "CREATE SECRET (TYPE s3, KEY_ID 'archive', SECRET 'archivesecret', REGION 'us-east-1', "
    f"ENDPOINT '{host}', URL_STYLE 'path', USE_SSL false)"
)
db.execute("SET TimeZone = 'UTC'")
text = lambda value: None if value is None else str(value)
result = {"duckdb": [], "pyiceberg": None}
for sql in asked["sql"]:
    cursor = db.execute(sql)
    names = [column[0] for column in cursor.description]
    result["duckdb"].append([dict(zip(names, map(text, row))) for row in cursor.fetchall()])
if asked.get("table"):
    catalog = RestCatalog(
        "judge",
        **{
            "uri": asked["catalog"],
            "warehouse": "s3://arch",
            "rest.sigv4-enabled": "true",
            "rest.signing-name": "s3tables",
            "rest.signing-region": "us-east-1",
            "s3.endpoint": asked["s3"],
            "s3.access-key-id": "archive",
            "s3.secret-access-key": "archivesecret",
            "s3.region": "us-east-1",
        },
    )
    rows = catalog.load_table(asked["table"]).scan().to_arrow().to_pylist()
    result["pyiceberg"] = [
        {name: text(value.isoformat() if hasattr(value, "isoformat") else value) for name, value in row.items()} for row in rows
    ]
json.dump(result, sys.stdout)
