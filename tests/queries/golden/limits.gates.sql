WITH gates AS MATERIALIZED
(SELECT wanted.key, coalesce((SELECT limits.amount
FROM gendurable.limits
WHERE limits.kind = 'key' AND limits.name = split_part(wanted.key, ':', 1) ORDER BY limits.source DESC
 LIMIT 1), 1) AS width, coalesce((SELECT array_agg(instances.slot) AS array_agg_1
FROM gendurable.instances
WHERE instances.status = 'executing' AND instances.concurrency_key = wanted.key), '{}'::integer[]) AS slots
FROM json_to_recordset(%(keys)s::JSON) AS wanted(key TEXT))
 SELECT gates.key, gates.width, gates.slots, waiting.id, waiting.fsm, waiting.fsm_version, waiting.step, waiting.state, waiting.attempt, waiting.visit, waiting.claim_seq, waiting.awaits, waiting.queue, waiting.priority, waiting.correlation_key, waiting.correlation_scope, waiting.parent_id, waiting.parent_round, waiting.round, waiting.headers, waiting.timed_out, waiting.crashes, waiting.concurrency_key, waiting.rate_limit, waiting.weight, waiting.eligible_at
FROM gates LEFT OUTER JOIN LATERAL (SELECT instances.id, instances.fsm, instances.fsm_version, instances.step, CAST(instances.state AS TEXT) AS state, instances.attempt, instances.visit, instances.claim_seq, instances.awaits, instances.queue, instances.priority, instances.correlation_key, instances.correlation_scope, instances.parent_id, instances.parent_round, instances.round, CAST(instances.headers AS TEXT) AS headers, instances.timed_out, instances.crashes, instances.concurrency_key, instances.rate_limit, instances.weight, instances.eligible_at
FROM gendurable.instances
WHERE instances.status = 'runnable' AND instances.blocked = 'key' AND instances.paused_at IS NULL AND instances.concurrency_key = gates.key AND instances.queue = %(in_queue)s::VARCHAR AND instances.eligible_at <= statement_timestamp() ORDER BY instances.priority, instances.eligible_at, instances.id
 LIMIT CASE WHEN (greatest(gates.width - cardinality(gates.slots), 0) > 0) THEN least(greatest(gates.width - cardinality(gates.slots), 0), %(up_to)s::INTEGER) + 1 ELSE 0 END FOR NO KEY UPDATE SKIP LOCKED) AS waiting ON true
