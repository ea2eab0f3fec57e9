SELECT count(*) AS count, min(instances.id) AS example
FROM gendurable.instances
WHERE instances.status = 'executing' AND instances.lease_expires_at < statement_timestamp() - %(grace)s * interval '1 second'
