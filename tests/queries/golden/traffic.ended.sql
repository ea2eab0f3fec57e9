SELECT 'done' AS status, s.n AS slice, rows.queue, count(*) AS count, CAST(EXTRACT(epoch FROM max(rows.updated_at) - (statement_timestamp() - (s.n + 1) * 10 * interval '1 second')) AS DOUBLE PRECISION) AS reach
FROM generate_series(0, 29) AS s(n) JOIN LATERAL (SELECT instances.queue, instances.updated_at
FROM gendurable.instances
WHERE instances.status = 'done' AND instances.updated_at > statement_timestamp() - (s.n + 1) * 10 * interval '1 second' AND instances.updated_at <= statement_timestamp() - s.n * 10 * interval '1 second' ORDER BY instances.updated_at, instances.id
 LIMIT 300) AS rows ON true GROUP BY s.n, rows.queue UNION ALL SELECT 'failed' AS status, s.n AS slice, rows.queue, count(*) AS count, CAST(EXTRACT(epoch FROM max(rows.updated_at) - (statement_timestamp() - (s.n + 1) * 10 * interval '1 second')) AS DOUBLE PRECISION) AS reach
FROM generate_series(0, 29) AS s(n) JOIN LATERAL (SELECT instances.queue, instances.updated_at
FROM gendurable.instances
WHERE instances.status = 'failed' AND instances.updated_at > statement_timestamp() - (s.n + 1) * 10 * interval '1 second' AND instances.updated_at <= statement_timestamp() - s.n * 10 * interval '1 second' ORDER BY instances.updated_at, instances.id
 LIMIT 50) AS rows ON true GROUP BY s.n, rows.queue UNION ALL SELECT 'cancelled' AS status, s.n AS slice, rows.queue, count(*) AS count, CAST(EXTRACT(epoch FROM max(rows.updated_at) - (statement_timestamp() - (s.n + 1) * 10 * interval '1 second')) AS DOUBLE PRECISION) AS reach
FROM generate_series(0, 29) AS s(n) JOIN LATERAL (SELECT instances.queue, instances.updated_at
FROM gendurable.instances
WHERE instances.status = 'cancelled' AND instances.updated_at > statement_timestamp() - (s.n + 1) * 10 * interval '1 second' AND instances.updated_at <= statement_timestamp() - s.n * 10 * interval '1 second' ORDER BY instances.updated_at, instances.id
 LIMIT 50) AS rows ON true GROUP BY s.n, rows.queue
