SELECT instances.id, instances.fsm, instances.fsm_version, instances.step, instances.attempt, instances.visit, instances.claim_seq, instances.crashes, instances.queue, instances.locked_by, instances.parent_id, instances.parent_round, instances.concurrency_key
FROM gendurable.instances
WHERE instances.status = 'executing' AND instances.lease_expires_at < statement_timestamp() AND (instances.lease_expires_at < statement_timestamp() - %(grace)s * interval '1 second' OR NOT (EXISTS (SELECT *
FROM gendurable.nodes
WHERE nodes.name = instances.locked_by AND nodes.beat_at > statement_timestamp() - %(grace)s * interval '1 second'))) ORDER BY instances.lease_expires_at
 LIMIT %(up_to)s::BIGINT FOR NO KEY UPDATE OF instances SKIP LOCKED
