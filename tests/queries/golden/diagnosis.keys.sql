SELECT gendurable.instances.concurrency_key, count(*) AS count, min(gendurable.instances.id) AS example
FROM gendurable.instances
WHERE gendurable.instances.status = 'executing' AND gendurable.instances.concurrency_key IS NOT NULL GROUP BY gendurable.instances.concurrency_key ORDER BY count DESC
