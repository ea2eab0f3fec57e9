WITH RECURSIVE ripe AS MATERIALIZED
(SELECT buckets.key
FROM gendurable.buckets
WHERE buckets.head_at <= statement_timestamp() ORDER BY buckets.head_at
 LIMIT 1000 FOR UPDATE SKIP LOCKED),
lanes(key, queue) AS
(SELECT ripe.key, (SELECT min(instances.queue) AS min_1
FROM gendurable.instances
WHERE instances.status = 'runnable' AND instances.blocked = 'rate' AND instances.paused_at IS NULL AND instances.rate_limit = ripe.key) AS queue
FROM ripe UNION ALL SELECT lanes.key, (SELECT min(instances.queue) AS min_2
FROM gendurable.instances
WHERE instances.status = 'runnable' AND instances.blocked = 'rate' AND instances.paused_at IS NULL AND instances.rate_limit = lanes.key AND instances.queue > lanes.queue) AS anon_1
FROM lanes
WHERE lanes.queue IS NOT NULL),
heads AS
(SELECT lanes.key, lanes.queue, head.id
FROM lanes JOIN LATERAL (SELECT limits.amount, limits.per_us, limits.burst
FROM gendurable.limits
WHERE limits.kind = 'rate' AND limits.name = split_part(lanes.key, ':', 1) ORDER BY limits.source DESC
 LIMIT 1) AS policy ON true JOIN LATERAL (SELECT instances.id
FROM gendurable.instances
WHERE instances.status = 'runnable' AND instances.blocked = 'rate' AND instances.paused_at IS NULL AND instances.rate_limit = lanes.key AND instances.queue = lanes.queue ORDER BY instances.priority, instances.eligible_at, instances.id
 LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED) AS head ON true
WHERE NOT (EXISTS (SELECT *
FROM gendurable.pauses
WHERE pauses.queue = lanes.queue AND pauses.resumed_at IS NULL))),
let_in AS
(UPDATE gendurable.instances SET blocked=NULL WHERE instances.id = any(array((SELECT heads.id
FROM heads)))),
armed AS
(UPDATE gendurable.buckets SET head_at=CASE WHEN (EXISTS (SELECT *
FROM gendurable.instances
WHERE instances.status = 'runnable' AND instances.blocked = 'rate' AND instances.paused_at IS NULL AND instances.rate_limit = buckets.key)) THEN statement_timestamp() + interval '1 second' ELSE NULL END, amount=NULL WHERE buckets.key = any(array((SELECT ripe.key
FROM ripe))))
 SELECT DISTINCT heads.queue
FROM heads
