"""Asks questions over Parquet files and prints how long each took, as JSON.

Usage: ask.py GLOB '[["name", "SELECT …"], …]' TIMES
"""

import json
import statistics
import sys
import time

import duckdb

glob, questions, times = sys.argv[1], json.loads(sys.argv[2]), int(sys.argv[3])
connection = duckdb.connect()
# It would be printed among the answers.
connection.execute("SET enable_progress_bar = false")
connection.execute("SET TimeZone = 'UTC'")
connection.execute(f"CREATE VIEW logs AS SELECT * FROM read_parquet('{glob}')")
timed = []
for name, question in questions:
    took = []
    for _ in range(times):
        start = time.perf_counter()
        connection.execute(question).fetchall()
        took.append((time.perf_counter() - start) * 1000)
    timed.append({"name": name, "median_ms": statistics.median(took)})
print(json.dumps(timed))
