SELECT count(*) AS count, min(gendurable.instances.id) AS example
FROM gendurable.instances
WHERE gendurable.instances.status = 'executing' AND gendurable.instances.lease_expires_at < statement_timestamp() - %(grace)s * interval '1 second'
