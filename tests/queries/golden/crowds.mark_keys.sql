WITH RECURSIVE lanes(priority) AS
(SELECT (SELECT gendurable.instances.priority
FROM gendurable.instances
WHERE gendurable.instances.queue = %(in_queue)s::VARCHAR AND gendurable.instances.status = 'runnable' AND gendurable.instances.blocked IS NULL AND gendurable.instances.paused_at IS NULL ORDER BY gendurable.instances.priority
 LIMIT 1) AS priority UNION ALL SELECT (SELECT gendurable.instances.priority
FROM gendurable.instances
WHERE gendurable.instances.queue = %(in_queue)s::VARCHAR AND gendurable.instances.status = 'runnable' AND gendurable.instances.blocked IS NULL AND gendurable.instances.paused_at IS NULL AND gendurable.instances.priority > lanes.priority ORDER BY gendurable.instances.priority
 LIMIT 1) AS anon_1
FROM lanes
WHERE lanes.priority IS NOT NULL),
due AS MATERIALIZED
(SELECT head.id AS id, head.concurrency_key AS concurrency_key, head.rate_limit AS rate_limit
FROM lanes JOIN LATERAL (SELECT gendurable.instances.id AS id, gendurable.instances.concurrency_key AS concurrency_key, gendurable.instances.rate_limit AS rate_limit
FROM gendurable.instances
WHERE gendurable.instances.queue = %(in_queue)s::VARCHAR AND gendurable.instances.status = 'runnable' AND gendurable.instances.blocked IS NULL AND gendurable.instances.paused_at IS NULL AND gendurable.instances.priority = lanes.priority AND gendurable.instances.eligible_at <= statement_timestamp() ORDER BY gendurable.instances.eligible_at, gendurable.instances.id
 LIMIT %(up_to)s::BIGINT) AS head ON true
 LIMIT %(up_to)s::BIGINT),
keys AS MATERIALIZED
(SELECT DISTINCT due.concurrency_key AS key
FROM due
WHERE due.concurrency_key IS NOT NULL),
full_keys AS MATERIALIZED
(SELECT keys.key AS key
FROM keys
WHERE (SELECT count(*) AS count_2
FROM gendurable.instances
WHERE gendurable.instances.status = 'executing' AND gendurable.instances.concurrency_key = keys.key) >= coalesce((SELECT gendurable.limits.amount
FROM gendurable.limits
WHERE gendurable.limits.kind = 'key' AND gendurable.limits.name = split_part(keys.key, ':', 1) ORDER BY gendurable.limits.source DESC
 LIMIT 1), 1)),
behind AS
(SELECT gendurable.instances.id AS id
FROM due JOIN full_keys ON full_keys.key = due.concurrency_key JOIN gendurable.instances ON gendurable.instances.id = due.id
WHERE gendurable.instances.status = 'runnable' AND gendurable.instances.blocked IS NULL AND gendurable.instances.paused_at IS NULL AND gendurable.instances.concurrency_key = full_keys.key FOR NO KEY UPDATE OF instances SKIP LOCKED),
marked AS
(UPDATE gendurable.instances SET blocked='key' FROM behind WHERE gendurable.instances.id = behind.id RETURNING gendurable.instances.concurrency_key)
 SELECT marked.concurrency_key, count(*) AS count_1
FROM marked GROUP BY marked.concurrency_key
