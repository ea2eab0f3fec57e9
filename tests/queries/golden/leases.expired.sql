SELECT gendurable.instances.id, gendurable.instances.fsm, gendurable.instances.fsm_version, gendurable.instances.step, gendurable.instances.attempt, gendurable.instances.visit, gendurable.instances.claim_seq, gendurable.instances.crashes, gendurable.instances.queue, gendurable.instances.locked_by, gendurable.instances.parent_id, gendurable.instances.parent_round, gendurable.instances.concurrency_key
FROM gendurable.instances
WHERE gendurable.instances.status = 'executing' AND gendurable.instances.lease_expires_at < statement_timestamp() AND (gendurable.instances.lease_expires_at < statement_timestamp() - %(grace)s * interval '1 second' OR NOT (EXISTS (SELECT *
FROM gendurable.nodes
WHERE gendurable.nodes.name = gendurable.instances.locked_by AND gendurable.nodes.beat_at > statement_timestamp() - %(grace)s * interval '1 second'))) ORDER BY gendurable.instances.lease_expires_at
 LIMIT %(up_to)s::BIGINT FOR NO KEY UPDATE OF instances SKIP LOCKED
