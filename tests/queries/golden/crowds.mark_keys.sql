WITH RECURSIVE lanes(priority) AS
(SELECT (SELECT instances.priority
FROM gendurable.instances
WHERE instances.queue = %(in_queue)s::VARCHAR AND instances.status = 'runnable' AND instances.blocked IS NULL AND instances.paused_at IS NULL AND NOT (EXISTS (SELECT *
FROM gendurable.pauses
WHERE pauses.queue = %(in_queue)s::VARCHAR AND pauses.resumed_at IS NULL)) ORDER BY instances.priority
 LIMIT 1) AS priority UNION ALL SELECT (SELECT instances.priority
FROM gendurable.instances
WHERE instances.queue = %(in_queue)s::VARCHAR AND instances.status = 'runnable' AND instances.blocked IS NULL AND instances.paused_at IS NULL AND instances.priority > lanes.priority ORDER BY instances.priority
 LIMIT 1) AS anon_1
FROM lanes
WHERE lanes.priority IS NOT NULL),
due AS MATERIALIZED
(SELECT head.id, head.concurrency_key, head.rate_limit
FROM lanes JOIN LATERAL (SELECT instances.id, instances.concurrency_key, instances.rate_limit
FROM gendurable.instances
WHERE instances.queue = %(in_queue)s::VARCHAR AND instances.status = 'runnable' AND instances.blocked IS NULL AND instances.paused_at IS NULL AND instances.priority = lanes.priority AND instances.eligible_at <= statement_timestamp() ORDER BY instances.eligible_at, instances.id
 LIMIT %(up_to)s::BIGINT) AS head ON true
 LIMIT %(up_to)s::BIGINT),
keys AS MATERIALIZED
(SELECT DISTINCT due.concurrency_key AS key
FROM due
WHERE due.concurrency_key IS NOT NULL),
full_keys AS MATERIALIZED
(SELECT keys.key
FROM keys
WHERE (SELECT count(*) AS count_2
FROM gendurable.instances
WHERE instances.status = 'executing' AND instances.concurrency_key = keys.key) >= coalesce((SELECT limits.amount
FROM gendurable.limits
WHERE limits.kind = 'key' AND limits.name = split_part(keys.key, ':', 1) ORDER BY limits.source DESC
 LIMIT 1), 1)),
behind AS
(SELECT instances.id
FROM gendurable.instances
WHERE instances.id = any(array((SELECT due.id
FROM due JOIN full_keys ON full_keys.key = due.concurrency_key))) AND instances.concurrency_key = any(array((SELECT full_keys.key
FROM full_keys))) AND CASE WHEN (instances.status = 'runnable' AND instances.blocked IS NULL AND instances.paused_at IS NULL) THEN true ELSE false END FOR NO KEY UPDATE OF instances SKIP LOCKED),
marked AS
(UPDATE gendurable.instances SET blocked='key' FROM behind WHERE instances.id = behind.id RETURNING instances.concurrency_key)
 SELECT marked.concurrency_key, count(*) AS count_1
FROM marked GROUP BY marked.concurrency_key
