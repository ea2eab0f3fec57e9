SELECT instances.id, instances.fsm, instances.fsm_version, instances.step, instances.status, CAST(instances.state AS TEXT) AS state, instances.attempt, instances.visit, instances.claim_seq, instances.parent_id, instances.parent_round, instances.correlation_key, instances.concurrency_key, instances.rate_limit, instances.ended_from
FROM gendurable.instances
WHERE instances.id = %(target)s::BIGINT
