# What a Databricks notebook has without an import, typed for the editor.
from databricks.sdk.runtime import dbutils as dbutils
from databricks.sdk.runtime import display as display
from databricks.sdk.runtime import displayHTML as displayHTML
from pyspark.sql import SparkSession

spark: SparkSession
