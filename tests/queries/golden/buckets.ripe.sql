WITH RECURSIVE ripe AS MATERIALIZED
(SELECT gendurable.buckets.key AS key
FROM gendurable.buckets
WHERE gendurable.buckets.head_at <= statement_timestamp() ORDER BY gendurable.buckets.head_at
 LIMIT 1000 FOR UPDATE SKIP LOCKED),
lanes(key, queue) AS
(SELECT ripe.key AS key, (SELECT min(gendurable.instances.queue) AS min_1
FROM gendurable.instances
WHERE gendurable.instances.status = 'runnable' AND gendurable.instances.blocked = 'rate' AND gendurable.instances.paused_at IS NULL AND gendurable.instances.rate_limit = ripe.key) AS queue
FROM ripe UNION ALL SELECT lanes.key AS key, (SELECT min(gendurable.instances.queue) AS min_2
FROM gendurable.instances
WHERE gendurable.instances.status = 'runnable' AND gendurable.instances.blocked = 'rate' AND gendurable.instances.paused_at IS NULL AND gendurable.instances.rate_limit = lanes.key AND gendurable.instances.queue > lanes.queue) AS anon_1
FROM lanes
WHERE lanes.queue IS NOT NULL),
heads AS
(SELECT lanes.key AS key, lanes.queue AS queue, head.id AS id
FROM lanes JOIN LATERAL (SELECT gendurable.limits.amount AS amount, gendurable.limits.per_us AS per_us, gendurable.limits.burst AS burst
FROM gendurable.limits
WHERE gendurable.limits.kind = 'rate' AND gendurable.limits.name = split_part(lanes.key, ':', 1) ORDER BY gendurable.limits.source DESC
 LIMIT 1) AS policy ON true JOIN LATERAL (SELECT gendurable.instances.id AS id
FROM gendurable.instances
WHERE gendurable.instances.status = 'runnable' AND gendurable.instances.blocked = 'rate' AND gendurable.instances.paused_at IS NULL AND gendurable.instances.rate_limit = lanes.key AND gendurable.instances.queue = lanes.queue ORDER BY gendurable.instances.priority, gendurable.instances.eligible_at, gendurable.instances.id
 LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED) AS head ON true),
let_in AS
(UPDATE gendurable.instances SET blocked=NULL WHERE gendurable.instances.id = any(array((SELECT heads.id
FROM heads)))),
armed AS
(UPDATE gendurable.buckets SET head_at=CASE WHEN (EXISTS (SELECT *
FROM gendurable.instances
WHERE gendurable.instances.status = 'runnable' AND gendurable.instances.blocked = 'rate' AND gendurable.instances.paused_at IS NULL AND gendurable.instances.rate_limit = gendurable.buckets.key)) THEN statement_timestamp() + interval '1 second' ELSE NULL END, amount=NULL WHERE gendurable.buckets.key = any(array((SELECT ripe.key
FROM ripe))))
 SELECT DISTINCT heads.queue
FROM heads
