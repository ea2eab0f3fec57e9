SELECT lately.queue, lately.status, CAST(floor(EXTRACT(epoch FROM statement_timestamp() - lately.updated_at) / CAST(10 AS NUMERIC)) AS BIGINT) AS slice, count(*) AS count
FROM (SELECT lately_done.queue, lately_done.status, lately_done.updated_at
FROM (SELECT instances.queue, instances.status, instances.updated_at
FROM gendurable.instances
WHERE instances.status = 'done' AND instances.updated_at > statement_timestamp() - interval '300 seconds' ORDER BY instances.updated_at DESC, instances.id DESC
 LIMIT 10000) AS lately_done UNION ALL SELECT lately_failed.queue, lately_failed.status, lately_failed.updated_at
FROM (SELECT instances.queue, instances.status, instances.updated_at
FROM gendurable.instances
WHERE instances.status = 'failed' AND instances.updated_at > statement_timestamp() - interval '300 seconds' ORDER BY instances.updated_at DESC, instances.id DESC
 LIMIT 10000) AS lately_failed UNION ALL SELECT lately_cancelled.queue, lately_cancelled.status, lately_cancelled.updated_at
FROM (SELECT instances.queue, instances.status, instances.updated_at
FROM gendurable.instances
WHERE instances.status = 'cancelled' AND instances.updated_at > statement_timestamp() - interval '300 seconds' ORDER BY instances.updated_at DESC, instances.id DESC
 LIMIT 10000) AS lately_cancelled) AS lately GROUP BY lately.queue, lately.status, CAST(floor(EXTRACT(epoch FROM statement_timestamp() - lately.updated_at) / CAST(10 AS NUMERIC)) AS BIGINT)
