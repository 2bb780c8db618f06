"""Kafka: Spark's source and sink over librdkafka, and a broker for one machine."""
