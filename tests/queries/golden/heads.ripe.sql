WITH RECURSIVE ripe AS MATERIALIZED
(SELECT buckets.key, buckets.turn_id, buckets.turn_until
FROM gendurable.buckets
WHERE buckets.head_at <= statement_timestamp() ORDER BY buckets.head_at
 LIMIT 1000 FOR UPDATE SKIP LOCKED),
turns AS MATERIALIZED
(SELECT ripe.key, turn.waited_for
FROM ripe JOIN LATERAL (SELECT instances.id, instances.queue, instances.eligible_at, instances.weight, ripe.turn_until > statement_timestamp() AS waited_for
FROM gendurable.instances
WHERE instances.id = ripe.turn_id AND instances.rate_limit = ripe.key AND CASE WHEN (instances.status = 'runnable' AND instances.blocked IS NULL AND instances.paused_at IS NULL) THEN true ELSE false END AND NOT (EXISTS (SELECT *
FROM gendurable.pauses
WHERE pauses.queue = instances.queue AND pauses.resumed_at IS NULL))) AS turn ON true),
lanes(key, queue) AS
(SELECT ripe.key, (SELECT min(instances.queue) AS min_1
FROM gendurable.instances
WHERE instances.status = 'runnable' AND instances.blocked = 'rate' AND instances.paused_at IS NULL AND instances.rate_limit = ripe.key) AS queue
FROM ripe UNION ALL SELECT lanes.key, (SELECT min(instances.queue) AS min_2
FROM gendurable.instances
WHERE instances.status = 'runnable' AND instances.blocked = 'rate' AND instances.paused_at IS NULL AND instances.rate_limit = lanes.key AND instances.queue > lanes.queue) AS anon_1
FROM lanes
WHERE lanes.queue IS NOT NULL),
heads AS MATERIALIZED
(SELECT lanes.key, lanes.queue, head.id, head.eligible_at, NOT (EXISTS (SELECT *
FROM gendurable.pauses
WHERE pauses.queue = lanes.queue AND pauses.resumed_at IS NULL)) AND ((EXISTS (SELECT *
FROM gendurable.nodes
WHERE nodes.beat_at > statement_timestamp() - interval '30 seconds' AND lanes.queue = any(nodes.queues))) OR NOT (EXISTS (SELECT *
FROM gendurable.nodes
WHERE nodes.beat_at > statement_timestamp() - interval '30 seconds'))) AND (head.concurrency_key IS NULL OR (SELECT count(*) AS count_1
FROM gendurable.instances
WHERE instances.status = 'executing' AND instances.concurrency_key = head.concurrency_key) < coalesce((SELECT limits.amount
FROM gendurable.limits
WHERE limits.kind = 'key' AND limits.name = split_part(head.concurrency_key, ':', 1) ORDER BY limits.source DESC
 LIMIT 1), 1)) AND NOT (EXISTS (SELECT *
FROM turns
WHERE turns.key = lanes.key)) AS contends
FROM lanes JOIN LATERAL (SELECT limits.amount, limits.per_us, limits.burst
FROM gendurable.limits
WHERE limits.kind = 'rate' AND limits.name = split_part(lanes.key, ':', 1) ORDER BY limits.source DESC
 LIMIT 1) AS policy ON true JOIN LATERAL (SELECT instances.id, instances.eligible_at, instances.concurrency_key
FROM gendurable.instances
WHERE instances.status = 'runnable' AND instances.blocked = 'rate' AND instances.paused_at IS NULL AND instances.rate_limit = lanes.key AND instances.queue = lanes.queue ORDER BY instances.priority, instances.eligible_at, instances.id
 LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED) AS head ON true
WHERE NOT (EXISTS (SELECT *
FROM gendurable.pauses
WHERE pauses.queue = lanes.queue AND pauses.resumed_at IS NULL)) AND NOT (EXISTS (SELECT *
FROM turns
WHERE turns.key = lanes.key AND turns.waited_for))),
first AS MATERIALIZED
(SELECT ripe.key, front.queue, front.id
FROM ripe JOIN LATERAL (SELECT heads.queue, heads.id
FROM heads
WHERE heads.key = ripe.key AND heads.contends ORDER BY heads.eligible_at, heads.id
 LIMIT 1) AS front ON true),
chosen AS MATERIALIZED
(SELECT first.id, first.queue
FROM first UNION ALL SELECT heads.id, heads.queue
FROM heads
WHERE NOT heads.contends),
let_in AS
(UPDATE gendurable.instances SET blocked=NULL WHERE instances.id = any(array((SELECT chosen.id
FROM chosen)))),
armed AS
(UPDATE gendurable.buckets SET head_at=CASE WHEN (EXISTS (SELECT *
FROM turns
WHERE turns.key = buckets.key AND turns.waited_for)) THEN buckets.turn_until WHEN ((SELECT first.id
FROM first
WHERE first.key = buckets.key) IS NOT NULL) THEN statement_timestamp() + interval '250 milliseconds' WHEN (EXISTS (SELECT *
FROM gendurable.instances
WHERE instances.status = 'runnable' AND instances.blocked = 'rate' AND instances.paused_at IS NULL AND instances.rate_limit = buckets.key)) THEN statement_timestamp() + interval '1 second' ELSE NULL END, amount=NULL, turn_id=coalesce((SELECT first.id
FROM first
WHERE first.key = buckets.key), buckets.turn_id), turn_until=CASE WHEN ((SELECT first.id
FROM first
WHERE first.key = buckets.key) IS NOT NULL) THEN statement_timestamp() + interval '250 milliseconds' ELSE buckets.turn_until END WHERE buckets.key = any(array((SELECT ripe.key
FROM ripe))))
 SELECT DISTINCT chosen.queue
FROM chosen
