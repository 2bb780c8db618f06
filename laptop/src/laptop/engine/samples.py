"""Datasets of Databricks' `samples` catalog that the laptop provides."""

# Columns and types match Databricks; the rows are generated.
TRIPS = """
SELECT timestampadd(MINUTE, 31 * id, TIMESTAMP '2016-01-01 00:00:00') AS tpep_pickup_datetime,
    timestampadd(MINUTE, 31 * id + 5 + 7 * id % 40, TIMESTAMP '2016-01-01 00:00:00')
        AS tpep_dropoff_datetime,
    CAST(5 + 37 * id % 120 AS DOUBLE) / 10 AS trip_distance,
    CAST(50 + 3 * (5 + 37 * id % 120) AS DOUBLE) / 10 AS fare_amount,
    CAST(10001 + 13 * id % 40 AS INT) AS pickup_zip,
    CAST(10001 + 29 * id % 40 AS INT) AS dropoff_zip
FROM range(2000)
"""
DATASETS = {"samples.nyctaxi.trips": TRIPS}
