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
closed AS MATERIALIZED
(SELECT buckets.key
FROM gendurable.buckets
WHERE buckets.key IN (SELECT due.rate_limit
FROM due
WHERE due.rate_limit IS NOT NULL) AND buckets.head_at > statement_timestamp() AND (buckets.amount IS NOT NULL OR buckets.burst IS NULL) ORDER BY buckets.key FOR UPDATE SKIP LOCKED),
behind AS
(SELECT instances.id
FROM gendurable.instances
WHERE instances.id = any(array((SELECT due.id
FROM due JOIN closed ON closed.key = due.rate_limit))) AND instances.rate_limit = any(array((SELECT closed.key
FROM closed))) AND CASE WHEN (instances.status = 'runnable' AND instances.blocked IS NULL AND instances.paused_at IS NULL) THEN true ELSE false END FOR NO KEY UPDATE OF instances SKIP LOCKED),
marked AS
(UPDATE gendurable.instances SET blocked='rate' FROM behind WHERE instances.id = behind.id RETURNING instances.id)
 SELECT count(*) AS count_1
FROM marked
