SELECT instances.concurrency_key, count(*) AS count, min(instances.id) AS example
FROM gendurable.instances
WHERE instances.status = 'executing' AND instances.concurrency_key IS NOT NULL GROUP BY instances.concurrency_key ORDER BY count DESC
