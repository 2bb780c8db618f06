"""Kafka: Spark's source and sink, implemented with librdkafka, and a local broker."""
