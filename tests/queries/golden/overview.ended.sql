SELECT lately.queue, lately.status, CAST(floor(EXTRACT(epoch FROM statement_timestamp() - lately.updated_at) / CAST(10 AS NUMERIC)) AS BIGINT) AS slice, count(*) AS count
FROM (SELECT lately_done.queue AS queue, lately_done.status AS status, lately_done.updated_at AS updated_at
FROM (SELECT gendurable.instances.queue AS queue, gendurable.instances.status AS status, gendurable.instances.updated_at AS updated_at
FROM gendurable.instances
WHERE gendurable.instances.status = 'done' AND gendurable.instances.updated_at > statement_timestamp() - interval '300 seconds' ORDER BY gendurable.instances.updated_at DESC, gendurable.instances.id DESC
 LIMIT 10000) AS lately_done UNION ALL SELECT lately_failed.queue AS queue, lately_failed.status AS status, lately_failed.updated_at AS updated_at
FROM (SELECT gendurable.instances.queue AS queue, gendurable.instances.status AS status, gendurable.instances.updated_at AS updated_at
FROM gendurable.instances
WHERE gendurable.instances.status = 'failed' AND gendurable.instances.updated_at > statement_timestamp() - interval '300 seconds' ORDER BY gendurable.instances.updated_at DESC, gendurable.instances.id DESC
 LIMIT 10000) AS lately_failed UNION ALL SELECT lately_cancelled.queue AS queue, lately_cancelled.status AS status, lately_cancelled.updated_at AS updated_at
FROM (SELECT gendurable.instances.queue AS queue, gendurable.instances.status AS status, gendurable.instances.updated_at AS updated_at
FROM gendurable.instances
WHERE gendurable.instances.status = 'cancelled' AND gendurable.instances.updated_at > statement_timestamp() - interval '300 seconds' ORDER BY gendurable.instances.updated_at DESC, gendurable.instances.id DESC
 LIMIT 10000) AS lately_cancelled) AS lately GROUP BY lately.queue, lately.status, CAST(floor(EXTRACT(epoch FROM statement_timestamp() - lately.updated_at) / CAST(10 AS NUMERIC)) AS BIGINT)
