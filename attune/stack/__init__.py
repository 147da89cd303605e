"""The local stack: real Apache Kafka, real PostgreSQL, a mail sink and the services as plain processes."""
