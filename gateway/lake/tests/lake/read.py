"""Reads a lake with duckdb or pyarrow and prints one JSON document; called by other_readers.rs.

    read.py duckdb|pyarrow summary LAKE
    read.py duckdb count LAKE TABLE
    read.py duckdb queries SQL...
"""

import json
import os
import sys
import uuid
from datetime import timezone

TABLES = ["events", "decisions", "stream_tokens", "capability_calls", "entities", "quarantine"]


def moment(at):
    at = at.astimezone(timezone.utc)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}Z"


def files(lake, table):
    return (
        f"read_parquet('{lake}/silver/{table}/**/*.parquet', hive_partitioning = true, "
        "hive_types = {'label': 'VARCHAR', 'date': 'DATE'})"
    )


def connection():
    import duckdb

    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    return connection


def duckdb_summary(lake):
    db = connection()
    by_label = {
        table: dict(db.execute(f"SELECT label, count(*) FROM {files(lake, table)} GROUP BY label").fetchall())
        for table in TABLES
    }
    events = files(lake, "events")
    types = {row[0]: row[1] for row in db.execute(f"DESCRIBE SELECT * FROM {events}").fetchall()}
    assert types["entity_uuid"] == "UUID", types
    assert types["occurred_at"] == "TIMESTAMP WITH TIME ZONE", types
    sums = db.execute(f"SELECT sum(request_bytes), sum(response_bytes) FROM {events}").fetchone()
    first = db.execute(f"SELECT strftime(min(occurred_at) AT TIME ZONE 'UTC', '%Y-%m-%dT%H:%M:%S.%gZ') FROM {events}").fetchone()[0]
    return {
        "rows_by_label": by_label,
        "request_bytes": int(sums[0]),
        "response_bytes": int(sums[1]),
        "first": first,
        "dates": [str(row[0]) for row in db.execute(f"SELECT DISTINCT date FROM {events} ORDER BY date").fetchall()],
        "uuids": sorted(str(row[0]) for row in db.execute(f"SELECT entity_uuid FROM {events}").fetchall()),
    }


def duckdb_queries(queries):
    """Rows as JSON made by DuckDB itself: its own conversion of times to Python needs one more module."""
    db = connection()
    return [
        [json.loads(row) for (row,) in db.execute(f"SELECT to_json(a)::VARCHAR FROM ({query.strip().rstrip(';')}) AS a").fetchall()]
        for query in queries
    ]


def pyarrow_summary(lake):
    import pyarrow.compute as pc
    import pyarrow.dataset
    import pyarrow.parquet

    def table(name):
        return pyarrow.parquet.read_table(os.path.join(lake, "silver", name))

    def by_label(name):
        labels = table(name)["label"].cast("string").value_counts().to_pylist()
        as_dataset = pyarrow.dataset.dataset(os.path.join(lake, "silver", name), partitioning="hive")
        assert as_dataset.count_rows() == sum(row["counts"] for row in labels)
        return {row["values"]: row["counts"] for row in labels}

    events = table("events")
    uuids = [value if isinstance(value, uuid.UUID) else uuid.UUID(bytes=value) for value in events["entity_uuid"].to_pylist()]
    return {
        "rows_by_label": {name: by_label(name) for name in TABLES},
        "request_bytes": pc.sum(events["request_bytes"]).as_py(),
        "response_bytes": pc.sum(events["response_bytes"]).as_py(),
        "first": moment(pc.min(events["occurred_at"]).as_py()),
        "dates": sorted(set(events["date"].cast("string").to_pylist())),
        "uuids": sorted(map(str, uuids)),
    }


def main(module, action, *arguments):
    if action == "summary":
        answer = {"duckdb": duckdb_summary, "pyarrow": pyarrow_summary}[module](*arguments)
    elif action == "count":
        answer = connection().execute(f"SELECT count(*) FROM {files(*arguments)}").fetchone()[0]
    elif action == "queries":
        answer = duckdb_queries(arguments)
    else:
        raise SystemExit(f"unknown action {action}")
    print(json.dumps(answer, default=str))


if __name__ == "__main__":
    main(*sys.argv[1:])
