SELECT gendurable.instances.queue, 'ready' AS state, count(*) AS count, CAST(EXTRACT(epoch FROM statement_timestamp() - min(gendurable.instances.eligible_at)) AS DOUBLE PRECISION) AS age
FROM gendurable.instances
WHERE gendurable.instances.status = 'runnable' AND gendurable.instances.blocked IS NULL AND gendurable.instances.paused_at IS NULL AND gendurable.instances.eligible_at <= statement_timestamp() GROUP BY gendurable.instances.queue UNION ALL SELECT gendurable.instances.queue, 'scheduled' AS state, count(*) AS count, CAST(NULL AS DOUBLE PRECISION) AS age
FROM gendurable.instances
WHERE gendurable.instances.status = 'runnable' AND gendurable.instances.blocked IS NULL AND gendurable.instances.paused_at IS NULL AND gendurable.instances.eligible_at > statement_timestamp() GROUP BY gendurable.instances.queue UNION ALL SELECT gendurable.instances.queue, 'executing' AS state, count(*) AS count, CAST(NULL AS DOUBLE PRECISION) AS age
FROM gendurable.instances
WHERE gendurable.instances.status = 'executing' GROUP BY gendurable.instances.queue UNION ALL SELECT gendurable.instances.queue, 'key' AS state, count(*) AS count, CAST(NULL AS DOUBLE PRECISION) AS age
FROM gendurable.instances
WHERE gendurable.instances.status = 'runnable' AND (gendurable.instances.blocked IN ('key')) AND gendurable.instances.paused_at IS NULL GROUP BY gendurable.instances.queue UNION ALL SELECT gendurable.instances.queue, 'rate' AS state, count(*) AS count, CAST(NULL AS DOUBLE PRECISION) AS age
FROM gendurable.instances
WHERE gendurable.instances.status = 'runnable' AND (gendurable.instances.blocked IN ('rate')) AND gendurable.instances.paused_at IS NULL GROUP BY gendurable.instances.queue UNION ALL SELECT gendurable.instances.queue, gendurable.instances.blocked AS state, count(*) AS count, CAST(NULL AS DOUBLE PRECISION) AS age
FROM gendurable.instances
WHERE gendurable.instances.blocked IN ('unknown', 'invalid') GROUP BY gendurable.instances.queue, gendurable.instances.blocked
