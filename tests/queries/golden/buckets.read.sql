WITH locked AS MATERIALIZED
(SELECT buckets.key, buckets.level, buckets.per_us, buckets.at
FROM gendurable.buckets
WHERE buckets.key IN (SELECT wanted.key
FROM json_to_recordset(%(keys)s::JSON) AS wanted(key TEXT)) ORDER BY buckets.key FOR UPDATE SKIP LOCKED)
 SELECT wanted.key, EXISTS (SELECT *
FROM gendurable.buckets
WHERE buckets.key = wanted.key) AS there, locked.level, locked.per_us AS unit, CAST(greatest(locked.at, statement_timestamp()) AS TEXT) AS used, CAST(EXTRACT(epoch FROM greatest(locked.at, statement_timestamp()) - locked.at) * 1000000 AS BIGINT) AS elapsed, policy.amount, policy.per_us, policy.burst, waiting.id, waiting.fsm, waiting.fsm_version, waiting.step, waiting.state, waiting.attempt, waiting.visit, waiting.claim_seq, waiting.awaits, waiting.queue, waiting.priority, waiting.correlation_key, waiting.correlation_scope, waiting.parent_id, waiting.parent_round, waiting.round, waiting.headers, waiting.timed_out, waiting.crashes, waiting.concurrency_key, waiting.rate_limit, waiting.weight, waiting.eligible_at
FROM json_to_recordset(%(keys)s::JSON) AS wanted(key TEXT) LEFT OUTER JOIN LATERAL (SELECT limits.amount, limits.per_us, limits.burst
FROM gendurable.limits
WHERE limits.kind = 'rate' AND limits.name = split_part(wanted.key, ':', 1) ORDER BY limits.source DESC
 LIMIT 1) AS policy ON true LEFT OUTER JOIN locked ON locked.key = wanted.key LEFT OUTER JOIN LATERAL (SELECT instances.id, instances.fsm, instances.fsm_version, instances.step, CAST(instances.state AS TEXT) AS state, instances.attempt, instances.visit, instances.claim_seq, instances.awaits, instances.queue, instances.priority, instances.correlation_key, instances.correlation_scope, instances.parent_id, instances.parent_round, instances.round, CAST(instances.headers AS TEXT) AS headers, instances.timed_out, instances.crashes, instances.concurrency_key, instances.rate_limit, instances.weight, instances.eligible_at
FROM gendurable.instances
WHERE instances.status = 'runnable' AND instances.blocked = 'rate' AND instances.paused_at IS NULL AND instances.rate_limit = locked.key AND instances.queue = %(in_queue)s::VARCHAR AND instances.eligible_at <= statement_timestamp() ORDER BY instances.priority, instances.eligible_at, instances.id
 LIMIT %(up_to)s::INTEGER + 1 FOR NO KEY UPDATE SKIP LOCKED) AS waiting ON true
