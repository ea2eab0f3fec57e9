WITH RECURSIVE locked AS MATERIALIZED
(SELECT buckets.key, buckets.level, buckets.per_us, buckets.at, buckets.turn_id, buckets.turn_until
FROM gendurable.buckets
WHERE buckets.key = any(array((SELECT wanted.key
FROM json_to_recordset(%(keys)s::JSON) AS wanted(key TEXT)))) ORDER BY buckets.key FOR UPDATE SKIP LOCKED),
lanes(key, queue) AS
(SELECT locked.key, (SELECT min(instances.queue) AS min_1
FROM gendurable.instances
WHERE instances.status = 'runnable' AND instances.blocked = 'rate' AND instances.paused_at IS NULL AND instances.rate_limit = locked.key) AS queue
FROM locked UNION ALL SELECT lanes.key, (SELECT min(instances.queue) AS min_2
FROM gendurable.instances
WHERE instances.status = 'runnable' AND instances.blocked = 'rate' AND instances.paused_at IS NULL AND instances.rate_limit = lanes.key AND instances.queue > lanes.queue) AS anon_1
FROM lanes
WHERE lanes.queue IS NOT NULL),
rivals AS MATERIALIZED
(SELECT lanes.key, lanes.queue, head.id, head.eligible_at, head.weight, head.concurrency_key
FROM lanes JOIN LATERAL (SELECT instances.id, instances.eligible_at, instances.weight, instances.concurrency_key
FROM gendurable.instances
WHERE instances.status = 'runnable' AND instances.blocked = 'rate' AND instances.paused_at IS NULL AND instances.rate_limit = lanes.key AND instances.queue = lanes.queue ORDER BY instances.priority, instances.eligible_at, instances.id
 LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED) AS head ON true
WHERE lanes.queue != %(in_queue)s::VARCHAR AND NOT (EXISTS (SELECT *
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
 LIMIT 1), 1)))
 SELECT wanted.key, EXISTS (SELECT *
FROM gendurable.buckets
WHERE buckets.key = wanted.key) AS there, locked.level, locked.per_us AS unit, CAST(greatest(locked.at, statement_timestamp()) AS TEXT) AS used, CAST(EXTRACT(epoch FROM greatest(locked.at, statement_timestamp()) - locked.at) * 1000000 AS BIGINT) AS elapsed, policy.amount, policy.per_us, policy.burst, locked.turn_id, CASE WHEN (turn.queue != %(in_queue)s::VARCHAR AND turn.waited_for) THEN turn.eligible_at END AS turn_due, CAST(EXTRACT(epoch FROM locked.turn_until - greatest(locked.at, statement_timestamp())) * 1000000 AS BIGINT) AS turn_left, rival.eligible_at AS rival_due, rival.id AS rival_id, rival.weight AS rival_weight, waiting.id, waiting.fsm, waiting.fsm_version, waiting.step, waiting.state, waiting.attempt, waiting.visit, waiting.claim_seq, waiting.awaits, waiting.queue, waiting.priority, waiting.correlation_key, waiting.correlation_scope, waiting.parent_id, waiting.parent_round, waiting.round, waiting.headers, waiting.timed_out, waiting.crashes, waiting.concurrency_key, waiting.rate_limit, waiting.weight, waiting.eligible_at
FROM json_to_recordset(%(keys)s::JSON) AS wanted(key TEXT) LEFT OUTER JOIN LATERAL (SELECT limits.amount, limits.per_us, limits.burst
FROM gendurable.limits
WHERE limits.kind = 'rate' AND limits.name = split_part(wanted.key, ':', 1) ORDER BY limits.source DESC
 LIMIT 1) AS policy ON true LEFT OUTER JOIN locked ON locked.key = wanted.key LEFT OUTER JOIN LATERAL (SELECT instances.id, instances.queue, instances.eligible_at, instances.weight, locked.turn_until > statement_timestamp() AS waited_for
FROM gendurable.instances
WHERE instances.id = locked.turn_id AND instances.rate_limit = locked.key AND CASE WHEN (instances.status = 'runnable' AND instances.blocked IS NULL AND instances.paused_at IS NULL) THEN true ELSE false END AND NOT (EXISTS (SELECT *
FROM gendurable.pauses
WHERE pauses.queue = instances.queue AND pauses.resumed_at IS NULL))) AS turn ON true LEFT OUTER JOIN LATERAL (SELECT rivals.id, rivals.eligible_at, rivals.weight
FROM rivals
WHERE rivals.key = locked.key AND rivals.queue IS DISTINCT FROM turn.queue ORDER BY rivals.eligible_at, rivals.id
 LIMIT 1) AS rival ON true LEFT OUTER JOIN LATERAL (SELECT instances.id, instances.fsm, instances.fsm_version, instances.step, CAST(instances.state AS TEXT) AS state, instances.attempt, instances.visit, instances.claim_seq, instances.awaits, instances.queue, instances.priority, instances.correlation_key, instances.correlation_scope, instances.parent_id, instances.parent_round, instances.round, CAST(instances.headers AS TEXT) AS headers, instances.timed_out, instances.crashes, instances.concurrency_key, instances.rate_limit, instances.weight, instances.eligible_at
FROM gendurable.instances
WHERE instances.status = 'runnable' AND instances.blocked = 'rate' AND instances.paused_at IS NULL AND instances.rate_limit = locked.key AND instances.queue = %(in_queue)s::VARCHAR AND instances.eligible_at <= statement_timestamp() ORDER BY instances.priority, instances.eligible_at, instances.id
 LIMIT %(up_to)s::INTEGER + 1 FOR NO KEY UPDATE SKIP LOCKED) AS waiting ON true
