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
closed AS MATERIALIZED
(SELECT gendurable.buckets.key AS key
FROM gendurable.buckets
WHERE gendurable.buckets.key IN (SELECT due.rate_limit
FROM due
WHERE due.rate_limit IS NOT NULL) AND gendurable.buckets.head_at > statement_timestamp() AND (gendurable.buckets.amount IS NOT NULL OR gendurable.buckets.burst IS NULL) ORDER BY gendurable.buckets.key FOR UPDATE SKIP LOCKED),
behind AS
(SELECT gendurable.instances.id AS id
FROM due JOIN closed ON closed.key = due.rate_limit JOIN gendurable.instances ON gendurable.instances.id = due.id
WHERE gendurable.instances.status = 'runnable' AND gendurable.instances.blocked IS NULL AND gendurable.instances.paused_at IS NULL AND gendurable.instances.rate_limit = closed.key FOR NO KEY UPDATE OF instances SKIP LOCKED),
marked AS
(UPDATE gendurable.instances SET blocked='rate' FROM behind WHERE gendurable.instances.id = behind.id RETURNING gendurable.instances.id)
 SELECT count(*) AS count_1
FROM marked
