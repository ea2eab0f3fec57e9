SELECT instances.queue, 'ready' AS state, count(*) AS count, CAST(EXTRACT(epoch FROM statement_timestamp() - min(instances.eligible_at)) AS DOUBLE PRECISION) AS age
FROM gendurable.instances
WHERE instances.status = 'runnable' AND instances.blocked IS NULL AND instances.paused_at IS NULL AND instances.eligible_at <= statement_timestamp() GROUP BY instances.queue UNION ALL SELECT instances.queue, 'scheduled' AS state, count(*) AS count, CAST(NULL AS DOUBLE PRECISION) AS age
FROM gendurable.instances
WHERE instances.status = 'runnable' AND instances.blocked IS NULL AND instances.paused_at IS NULL AND instances.eligible_at > statement_timestamp() GROUP BY instances.queue UNION ALL SELECT instances.queue, 'executing' AS state, count(*) AS count, CAST(NULL AS DOUBLE PRECISION) AS age
FROM gendurable.instances
WHERE instances.status = 'executing' GROUP BY instances.queue UNION ALL SELECT instances.queue, 'key' AS state, count(*) AS count, CAST(NULL AS DOUBLE PRECISION) AS age
FROM gendurable.instances
WHERE instances.status = 'runnable' AND (instances.blocked IN ('key')) AND instances.paused_at IS NULL GROUP BY instances.queue UNION ALL SELECT instances.queue, 'rate' AS state, count(*) AS count, CAST(NULL AS DOUBLE PRECISION) AS age
FROM gendurable.instances
WHERE instances.status = 'runnable' AND (instances.blocked IN ('rate')) AND instances.paused_at IS NULL GROUP BY instances.queue UNION ALL SELECT instances.queue, instances.blocked AS state, count(*) AS count, CAST(NULL AS DOUBLE PRECISION) AS age
FROM gendurable.instances
WHERE instances.blocked IN ('unknown', 'invalid') GROUP BY instances.queue, instances.blocked
