SELECT instances.id, instances.status, instances.result, instances.last_error, instances.step, instances.attempt, instances.parent_id, instances.parent_round, instances.round, instances.ended_from, instances.correlation_key, instances.correlation_scope, instances.queue, instances.visit, instances.claim_seq, instances.concurrency_key, instances.rate_limit
FROM gendurable.instances
WHERE instances.id = %(target)s::BIGINT
